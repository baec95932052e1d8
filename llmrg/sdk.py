"""The SDK: one `Project` binds a data set, a graph store and the trained recommenders of one folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from llmrg.builds import Builds
from llmrg.core.errors import ArtifactError, CallerError, GraphNotFoundError
from llmrg.core.records import History, ReasoningGraph
from llmrg.core.settings import Settings, load_settings
from llmrg.data.dataset import Dataset

if TYPE_CHECKING:
    from llmrg.core.graph_table import GraphTable
    from llmrg.evaluation.comparison import Comparison
    from llmrg.explanations.explain import Explanation
    from llmrg.graph_store.protocol import GraphStore
    from llmrg.recommenders.protocol import Recommender
    from llmrg.recommenders.training import Epoch, TrainingConfig

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


class Picture:
    """A user's reasoning graph as a page; a notebook shows it by itself."""

    def __init__(self, html: str, svg: str, notebook: str) -> None:
        self.html, self.svg, self._notebook = html, svg, notebook

    def _repr_html_(self) -> str:
        return self._notebook

    def save(self, path: Path | str) -> Path:
        """Write HTML, or SVG where the name ends in `.svg`."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.svg if path.suffix == ".svg" else self.html, encoding="utf-8")
        return path


class Project(Builds):
    """Everything about one data set.

    Args:
        data: `demo`, the name of a known data set, a file or folder, `store:NAME` for one that was imported into the store, a
            pandas or Polars frame, or a `Dataset`.
        store: `sqlite:///file` or `neo4j://host:port`; by default the file `graphs.db` in `home`.
        home: folder of the store, the trained recommenders and the pictures; by default `.llmrg`.
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
        load: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.settings: Settings = load_settings(store=store, home=home, **settings)
        self._source, self._load = data, load or {}

    @property
    def name(self) -> str:
        """The data set's name, its namespace in the store."""
        if isinstance(self._source, str) and self._source.startswith(STORED):
            return self._source.removeprefix(STORED)
        return self.dataset.name

    @cached_property
    def dataset(self) -> Dataset:
        """Catalogue and histories."""
        from llmrg.data.registry import load_data
        from llmrg.stored_dataset import stored_dataset

        if isinstance(self._source, Dataset):
            return self._source
        if isinstance(self._source, str) and self._source.startswith(STORED):
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
    def graph(self, user: str) -> ReasoningGraph:
        """Raises: UnknownUserError: not in the data; GraphNotFoundError: none was built."""
        self.dataset.history(user)
        return self.store.graph(self.dataset.name, user)

    def graphs(self) -> GraphTable:
        """Graphs of all users of the data set that have one: a mapping from user to graph, held as flat arrays."""
        from llmrg.core.graph_table import GraphTable

        users = list(self.dataset.histories)
        pages = [self.store.graphs(self.dataset.name, users[i : i + PAGE]) for i in range(0, len(users), PAGE)]
        return GraphTable.joined(pages)

    # -- recommenders ------------------------------------------------------------------------------------------------
    def train(
        self,
        name: str = "graph",
        *,
        config: TrainingConfig | None = None,
        seed: int = 0,
        progress: Callable[[Epoch], None] | None = None,
    ) -> Recommender:
        """Train a recommender on the training parts and keep it in `home`.

        Args: name: `graph` (SASRec with reasoning graphs), `sasrec`, `skip-markov` or `popularity`.
        Raises: ConfigError: unknown name; GraphNotFoundError: `graph` before any graph was built.
        """
        from llmrg.experiment import make_recommender, one_thread

        graphs: Mapping[str, ReasoningGraph] = self.graphs() if name == "graph" else {}
        if name == "graph" and not graphs:
            raise GraphNotFoundError(next(iter(self.dataset.histories), ""))
        checkpoint = self._model_folder(name).with_suffix(".training")
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        made = make_recommender(name, self.settings, config=config, seed=seed, progress=progress, checkpoint=checkpoint)
        with one_thread(len(self.dataset.catalogue)):
            made.fit(self.dataset, graphs)
        made.save(self._model_folder(name))
        checkpoint.unlink(missing_ok=True)
        return made

    def recommender(self, name: str = "graph") -> Recommender:
        """A trained recommender of this project. Raises: ArtifactError: not trained yet, or damaged."""
        from llmrg.recommenders.loading import load_recommender
        from llmrg.wiring import text_vectors

        folder = self._model_folder(name)
        if not folder.exists():
            raise ArtifactError(f"no trained recommender {name!r} in {folder}; train it with `llmrg train {name}`")
        options = {"text": text_vectors(self.settings)} if name == "graph" else {}
        return load_recommender(folder, **options)

    def _model_folder(self, name: str) -> Path:
        return self.settings.home / "models" / self.dataset.name / name

    def compare(
        self,
        seeds: Sequence[int] = (0,),
        progress: Callable[[str], None] | None = None,
        *,
        config: TrainingConfig | None = None,
        keep: bool = False,
        more: Mapping[str, Mapping[str, ReasoningGraph]] | None = None,
    ) -> Comparison:
        """The honest table: controls, base model, base + graphs, on the held-out last items of all users.

        Args:
            config: how long and how fast to train; the same for every row.
            keep: save the trained recommenders (first seed, real graphs) as `train` would.
            more: further graphs by name, each a row of its own.
        Raises: GraphNotFoundError: no graph was built; DataError: no history is long enough.
        """
        from llmrg.experiment import run_comparison

        graphs = self.graphs()
        if not graphs:
            raise GraphNotFoundError(next(iter(self.dataset.histories), ""))
        trained = self._keep if keep else None
        options: dict[str, Any] = {"seeds": seeds, "config": config, "progress": progress, "trained": trained, "more": more}
        return run_comparison(self.dataset, graphs, self.settings, **options)

    def _keep(self, name: str, recommender: Recommender) -> None:
        recommender.save(self._model_folder(name))

    # -- what users ask ----------------------------------------------------------------------------------------------
    def recommend(
        self, user: str | None = None, *, items: Sequence[str] | None = None, k: int = 10, recommender: Recommender | None = None
    ) -> list[Suggestion]:
        """The k best unseen items, each with the chain that leads to it.

        Args:
            user: a known user: the whole history is the query.
            items: an unseen history, oldest first (item ids), instead of a user.
        Raises: UnknownUserError, UnknownItemError, CallerError: neither or both of user and items.
        """
        from llmrg.explanations.explain import explain
        from llmrg.recommenders.protocol import Query
        from llmrg.recommenders.recommend import recommend_batch

        if (user is None) == (items is None):
            raise CallerError("name either a user or items, one of the two")
        history = self.dataset.history(user) if user is not None else History("", tuple(items or ()))
        graph = self.store.graphs(self.dataset.name, [user]).get(user) if user is not None else None
        query = Query.at(history, len(history), graph)
        found = recommend_batch(recommender or self.recommender(), self.dataset.catalogue, [query], k)[0]
        graph = graph or ReasoningGraph(history.user)
        verified, title = self._verified(graph), self.dataset.catalogue
        whys = [explain(graph, history, r.item, verified=verified) for r in found]
        return [Suggestion(r.rank, r.item, title[r.item].title, r.score, why) for r, why in zip(found, whys, strict=True)]

    def explain(self, user: str, item: str) -> Explanation:
        """The chain of steps from the user's history to the item; `found` is False where there is none.

        Raises: UnknownUserError, UnknownItemError, GraphNotFoundError.
        """
        from llmrg.explanations.explain import explain

        graph = self.graph(user)
        return explain(graph, self.dataset.history(user), self.dataset.catalogue[item].id, verified=self._verified(graph))

    def _verified(self, graph: ReasoningGraph) -> bool:
        """Whether the run that made the graph verified its steps."""
        from llmrg.explanations.verification import was_verified

        return bool(graph.run) and was_verified(graph, self.store.runs(self.dataset.name))

    def show(self, user: str, *, recommender: Recommender | None = None, k: int = 5) -> Picture:
        """The user's picture; with recommendations where a recommender is trained or given."""
        from llmrg.explanations.notebook import notebook_html
        from llmrg.explanations.page import draw_page
        from llmrg.explanations.svg import draw_svg

        history, graph = self.dataset.history(user), self.graph(user)
        known = recommender or (self.recommender() if self._model_folder("graph").exists() else None)
        made = self.recommend(user, k=k, recommender=known) if known else []
        marked = [(s.item, s.score, s.why) for s in made]
        made_up = any("simulated" in note for note in self.dataset.report.notes)
        parts = (self.dataset.catalogue, history, graph, marked)
        how: dict[str, Any] = {"simulated": made_up, "verified": self._verified(graph)}
        return Picture(draw_page(*parts, **how), draw_svg(*parts, **how), notebook_html(*parts, **how))
