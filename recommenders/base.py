"""What all recommenders here share: item rows, popularity for an empty history, saving."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import ValidationError

from llmrg.core.contribution import Contribution
from llmrg.core.errors import ArtifactError, CallerError, ConfigError
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import ReasoningGraph
from llmrg.core.themes import Themes
from llmrg.data.dataset import Dataset
from llmrg.recommenders.artifacts import Artifact, save_artifact
from llmrg.recommenders.items import ItemRows
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.queries import rows_of, take
from llmrg.recommenders.sequences import Sequences, catalogue_rows


@dataclass(frozen=True)
class FitData:
    """What a fit may look at."""

    dataset: Dataset
    items: ItemRows
    parts: Sequences
    """user -> (n,) int64 rows of the training part, oldest first; of the whole history in a final fit."""
    graphs: GraphTable
    """Whole graphs; whoever reads them cuts them at the training part."""
    themes: Themes
    final: bool = False
    """Whether the parts are whole histories, so that nothing is left to validate on."""

    def validation_rows(self) -> np.ndarray:
        """(U,) int64 row of each user's validation item, 0 for none."""
        if self.final:
            return np.zeros(len(self.parts), dtype=np.int64)
        arrays = self.dataset.arrays
        positions = self.dataset.split.validation_positions(arrays.lengths)
        rows, has_item = np.zeros(len(positions), dtype=np.int64), positions >= 0
        rows[has_item] = catalogue_rows(self.dataset, arrays.codes[arrays.offsets[:-1][has_item] + positions[has_item]])
        return rows


class BaseRecommender(ABC):
    """A recommender that turns non-empty histories, as row numbers, into scores; empty ones get popularity."""

    type: ClassVar[str]
    """Name in saved folders."""
    name: str
    """Name in tables."""
    has_final_fit: ClassVar[bool] = True
    no_start: ClassVar[str] = "it counts, and has no weights that a training could begin with"
    """Why `start_from` is refused."""
    final = False
    """Whether whole histories were learnt from: then it must not be ranked on held-out items."""
    graphs_run = ""
    """The run whose graphs were learnt from, kept by a project beside what is saved; "" where they were of several, or none."""

    def __init__(self) -> None:
        self._items: ItemRows | None = None
        self._popularity = np.zeros(0, dtype=np.float32)

    @property
    def items(self) -> ItemRows:
        """Raises: CallerError: not fitted yet."""
        if self._items is None:
            raise CallerError(f"the recommender {self.name!r} is not fitted; call fit(dataset) or load a saved one first")
        return self._items

    @property
    def is_fitted(self) -> bool:
        return self._items is not None

    def fit(self, dataset: Dataset, graphs: Mapping[str, ReasoningGraph] | None = None, themes: Themes | None = None) -> None:
        """Learn from the training part of every history; validation items serve early stopping and the fitting of weights only.

        Raises: UnknownItemError: a history names an item that the catalogue lacks.
        """
        self._fit(self._begin(dataset, graphs, themes, final=False))

    def fit_whole(
        self, dataset: Dataset, graphs: Mapping[str, ReasoningGraph] | None = None, themes: Themes | None = None
    ) -> None:
        """Learn from whole histories what the fit before found best: its epochs, its weights of a mix, its choice. The
        validation NDCG stays that of the fit before.

        Raises:
            CallerError: not fitted yet.
            ConfigError: of this type there is no final fit, or the fit before could validate no epoch.
            UnknownItemError: a history names an item that the catalogue lacks.
        """
        if not self.has_final_fit:
            raise ConfigError(f"there is no final fit of {self.type}: it is trained with the last two items held back")
        self.items  # noqa: B018 - refuses what is not fitted
        self._fit_whole(self._begin(dataset, graphs, themes, final=True))

    def _begin(
        self, dataset: Dataset, graphs: Mapping[str, ReasoningGraph] | None, themes: Themes | None, final: bool
    ) -> FitData:
        items = ItemRows(dataset.catalogue.ids)
        parts = Sequences.of(dataset, final)
        counts = np.bincount(parts.flat, minlength=len(items) + 1)[1:]
        self._items, self._popularity = items, (counts / max(len(parts.flat), 1)).astype(np.float32)
        self.final = final
        return FitData(dataset, items, parts, GraphTable.of_mapping(graphs or {}), themes or Themes(), final)

    def start_from(self, start: BaseRecommender) -> None:
        """Let the next fit begin with the weights of a fitted recommender, where they fit: what is new to it begins as usual.

        Raises: ConfigError: this recommender takes no start, or not this one.
        """
        raise ConfigError(
            f"{self.name!r} takes no start: {self.no_start}", sdk="leave out `start_from=`", shell="leave out --from"
        )

    def scores(self, queries: Sequence[Query]) -> np.ndarray:
        """(B, N) float32: column j belongs to catalogue row j + 1. Higher is better. Seen items are not masked.

        Raises:
            UnknownItemError: a history names an item that the recommender was not fitted on.
            CallerError: not fitted yet.
        """
        rows = rows_of(queries, self.items)
        with_items = np.array([i for i, row in enumerate(rows) if len(row)], dtype=np.int64)
        if len(with_items) and len(with_items) == len(queries):  # nobody needs the popular items: no second (B, N) array
            return self._score(rows, queries)
        scores = np.tile(self._popularity, (len(queries), 1))
        if len(with_items):
            scores[with_items] = self._score([rows[i] for i in with_items], take(queries, with_items))
        return scores

    def mix_scores(self, queries: Sequence[Query]) -> np.ndarray:
        """(B, N) float32 scores as a mix adds them up: the same order, on a scale on which differences mean the same
        everywhere."""
        return self.scores(queries)

    def mix_contributions(self, query: Query, item: str) -> list[Contribution]:
        """What the item's score of `mix_scores` is the sum of."""
        return self.contributions(query, item)

    def contributions(self, query: Query, item: str) -> list[Contribution]:
        """What the item's score is the sum of.

        Raises: UnknownItemError: not in the catalogue the recommender was fitted on.
        """
        score = float(self.scores([query])[0, self.items.row(item) - 1])
        return [Contribution("base", self.name, score)]

    def save(self, folder: Path) -> None:
        """config.json + model.safetensors."""
        tensors = {"popularity": self._popularity, **self._tensors()}
        save_artifact(Path(folder), self.type, self._config(), self.items.ids, tensors, self.final)

    @classmethod
    def load(cls, folder: Path, **options: Any) -> Self:
        """Read a saved folder of this type; `options` go to the type (device, text vectors).

        Raises: ArtifactError: the folder is damaged or holds another type.
        """
        from llmrg.recommenders.loading import open_artifact

        return cls._open(open_artifact(Path(folder), cls.type), **options)

    @classmethod
    def _open(cls, artifact: Artifact, **options: Any) -> Self:
        try:
            recommender = cls._from_artifact(artifact, **options)
        except (ValidationError, KeyError) as error:
            raise ArtifactError(f"the saved settings of this {cls.type} cannot be read ({error}); train it again") from error
        recommender._items, recommender._popularity = ItemRows(artifact.items), artifact.tensor("popularity")
        recommender.final = artifact.final
        return recommender

    @abstractmethod
    def _fit(self, data: FitData) -> None: ...

    def _fit_whole(self, data: FitData) -> None:
        """The same, where nothing was validated."""
        self._fit(data)

    @abstractmethod
    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        """(B, N) float32 for non-empty histories."""

    def _config(self) -> Mapping[str, Any]:
        return {}

    def _tensors(self) -> Mapping[str, np.ndarray]:
        return {}

    @classmethod
    @abstractmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self: ...
