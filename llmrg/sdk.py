"""The SDK: one `Project` binds a data set, a graph store and the trained recommenders of one folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from llmrg.builds import Builds
from llmrg.comparisons import Comparisons
from llmrg.core.errors import CallerError, ConfigError
from llmrg.core.places import written
from llmrg.core.records import History, ReasoningGraph
from llmrg.core.settings import Settings, load_settings
from llmrg.data.dataset import Dataset
from llmrg.data.options import checked_load
from llmrg.forget import Forgets
from llmrg.lists import Lists

if TYPE_CHECKING:
    from llmrg.core.graph_table import GraphTable
    from llmrg.explanations.explain import Explanation
    from llmrg.explanations.in_words import InWords
    from llmrg.graph_store.protocol import GraphStore
    from llmrg.reasons import ReasonUse
    from llmrg.recommenders.protocol import Query, Recommender

STORED = "store:"
"""`store:NAME` is a data set that is in the store."""
PAGE = 1000
"""Graphs read from the store in one call."""


@dataclass(frozen=True)
class Suggestion:
    """One recommended item, with why."""

    rank: int
    item: str
    title: str
    score: float
    why: Explanation
    """`why.found` is False where no chain leads to the item; `why.verified` tells whether its steps were verified."""

    @property
    def already_taken(self) -> bool:
        """Whether the user has taken the item before: `why` then tells when. Only with `recommend(..., again=True)`."""
        return self.why.taken is not None


class Picture:
    """A user's reasoning graph as a page; a notebook shows it by itself."""

    def __init__(self, html: str, svg: str, notebook: str) -> None:
        self.html, self.svg, self._notebook = html, svg, notebook

    def _repr_html_(self) -> str:
        return self._notebook

    def save(self, path: Path | str) -> Path:
        """Write a page (`.html`) or a drawing (`.svg`). Raises: CallerError: another ending; PlaceError: it cannot be written."""
        path = Path(path)
        kinds = {".html": self.html, ".htm": self.html, ".svg": self.svg}
        if path.suffix.lower() not in kinds and not path.is_char_device():
            raise CallerError(f"a picture is written as .html or .svg, and {str(path)!r} ends in neither; name it so")
        return written(path, kinds.get(path.suffix.lower(), self.html))


class Project(Builds, Forgets, Lists, Comparisons):
    """Everything about one data set.

    Args:
        data: `demo`, the name of a known data set, a file or folder, `store:NAME` for one that was imported into the store, a
            pandas or Polars frame, or a `Dataset`.
        store: `sqlite:///file` or `neo4j://host:port`; by default the file `graphs.db` in `home`.
        home: folder of the store, the trained recommenders and the pictures; by default `.llmrg`.
        name: what to call the data set, in the store and in `home`; by default as `llmrg.load_data` calls it.
        load: further arguments of `llmrg.load_data` (`columns`, `on_bad_row`, ...).
        settings: any other setting of `llmrg.Settings`.
    Nothing is read or connected before it is needed. Use `with`, or call `close()`.
    """

    def __init__(
        self,
        data: Any = "demo",
        *,
        store: str | None = None,
        home: Path | str | None = None,
        name: str = "",
        load: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.settings: Settings = load_settings(store=store, home=home, **settings)
        self._source, self._load = data, checked_load({**(load or {}), **({"name": name} if name else {})})
        if name and isinstance(data, str) and data.startswith(STORED):
            raise ConfigError(f"{data!r} names a data set of the store; it cannot be called {name!r} too")

    def __repr__(self) -> str:
        source = self._source if isinstance(self._source, str | Path | Dataset) else type(self._source)
        return f"Project({source!r}, home={str(self.settings.home)!r})"

    @cached_property
    def name(self) -> str:
        """The data set's name, its namespace in the store.

        Raises: DataError: another data set of this name is in the store, or recommenders of another one are in `home`.
        """
        from llmrg.data_identity import check_identity

        if self.in_store:
            return str(self._source).removeprefix(STORED)
        check_identity(self.dataset, self.store, self.settings.home)
        return self.dataset.name

    @property
    def in_store(self) -> bool:
        """Whether the data itself lies in the store (`store:NAME`)."""
        return isinstance(self._source, str) and self._source.startswith(STORED)

    @cached_property
    def dataset(self) -> Dataset:
        """Catalogue and histories."""
        from llmrg.data.registry import load_data
        from llmrg.stored_dataset import stored_dataset

        if isinstance(self._source, Dataset):
            return replace(self._source, name=self._load.get("name") or self._source.name)
        if self.in_store:
            return stored_dataset(self.store, self.name)
        return load_data(self._source, data_dir=self.settings.data_dir.expanduser(), **self._load)

    @cached_property
    def store(self) -> GraphStore:
        """The opened graph store."""
        from llmrg.graph_store.open_store import open_configured_store

        return open_configured_store(self.settings)

    def close(self) -> None:
        """Let the store and the call cache go."""
        if "_opened_minds" in self.__dict__:
            self._opened_minds.close()
        if "store" in self.__dict__:
            self.store.close()
            del self.__dict__["store"]

    def __enter__(self) -> Project:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # -- graphs ------------------------------------------------------------------------------------------------------
    def graph(self, user: str, run: str = "") -> ReasoningGraph:
        """The user's graph of a run (its id, or the beginning of it), or the newest.

        Raises: UnknownUserError: not in the data; GraphNotFoundError: none was built; ConfigError: no graphs of such a run.
        """
        self.dataset.history(user)
        return self.store.graph(self.name, user, self.run_named(run))

    def graphs(self, run: str = "") -> GraphTable:
        """Graphs of all users of the data set that have one, of a run or each user's newest: a mapping from user to graph, held
        as flat arrays. Raises: ConfigError: no graphs of such a run."""
        from llmrg.core.graph_table import GraphTable

        users, run = list(self.dataset.histories), self.run_named(run)
        pages = [self.store.graphs(self.name, users[i : i + PAGE], run) for i in range(0, len(users), PAGE)]
        return GraphTable.joined(pages)

    def graph_for(self, recommender: Recommender, user: str, run: str = "") -> ReasoningGraph | None:
        """What a recommender reads of a user: the graph of the run named, else of the run that it learnt from, else the newest.

        Raises: ConfigError: no graphs of such a run, or none any more.
        """
        from llmrg.chosen_run import runs_with_graphs

        learnt = getattr(recommender, "graphs_run", "")
        graph = self.store.graphs(self.name, [user], self.run_named(run) or learnt).get(user)
        if graph is None and learnt and not run and learnt not in (users := self.store.graphs_by_run(self.name)):
            raise ConfigError(
                f"the recommender {recommender.name!r} learnt from graphs of run {learnt!r}, of which there are none any more "
                f"({runs_with_graphs(self.store, self.name, users)})",
                sdk="train it again, or name a run with `run=`",
                shell="train it again, or name a run with --run",
            )
        return graph

    def run_named(self, run: str) -> str:
        """The whole id of a run with graphs, given it or the beginning of it; "" (the newest) stays.

        Raises: ConfigError: no such run has graphs, or several begin so.
        """
        from llmrg.chosen_run import chosen_run

        return chosen_run(self.store, self.name, run) if run else ""

    def reasons(self, run: str = "") -> list[ReasonUse]:
        """Reasons of the accepted steps of all users, the most used first, and whether the settings refuse them."""
        from llmrg.reasons import uses_of

        return uses_of(self.graphs(run), self.vetoes)

    # -- what users ask ----------------------------------------------------------------------------------------------
    def recommend(
        self,
        user: str | None = None,
        *,
        items: Sequence[str] | None = None,
        k: int = 10,
        recommender: Recommender | None = None,
        again: bool = False,
        to_neo4j: bool = False,
        run: str = "",
    ) -> list[Suggestion]:
        """The k best unseen items, each with what its score is the sum of.

        Args:
            user: a known user: the whole history is the query.
            items: an unseen history, oldest first (ids, or titles), instead of a user.
            again: items that the user has taken already too; of these `why` tells when, and what led to them then.
            run: whose graphs are read; by default those that the recommender learnt from, as `graph_for` says.
            to_neo4j: keep them in the store too, in place of this recommender's last ones for the user, for Neo4j Browser:
                `(:User)-[:RECOMMENDED {rank, score, model, at}]->(:Item)`.
        Raises:
            UnknownUserError, UnknownItemError.
            CallerError: neither or both of user and items, or a title of several items; `to_neo4j` without a user, or with
                another store than Neo4j.
        """
        from llmrg.data.find_item import find_item
        from llmrg.explanations.explain import explain
        from llmrg.recommenders.protocol import Query
        from llmrg.recommenders.recommend import known_query, recommend_batch

        if (user is None) == (items is None):
            raise CallerError("name either a user or items, one of the two")
        if to_neo4j:
            self._check_neo4j(user)
        catalogue, fitted = self.dataset.catalogue, recommender or self.recommender()
        named = (item if item in fitted.items else find_item(catalogue, item).id for item in items or ())
        history = self.dataset.history(user) if user is not None else History("", tuple(named))
        graph = self.graph_for(fitted, user, run) if user is not None else None
        query = Query.at(history, len(history), graph)
        recommendations = recommend_batch(fitted, catalogue, [query], k, mask_seen=not again)[0]
        whole, query, themes = query, known_query(fitted, query), self.themes()
        verified = self._verified(query.graph or ReasoningGraph(history.user))

        def why(item: str) -> Explanation:
            taken = item in history.items
            scored, parts = (whole, None) if taken else (query, fitted.contributions(query, item))
            graph = scored.graph or ReasoningGraph(history.user)
            how: dict[str, Any] = {"themes": themes, "verified": verified, "vetoes": self.vetoes}
            return explain(graph, scored.history, item, contributions=parts, **how)

        whys = [why(r.item) for r in recommendations]
        if to_neo4j and user is not None:
            self.store.put_recommendations(
                self.name, user, fitted.name, [(r.item, r.score) for r in recommendations], time.time()
            )
        return [
            Suggestion(r.rank, r.item, catalogue[r.item].title, r.score, why)
            for r, why in zip(recommendations, whys, strict=True)
        ]

    def _check_neo4j(self, user: str | None) -> None:
        """Before a recommender is loaded. Raises: CallerError."""
        from llmrg.graph_store.checks import no_recommendations

        if user is None:
            raise CallerError("recommendations are kept for a user of the data; name one, in place of items")
        if not self.store.abilities.neo4j_browser:
            raise no_recommendations(self.store.url)

    def explain(self, user: str, item: str, *, recommender: Recommender | None = None, run: str = "") -> Explanation:
        """Why this item for this user: which reasons took part in its score, where a recommender is trained or given.

        Of an item that the user has taken already: when, and what led to it then.

        Args:
            item: its id, or its title.
            run: as in `recommend`.
        Raises: UnknownUserError, UnknownItemError, GraphNotFoundError; CallerError: several items have this title.
        """
        from llmrg.data.find_item import find_item
        from llmrg.explanations.explain import explain

        fitted = recommender or (self.recommender() if self.trained() else None)
        graph, history = self._graph_shown(user, fitted, run), self.dataset.history(user)
        item = find_item(self.dataset.catalogue, item).id
        how: dict[str, Any] = {"verified": self._verified(graph), "themes": self.themes(), "vetoes": self.vetoes}
        if fitted is None or item not in fitted.items or item in history.items:
            return explain(graph, history, item, **how)
        query = _whole(fitted, history, graph)
        parts = fitted.contributions(query, item)
        return explain(query.graph or ReasoningGraph(user), query.history, item, contributions=parts, **how)

    def in_words(self, why: Explanation, *, recommender: Recommender, run: str = "") -> InWords:
        """The strongest reason of `explain(..., recommender=recommender, run=run)` as a sentence of the language model in it,
        checked.

        Raises: ConfigError: there is no language model in it.
        """
        from llmrg.explanations.in_words import in_words
        from llmrg.recsysllm.asking import Teller
        from llmrg.recsysllm.making import language_model_of

        query = _whole(
            recommender, self.dataset.history(why.user), self.vetoes.shown(self._graph_shown(why.user, recommender, run))
        )
        return in_words(why, Teller(language_model_of(recommender), query, why.item), self.dataset.catalogue)

    def _verified(self, graph: ReasoningGraph) -> bool:
        """Whether the run that made the graph verified its steps."""
        from llmrg.explanations.verification import was_verified

        return was_verified(graph.run, self.store.runs(self.name))

    def _graph_shown(self, user: str, recommender: Recommender | None, run: str) -> ReasoningGraph:
        """As `graph_for`. Raises: UnknownUserError, GraphNotFoundError, ConfigError."""
        self.dataset.history(user)
        graph = self.graph_for(recommender, user, run) if recommender is not None else None
        return graph or self.graph(user, run or getattr(recommender, "graphs_run", ""))

    def show(self, user: str, *, recommender: Recommender | None = None, k: int = 5, run: str = "") -> Picture:
        """The user's picture; with recommendations where a recommender is trained or given.

        Args: run: as in `recommend`.
        """
        from llmrg.explanations.notebook import notebook_html
        from llmrg.explanations.page import draw_page
        from llmrg.explanations.svg import draw_svg

        fitted = recommender or (self.recommender() if self.trained() else None)
        history, graph = self.dataset.history(user), self._graph_shown(user, fitted, run)
        suggestions = self.recommend(user, k=k, recommender=fitted, run=run) if fitted else []
        marked = [(s.item, s.score, s.why) for s in suggestions]
        simulated = any("simulated" in note for note in self.dataset.report.notes)
        parts = (self.dataset.catalogue, history, self.vetoes.shown(graph), marked)
        how: dict[str, Any] = {"simulated": simulated, "verified": self._verified(graph)}
        return Picture(draw_page(*parts, **how), draw_svg(*parts, **how), notebook_html(*parts, **how))


def _whole(recommender: Recommender, history: History, graph: ReasoningGraph) -> Query:
    """What follows all of a history, as far as the recommender knows its items."""
    from llmrg.recommenders.protocol import Query
    from llmrg.recommenders.recommend import known_query

    return known_query(recommender, Query.at(history, len(history), graph))
