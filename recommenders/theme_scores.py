"""Overlap of what a history's reasons ask for with what each item stands for: a score without any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt
from scipy.sparse import csr_matrix, vstack

from llmrg.core.contribution import Contribution
from llmrg.core.themes import CATALOGUE, Themes
from llmrg.encoders.placed_steps import PlacedSteps
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import BaseRecommender, FitData
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.queries import steps_of, users_of
from llmrg.recommenders.theme_events import theme_columns
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

    # -- scores ------------------------------------------------------------------------------------------------------
    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        wanted = self._profiles.unit(self.asking(rows, queries))
        scores = np.empty((len(queries), self._keys.shape[0]), dtype=np.float32)
        for start in range(0, len(queries), CHUNK):  # a product with a dense matrix is several times faster than a sparse one
            scores[start : start + CHUNK] = (self._keys @ wanted[start : start + CHUNK].T.toarray()).T
        for number, user in enumerate(users_of(queries)):
            own = self._own_items(user)
            if len(own):
                scores[number, own] = (wanted[number] @ self._profiles.unit(self._rows_for(user, own)).T).toarray()[0]
        return scores

    def asking(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> csr_matrix:
        """(B, T) float32: how strongly each theme is asked for, before idf and length."""
        users = users_of(queries)
        if self.config.view != "graph":
            return self._of_items(rows, users)
        placed = steps_of(queries, rows, self.items)
        steps, column, weight = self._asking_steps(placed)
        of_steps = csr_matrix((weight, (steps.graph, column)), shape=(len(queries), len(self._profiles.themes)), dtype=np.float32)
        bare = np.flatnonzero(placed.numbers < 0).tolist()
        if not bare:
            return of_steps
        of_items = self._of_items([rows[i] for i in bare], [users[i] for i in bare])
        place = (np.ones(len(bare), np.float32), (bare, np.arange(len(bare))))
        return csr_matrix(of_steps + csr_matrix(place, shape=(len(queries), len(bare))) @ of_items, dtype=np.float32)

    def _of_items(self, rows: Sequence[np.ndarray], users: Sequence[str]) -> csr_matrix:
        """What the items of the histories stand for; a history without a graph has the chains that need no model."""
        recent = [row[-self.config.last :] - 1 for row in rows]
        counts = np.array([len(row) for row in recent])
        columns = np.concatenate(recent)
        ages = np.concatenate([np.arange(count - 1, -1, -1) for count in counts])
        if self._profiles.own is None:
            profiles = self._profiles.matrix[columns]
        else:
            profiles = vstack([self._rows_for(user, row) for user, row in zip(users, recent, strict=True)], format="csr")
        starts = np.concatenate([[0], np.cumsum(counts)])
        shape = (len(rows), len(columns))
        weights = csr_matrix((self._decay(ages), np.arange(len(columns)), starts), shape=shape) @ profiles
        if self.config.view != "bag":
            stands = profiles.copy()
            stands.data[:] = 1.0
            carriers = csr_matrix((np.ones(len(columns), np.float32), np.arange(len(columns)), starts), shape=shape) @ stands
            weights = weights.multiply(carriers >= 2)
        return csr_matrix(weights, dtype=np.float32)

    def _asking_steps(self, placed: PlacedSteps) -> tuple[PlacedSteps, np.ndarray, np.ndarray]:
        """Reasoned steps whose theme some item stands for, with the (S,) columns of their themes and their (S,) weights."""
        steps = placed.only("reasoned")
        column = theme_columns(steps, self._profiles, self._themes)
        known = np.flatnonzero(column >= 0)
        steps, column = steps.take(known), column[known]
        ages = np.diff(steps.item_offsets)[steps.graph] - 1 - steps.column("position")
        kinds = steps.column("score") * np.where(steps.says("cause_kind", "root"), self.config.roots, 1.0)
        return steps, column, np.asarray(kinds * self._decay(ages) * (ages < self.config.last), dtype=np.float32)

    def _decay(self, ages: np.ndarray) -> np.ndarray:
        if self.config.half_life is None:
            return np.ones(len(ages), dtype=np.float32)
        return np.exp2(-ages / self.config.half_life).astype(np.float32)

    # -- leave-own-out -------------------------------------------------------------------------------------------------
    def _own_items(self, user: str) -> np.ndarray:
        own = self._profiles.own
        return np.unique(own.of_user(user)[0]) if own is not None else np.zeros(0, dtype=np.int64)

    def _rows_for(self, user: str, columns: np.ndarray) -> csr_matrix:
        """(n, T) profiles of items, as this user may see them."""
        own = self._profiles.own
        if own is None or not len(columns):
            return self._profiles.matrix[columns]
        return own.rows_without(user, columns)

    # -- attribution ---------------------------------------------------------------------------------------------------
    def contributions(self, query: Query, item: str) -> list[Contribution]:
        """One part a theme, with the positions of the history that ask for it; they sum to the score."""
        row, column = self.items.rows(query.history.items), self.items.row(item) - 1
        if not len(row):
            return super().contributions(query, item)
        wanted = self._profiles.unit(self.asking([row], [query]))
        key = self._profiles.unit(self._rows_for(query.history.user, np.array([column])))
        shared = csr_matrix(wanted.multiply(key))
        positions = self._positions(row, query)
        return [
            Contribution(
                "theme", self._profiles.themes[theme], float(value), tuple(positions.get(theme, ())), self._profiles.source
            )
            for theme, value in zip(shared.indices.tolist(), shared.data.tolist(), strict=True)
            if value
        ]

    def _positions(self, row: np.ndarray, query: Query) -> dict[int, list[int]]:
        positions_of: dict[int, list[int]] = {}
        if self.config.view == "graph" and query.graph is not None:
            steps, columns, weights = self._asking_steps(steps_of([query], [row], self.items))
            positions, columns = steps.column("position")[weights > 0], columns[weights > 0]
        else:
            first = max(0, len(row) - self.config.last)
            profiles = self._rows_for(query.history.user, row[first:] - 1).tocoo()
            positions, columns = first + profiles.row, profiles.col
        for position, column in zip(positions.tolist(), columns.tolist(), strict=True):
            positions_of.setdefault(column, []).append(position)
        return {column: sorted(at) for column, at in positions_of.items()}

    # -- saving --------------------------------------------------------------------------------------------------------
    def _config(self) -> Mapping[str, Any]:
        own = self._profiles.own
        texts = dict(self._themes.of_text)
        users = list(own.users) if own is not None else None
        saved = {"themes": list(self._profiles.themes), "texts": texts, "users": users, "said_by": self._profiles.source}
        return {**self.config.model_dump(), **saved}

    def _tensors(self) -> Mapping[str, np.ndarray]:
        matrix, own = self._profiles.matrix, self._profiles.own
        tensors = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}
        return tensors if own is None else {**tensors, **own.tensors()}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        saved = dict(artifact.config)
        themes, texts, users, said_by = (saved.pop(name) for name in ("themes", "texts", "users", "said_by"))
        recommender = cls(ThemeScoresConfig(**saved))
        shape = (len(artifact.items), len(themes))
        matrix = csr_matrix(tuple(artifact.tensor(name) for name in ("data", "indices", "indptr")), shape=shape)
        own = None if users is None else OwnSteps.revived(users, artifact, shape)
        recommender._profiles, recommender._themes = replace(ItemProfiles.of(themes, matrix, own), source=said_by), Themes(texts)
        recommender._ready()
        return recommender
