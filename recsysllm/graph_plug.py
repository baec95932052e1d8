"""The reasoning graph in the language model: E_rea and E_div are added to two tokens that stand in every prompt.

The slots are there with and without a graph, and the encoders' last layers start at zero: an untrained plug changes no bit. (A
vector of zeros put in as a token of its own would: its key takes attention.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from llmrg.core.text_vectors import TextVectors
from llmrg.encoders.graph_vectors import GraphVectors, GraphVectorsConfig
from llmrg.encoders.text import unit_rows
from llmrg.recommenders.fusion.concat import ConcatGraphs
from llmrg.recsysllm.pieces import IntArray

WIDTH = 64
"""Numbers of E_rea and of E_div."""


class GraphPlug(nn.Module):
    """slot_j = control[G_j] + W_j E_j, E_j from an encoder whose output starts at zero."""

    def __init__(self, size: int, items: np.ndarray, text_size: int, config: GraphVectorsConfig) -> None:
        """Args: size: width of the language model; items: (N, D_t) float32 text vectors of the catalogue."""
        super().__init__()
        table = np.concatenate([np.zeros((1, items.shape[1]), np.float32), items])
        self.register_buffer("items", torch.from_numpy(table), persistent=False)
        self.item = nn.Linear(items.shape[1], WIDTH, bias=False)
        self.vectors = GraphVectors(WIDTH, text_size, config)
        self.into = nn.ModuleDict({layer: nn.Linear(WIDTH, size, bias=False) for layer in ("reasoned", "imagined")})

    def forward(self, graphs: ConcatGraphs, users: IntArray, positions: IntArray) -> Tensor:
        """(E,) users and (E, P) positions, 0 where nothing is asked -> (E, P, 2, D) float32: reasoned, imagined."""
        device = next(self.parameters()).device
        inputs, places, texts = graphs.at(users, positions, device)
        vectors = self.vectors(inputs, places, self.item(self.items), texts)
        return torch.stack([self.into[layer](vectors[layer]) for layer in ("reasoned", "imagined")], dim=2)


def slot_additions(plug: GraphPlug, graphs: ConcatGraphs, slot: IntArray, shape: tuple[int, int, int]) -> Tensor:
    """(B, L, D) float32, zero but at the slots.

    Args: slot: (S, 4) row, index, user, position, reasoned and imagined in turn.
    """
    users, number = np.unique(slot[::2, 2], return_inverse=True)
    place = np.zeros(len(number), dtype=np.int64)
    for user in range(len(users)):
        mine = np.flatnonzero(number == user)
        place[mine] = np.arange(len(mine))
    positions = np.zeros((len(users), int(place.max(initial=0)) + 1), dtype=np.int64)
    positions[number, place] = slot[::2, 3]
    added: Tensor = plug(graphs, users, positions)
    device = added.device
    pairs = added[torch.from_numpy(number).to(device), torch.from_numpy(place).to(device)]
    rows, columns = torch.from_numpy(slot[:, 0]).to(device), torch.from_numpy(slot[:, 1]).to(device)
    return added.new_zeros(shape).index_put((rows, columns), pairs.flatten(0, 1))


class RandomVectors:
    """Unit vectors that mean nothing, of the width of another encoder's: the control for what its vectors say."""

    def __init__(self, like: TextVectors) -> None:
        self._like = like

    @property
    def name(self) -> str:
        return f"random-like-{self._like.name}"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32; equal texts get equal vectors, and the empty one none."""
        import zlib

        width = self._like.embed([""]).shape[1]
        rows: list[Any] = [
            np.random.default_rng(zlib.crc32(text.encode("utf-8", "surrogatepass"))).normal(size=width) for text in texts
        ]
        vectors = unit_rows(np.array(rows, dtype=np.float32).reshape(len(texts), width))
        vectors[[number for number, text in enumerate(texts) if not text]] = 0.0
        return vectors
