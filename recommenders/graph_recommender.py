"""A sequential base model plus reasoning graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from llmrg.core.errors import ArtifactError, CallerError
from llmrg.core.records import ReasoningGraph, stable_key
from llmrg.core.text_vectors import TextVectors
from llmrg.data.dataset import Dataset
from llmrg.encoders.building import Texts, imagined_arrays, reasoned_arrays
from llmrg.encoders.text import HashedVectors, MiniLm
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.batches import slot_positions
from llmrg.recommenders.fusion import FusionConfig, GraphFusion, Graphs
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.sasrec import SasRecConfig, SasRecNet
from llmrg.recommenders.trained import Asked, Trained
from llmrg.recommenders.training import RunOptions, TrainingConfig


@dataclass(frozen=True, slots=True)
class _Known:
    """Graphs of some users and the vectors of the texts in them."""

    graphs: Graphs
    texts: Tensor


class GraphRecommender(Trained):
    """SASRec and the two graph vectors, fused and trained together (Adam, full-softmax cross-entropy)."""

    type = "graph"
    name = "sasrec + graph"

    def __init__(
        self,
        text: TextVectors | None = None,
        base: SasRecConfig | None = None,
        config: FusionConfig | None = None,
        training: TrainingConfig | None = None,
        options: RunOptions | None = None,
    ) -> None:
        """`text` turns reasons into vectors; hashed letters, which need no model, where it is left out."""
        super().__init__(training, options)
        self.text: TextVectors = text if text is not None else HashedVectors()
        self.base, self.config = base or SasRecConfig(), config or FusionConfig()
        self._fusion: GraphFusion | None = None
        self._learned: dict[str, np.ndarray] = {}

    @property
    def _net(self) -> nn.Module:
        return self._fused()

    def _fused(self) -> GraphFusion:
        if self._fusion is None:
            raise CallerError(f"the recommender {self.name!r} is not fitted; call fit(dataset, graphs) or load a saved one first")
        return self._fusion

    @property
    def _max_length(self) -> int:
        return self.base.max_length

    def _build(self, generator: torch.Generator) -> None:
        self._fusion = GraphFusion(SasRecNet(len(self.items), self.base, generator), self._width, self.config)

    def _prepare(
        self, dataset: Dataset, parts: Mapping[str, np.ndarray], graphs: Mapping[str, ReasoningGraph]
    ) -> tuple[_Known, str]:
        texts = Texts()
        cut = [graphs[user].before(len(part)) if user in graphs else None for user, part in parts.items()]
        made = self._graphs(list(parts.values()), cut, texts)
        vectors = self.text.embed(texts.all())
        self._learned = dict(zip(texts.all(), vectors, strict=True))
        self._width = vectors.shape[1]
        steps = [[(s.key, s.seen, s.score, s.grounding) for s in graph.steps if s.accepted] if graph else [] for graph in cut]
        known = _Known(made, torch.from_numpy(vectors).to(self.options.device))
        return known, stable_key(self.text.name, steps)

    def _graphs(self, rows: Sequence[np.ndarray], graphs: Sequence[ReasoningGraph | None], texts: Texts) -> Graphs:
        row = self.items.row
        return Graphs(
            reasoned_arrays(rows, graphs if self.config.use_reasoned else [None] * len(rows), row, texts, self.config.memory),
            imagined_arrays(rows, graphs if self.config.use_divergent else [None] * len(rows), row, texts),
        )

    def _ends(self, known: _Known, users: np.ndarray, lengths: np.ndarray) -> _Known:
        return _Known(Graphs(known.graphs.reasoned.at(users, lengths), known.graphs.divergent.at(users, lengths)), known.texts)

    def _ask(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> _Known:
        texts = Texts()
        made = self._graphs(rows, [query.graph for query in queries], texts)
        new = [text for text in texts.all() if text not in self._learned]
        vectors = self._learned | dict(zip(new, self.text.embed(new), strict=True) if new else ())
        return _Known(made, torch.from_numpy(np.stack([vectors[text] for text in texts.all()])).to(self.options.device))

    def _vectors(self, items: Tensor, asked: Asked) -> Tensor:
        positions = slot_positions(items.cpu().numpy(), asked.lengths)
        if asked.last:
            positions[:, :-1] = 0
        return self._fused().encode(items, positions, asked.graphs.graphs.take(asked.users), asked.graphs.texts)

    def _table(self) -> Tensor:
        return self._fused().item_vectors()[1:]

    def _config(self) -> Mapping[str, Any]:
        fusion = self.config.model_dump(exclude={"backend"})  # backends agree, so a saved model names none
        return {"base": self.base.model_dump(), "fusion": fusion, "text": self.text.name, "texts": list(self._learned)}

    def _tensors(self) -> Mapping[str, np.ndarray]:
        return {**super()._tensors(), "texts": np.stack(list(self._learned.values()))}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        saved = artifact.config
        text = options.pop("text", None) or _text_by_name(saved["text"])
        if text.name != saved["text"]:
            raise ArtifactError(f"this recommender was trained with the text vectors {saved['text']!r}, not {text.name!r}")
        made = cls(text, SasRecConfig(**saved["base"]), FusionConfig(**saved["fusion"]), **options)
        vectors = artifact.tensor("texts")
        made._learned, made._width = dict(zip(saved["texts"], vectors, strict=True)), vectors.shape[1]
        made._fusion = GraphFusion(SasRecNet(len(artifact.items), made.base), made._width, made.config)
        made._load_net(artifact)
        return made


def _text_by_name(name: str) -> TextVectors:
    """Text vectors that need no more than their name.

    Raises: ArtifactError: the name is that of a model which only the caller can open.
    """
    if name == HashedVectors().name:
        return HashedVectors()
    if name == "all-minilm-l6-v2":
        return MiniLm()
    raise ArtifactError(
        f"this recommender was trained with the text vectors {name!r}; open it with load_recommender(folder, text=...)"
    )
