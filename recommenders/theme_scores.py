"""Overlap of what a history's reasons ask for with what each item stands for: a score without any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt
from scipy.sparse import csr_matrix, vstack

from llmrg.core.contribution import Contribution
from llmrg.core.records import Step
from llmrg.core.themes import CATALOGUE, Themes
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import BaseRecommender, FitData
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.theme_profiles import ItemProfiles, OwnSteps, source_profiles

CHUNK = 128
"""Questions multiplied at once."""


class ThemeScoresConfig(BaseModel, frozen=True, extra="forbid"):
    """Which reasons ask, and whose profiles answer."""

    view: Literal["bag", "shared", "graph"] = "bag"
    """Which themes ask: `bag`, all that the history's items stand for; `shared`, those that at least two of its items stand for
    (chains that need no model); `graph`, the reasons of the user's visible accepted steps, or of a history without a graph what
    `shared` gives."""
    source: str = CATALOGUE
    """Source of the item profiles."""
    half_life: PositiveFloat | None = 10.0
    """Positions after which a theme counts half; None for no decay."""
    last: PositiveInt = 50
    """Most recent items that are looked at."""
    roots: float = Field(default=0.25, ge=0.0, le=1.0)
    """View `graph`: weight of a step without a cause beside that of one that continues from an earlier item."""


class ThemeScores(BaseRecommender):
    """score(i) = sum over themes t of q_t idf_t / |q| * c_it idf_t / |c_i|, a cosine in [0, 1].

    q_t sums, over the asking items or steps, their weight for the theme times 2 ** (-age / half_life); c_i is the item's
    profile. A user's own steps are left out of c_i, and steps of held-out positions never enter it (`theme_profiles`).
    """

    type = "themes"

    def __init__(self, config: ThemeScoresConfig | None = None) -> None:
        super().__init__()
        self.config = config or ThemeScoresConfig()
        self.name = f"themes: {self.config.view}, {self.config.source}"
        self._profiles = ItemProfiles.of((), csr_matrix((0, 0)))
        self._themes = Themes()

    def _fit(self, data: FitData) -> None:
        self._profiles, self._themes = source_profiles(data, self.config.source), Themes(data.themes.of_text)
        self._ready()

    def _ready(self) -> None:
        self._keys = self._profiles.unit(self._profiles.matrix)
        self._column_of: dict[str, int | None] = {}

    # -- scores ------------------------------------------------------------------------------------------------------
    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        asked = self._profiles.unit(self.asking(rows, queries))
        scores = np.empty((len(queries), self._keys.shape[0]), dtype=np.float32)
        for start in range(0, len(queries), CHUNK):  # a product with a dense matrix is several times faster than a sparse one
            scores[start : start + CHUNK] = (self._keys @ asked[start : start + CHUNK].T.toarray()).T
        for number, query in enumerate(queries):
            own = self._own_items(query)
            if len(own):
                scores[number, own] = (asked[number] @ self._profiles.unit(self._rows_for(query, own)).T).toarray()[0]
        return scores

    def asking(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> csr_matrix:
        """(B, T) float32: how strongly each theme is asked for, before idf and length."""
        with_graph = np.array([self.config.view == "graph" and query.graph is not None for query in queries])
        steps, items = np.flatnonzero(with_graph).tolist(), np.flatnonzero(~with_graph).tolist()
        if not steps:
            return self._of_items(rows, queries)
        found = self._of_steps([queries[i] for i in steps])
        if not items:
            return found
        both = vstack([found, self._of_items([rows[i] for i in items], [queries[i] for i in items])], format="csr")
        return both[np.argsort(np.array(steps + items))]

    def _of_items(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> csr_matrix:
        """What the items of the histories stand for; a history without a graph has the chains that need no model."""
        recent = [row[-self.config.last :] - 1 for row in rows]
        counts = np.array([len(row) for row in recent])
        columns = np.concatenate(recent)
        ages = np.concatenate([np.arange(count - 1, -1, -1) for count in counts])
        if self._profiles.own is None:
            profiles = self._profiles.matrix[columns]
        else:
            profiles = vstack([self._rows_for(query, row) for query, row in zip(queries, recent, strict=True)], format="csr")
        starts = np.concatenate([[0], np.cumsum(counts)])
        shape = (len(rows), len(columns))
        found = csr_matrix((self._decay(ages), np.arange(len(columns)), starts), shape=shape) @ profiles
        if self.config.view != "bag":
            stands = profiles.copy()
            stands.data[:] = 1.0
            carriers = csr_matrix((np.ones(len(columns), np.float32), np.arange(len(columns)), starts), shape=shape) @ stands
            found = found.multiply(carriers >= 2)
        return csr_matrix(found, dtype=np.float32)

    def _steps(self, query: Query) -> list[tuple[Step, int]]:
        """Visible accepted reasoned steps that fit the history, each with its theme's column."""
        if query.graph is None:
            return []
        items, known = query.history.items, self._column_of
        found = []
        for step in query.graph.before(len(items)).reasoned():
            if step.reason not in known:
                known[step.reason] = self._profiles.column.get(self._themes.theme(step.reason))
            column = known[step.reason]
            if column is not None and step.position < len(items) and items[step.position] == step.item:
                found.append((step, column))
        return found

    def _of_steps(self, queries: Sequence[Query]) -> csr_matrix:
        """What the reasons of the graphs ask for."""
        steps = [self._steps(query) for query in queries]
        weights = [self._weights(found, len(query.history)) for found, query in zip(steps, queries, strict=True)]
        columns = np.array([column for found in steps for _, column in found], dtype=np.int64)
        starts = np.cumsum([0, *map(len, steps)])
        made = csr_matrix((np.concatenate(weights), columns, starts), shape=(len(queries), len(self._profiles.themes)))
        made.sum_duplicates()
        return made

    def _weights(self, steps: Sequence[tuple[Step, int]], length: int) -> np.ndarray:
        ages = np.array([length - 1 - step.position for step, _ in steps])
        kinds = np.array([step.score * (self.config.roots if step.cause_kind == "root" else 1.0) for step, _ in steps])
        return np.asarray(kinds * self._decay(ages) * (ages < self.config.last), dtype=np.float32)

    def _decay(self, ages: np.ndarray) -> np.ndarray:
        if self.config.half_life is None:
            return np.ones(len(ages), dtype=np.float32)
        return np.exp2(-ages / self.config.half_life).astype(np.float32)

    # -- leave-own-out -------------------------------------------------------------------------------------------------
    def _own_items(self, query: Query) -> np.ndarray:
        own = self._profiles.own
        return np.unique(own.of_user(query.history.user)[0]) if own is not None else np.zeros(0, dtype=np.int64)

    def _rows_for(self, query: Query, columns: np.ndarray) -> csr_matrix:
        """(n, T) profiles of items, as this user may see them."""
        own = self._profiles.own
        if own is None or not len(columns):
            return self._profiles.matrix[columns]
        return own.rows_without(query.history.user, columns)

    # -- attribution ---------------------------------------------------------------------------------------------------
    def contributions(self, query: Query, item: str) -> list[Contribution]:
        """One part a theme, with the positions of the history that ask for it; they sum to the score."""
        row, column = self.items.rows(query.history.items), self.items.row(item) - 1
        if not len(row):
            return super().contributions(query, item)
        asked = self._profiles.unit(self.asking([row], [query]))
        key = self._profiles.unit(self._rows_for(query, np.array([column])))
        shared = csr_matrix(asked.multiply(key))
        positions = self._positions(row, query)
        return [
            Contribution(
                "theme", self._profiles.themes[theme], float(value), tuple(positions.get(theme, ())), self._profiles.source
            )
            for theme, value in zip(shared.indices.tolist(), shared.data.tolist(), strict=True)
            if value
        ]

    def _positions(self, row: np.ndarray, query: Query) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        if self.config.view == "graph" and query.graph is not None:
            steps = self._steps(query)
            for (step, column), weight in zip(steps, self._weights(steps, len(row)), strict=True):
                if weight:
                    found.setdefault(column, []).append(step.position)
            return found
        first = max(0, len(row) - self.config.last)
        profiles = self._rows_for(query, row[first:] - 1).tocoo()
        for position, column in zip(profiles.row.tolist(), profiles.col.tolist(), strict=True):
            found.setdefault(column, []).append(first + position)
        return {column: sorted(positions) for column, positions in found.items()}

    # -- saving --------------------------------------------------------------------------------------------------------
    def _config(self) -> Mapping[str, Any]:
        own = self._profiles.own
        texts = dict(self._themes.of_text)
        users = list(own.users) if own is not None else None
        told = {"themes": list(self._profiles.themes), "texts": texts, "users": users, "said_by": self._profiles.source}
        return {**self.config.model_dump(), **told}

    def _tensors(self) -> Mapping[str, np.ndarray]:
        kept, own = self._profiles.matrix, self._profiles.own
        found = {"data": kept.data, "indices": kept.indices, "indptr": kept.indptr}
        return found if own is None else {**found, **own.tensors()}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        saved = dict(artifact.config)
        themes, texts, users, said_by = (saved.pop(name) for name in ("themes", "texts", "users", "said_by"))
        made = cls(ThemeScoresConfig(**saved))
        shape = (len(artifact.items), len(themes))
        matrix = csr_matrix(tuple(artifact.tensor(name) for name in ("data", "indices", "indptr")), shape=shape)
        own = None if users is None else OwnSteps.revived(users, artifact, shape)
        made._profiles, made._themes = replace(ItemProfiles.of(themes, matrix, own), source=said_by), Themes(texts)
        made._ready()
        return made
