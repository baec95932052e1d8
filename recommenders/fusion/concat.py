"""The paper's fusion: concat(E_base, E_rea, E_div) -> D, scored against the base model's own item vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from llmrg.core.errors import ArtifactError, ConfigError
from llmrg.core.records import stable_key
from llmrg.core.text_vectors import TextVectors
from llmrg.encoders.graph_inputs import GraphInputs
from llmrg.encoders.graph_vectors import GraphVectors, GraphVectorsConfig
from llmrg.encoders.text import HashedVectors, MiniLm
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import FitData
from llmrg.recommenders.fusion.fused import Fused
from llmrg.recommenders.items import ItemRows
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.queries import steps_of


class ConcatConfig(GraphVectorsConfig, frozen=True, extra="forbid"):
    """Which graphs are used, how they are encoded (`encoder="sr_gnn"` is the paper's), and how they are joined."""

    kind: Literal["concat"] = "concat"
    dropout: float = Field(default=0.3, ge=0.0, lt=1.0)
    """Share of the graph vectors' values dropped in training."""

    def graphs_of(self, data: FitData, text: TextVectors) -> ConcatGraphs:
        """What the graphs tell about the training parts."""
        how = (self.memory, self.use_reasoned, self.use_imagined)
        inputs = GraphInputs.of(data.graphs, list(data.parts), list(data.parts.values()), data.items, *how)
        _refuse_foreign(inputs, data)
        return ConcatGraphs(self, inputs, text, data.items, dict(zip(inputs.texts, text.embed(inputs.texts), strict=True)))

    def build(self, size: int, sizes: Mapping[str, int]) -> ConcatFusion:
        return ConcatFusion(size, sizes["text"], self)

    def revived(self, artifact: Artifact, text: TextVectors | None) -> ConcatGraphs:
        """What a saved recommender knew, without any user."""
        saved, name = artifact.config["told"], artifact.config["text"]
        encoder = text if text is not None else text_by_name(name)
        if encoder.name != name:
            raise ArtifactError(f"this recommender was trained with the text vectors {name!r}, not {encoder.name!r}")
        items = ItemRows(artifact.items)
        vectors = dict(zip(saved["texts"], artifact.tensor("texts"), strict=True))
        return ConcatGraphs(self, GraphInputs.of_queries([], [], items), encoder, items, vectors)


@dataclass(frozen=True)
class ConcatGraphs:
    """Graphs of some users, and the vectors of the texts in them."""

    setting: ConcatConfig
    inputs: GraphInputs
    text: TextVectors
    items: ItemRows
    vectors: Mapping[str, np.ndarray]
    """Vectors of all texts seen in training and of those of these users."""

    @property
    def sizes(self) -> Mapping[str, int]:
        return {"text": len(self.vectors[""])}

    def at(self, users: np.ndarray, positions: np.ndarray, device: torch.device) -> tuple[GraphInputs, np.ndarray, Tensor]:
        """See `FusionGraphs.at`; only what the asked positions may see is taken along."""
        inputs = self.inputs.take(users) if positions.shape[1] > 1 else self.inputs.at(users, positions[:, 0])
        return inputs, positions, torch.from_numpy(self._table).to(device)

    @property
    def _table(self) -> np.ndarray:
        return np.stack([self.vectors[text] for text in self.inputs.texts])

    def visible(self, users: np.ndarray, positions: np.ndarray) -> dict[str, float]:
        """See `FusionGraphs.visible`."""
        slots = max(int((positions > 0).sum()), 1)
        seen = self.inputs.take(users).visible(positions)
        return {layer: float((visible & (positions > 0)).sum()) / slots for layer, visible in seen.items()}

    def of_queries(self, queries: Sequence[Query], rows: Sequence[np.ndarray]) -> ConcatGraphs:
        """See `FusionGraphs.of_queries`."""
        config = self.setting
        how = (config.memory, config.use_reasoned, config.use_imagined)
        inputs = GraphInputs.of_placed(steps_of(queries, rows, self.items), *how)
        new = [text for text in inputs.texts if text not in self.vectors]
        added = dict(zip(new, self.text.embed(new), strict=True)) if new else {}
        return ConcatGraphs(config, inputs, self.text, self.items, {**self.vectors, **added} if added else self.vectors)

    def contributions(self, fusion: Any, query: Query, row: np.ndarray, column: int, device: torch.device) -> None:
        """None: behind the encoders' gates and softmax no node's part is a summand."""

    def fingerprint(self) -> str:
        """See `FusionGraphs.fingerprint`."""
        arrays = [v.tobytes() for layer in self.inputs.layers.values() for v in vars(layer).values() if isinstance(v, np.ndarray)]
        return stable_key(self.text.name, *arrays, *self.inputs.texts)

    def config(self) -> Mapping[str, Any]:
        """See `FusionGraphs.config`."""
        return {"texts": list(self.vectors)}

    def tensors(self) -> Mapping[str, np.ndarray]:
        """See `FusionGraphs.tensors`."""
        return {"texts": np.stack(list(self.vectors.values()))}


class ConcatFusion(nn.Module):
    """E = W [E_base ; E_rea ; E_div], with W started at [I ; I ; I] and both encoders' last layers at zero.

    So the untrained fusion is the base model. There is no bias: where no graph is visible both graph vectors are zero, and E is a
    linear map of E_base alone.
    """

    def __init__(self, size: int, text_size: int, config: ConcatConfig) -> None:
        super().__init__()
        self.vectors = GraphVectors(size, text_size, config)
        self.dropout = nn.Dropout(config.dropout)
        self.fuse = nn.Linear(3 * size, size, bias=False)
        with torch.no_grad():
            self.fuse.weight.copy_(torch.eye(size).repeat(1, 3))

    def forward(self, base: Tensor, table: Tensor, batch: tuple[GraphInputs, np.ndarray, Tensor]) -> Fused:
        """(B, L, D) states and (N, D) item vectors -> (B, L, D) and the same item vectors."""
        inputs, positions, texts = batch
        padding = torch.cat([torch.zeros_like(table[:1]), table])
        graphs = self.vectors(inputs, positions, padding, texts)
        parts = [base, self.dropout(graphs["reasoned"]), self.dropout(graphs["imagined"])]
        return Fused(self.fuse(torch.cat(parts, dim=2)), table)


def _refuse_foreign(inputs: GraphInputs, data: FitData) -> None:
    visible = sum(len(layer.content) - int(layer.lengths.sum()) for layer in inputs.layers.values())
    left_out = int(inputs.left_out.sum())
    if left_out and not visible:
        raise ConfigError(
            f"all {left_out} steps of the graphs contradict the histories of {data.dataset.name!r}: they were built on other "
            "data; build them anew"
        )


def text_by_name(name: str) -> TextVectors:
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
