"""All positions of a history in one pass over one graph: the price of one graph instead of one per position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import BaseModel, PositiveInt
from torch import Tensor, nn

from llmrg.encoders.arrays import GraphArrays, Kind
from llmrg.encoders.backends import Backend, BackendName, backend
from llmrg.encoders.nodes import GraphBatch, NodeFeatures
from llmrg.encoders.windows import Windows


class CausalConfig(BaseModel, frozen=True, extra="forbid"):
    """Shape of a causal graph encoder."""

    layers: PositiveInt = 1
    """Rounds of message passing; two carry a message from a cause over its reason to the item, at twice the time."""
    backend: BackendName = "auto"


@dataclass(frozen=True, slots=True)
class ReadoutWeights:
    """How much each node counts at each of the P positions asked of G graphs; V nodes of a graph at most."""

    alpha: Tensor
    """(G, P, V) float32; a position's weights sum to 1, and are all 0 where no reason is visible."""
    nodes: Tensor
    """(G, V) int64 node numbers in the arrays; 0 at padding, where alpha is 0."""


class CausalGraphEncoder(nn.Module):
    """Gated messages that run forward in time only, and a readout masked by position.

    m_v = 1 / in-degree(v) * sum over u -> v of score(u, v) * W h_u, h'_v = GRU(m_v, h_v). An edge never leads to a node that
    is seen earlier than its source, so the state of a node depends only on what is visible whenever the node itself is.
    Readout at position p over the nodes v visible there, with h_last the state of item p - 1:
    alpha = softmax_v(Q h_last . K h_v / sqrt(D) + log weight_v - b log(1 + p - start_v)), E = W_3 [sum_v alpha_v h_v ; h_last].
    SR-GNN's sum of sigmoids has no matrix form over all (position, node) pairs; the softmax has.
    """

    def __init__(self, size: int, text_size: int, config: CausalConfig | None = None) -> None:
        super().__init__()
        self.config, self.size = config or CausalConfig(), size
        self.features = NodeFeatures(size, text_size)
        self.edge = nn.Linear(size, size, bias=False)
        self.gate = nn.GRUCell(size, size)
        self.query, self.key = nn.Linear(size, size), nn.Linear(size, size, bias=False)
        self.recency = nn.Parameter(torch.tensor(0.5))
        self.out = nn.Linear(2 * size, size)
        self.backend: Backend = backend(self.config.backend)

    def forward(self, arrays: GraphArrays, positions: np.ndarray, item_vectors: Tensor, text_vectors: Tensor) -> Tensor:
        """One vector per graph and asked position.

        Args:
            arrays: G graphs.
            positions: (G, P) int64 positions asked for; 0 asks nothing.
            item_vectors: (items + 1, D) float32, row 0 for padding.
            text_vectors: (T, D_text) float32.
        Returns: (G, P, D) float32; zero where no reason is visible.
        """
        if not (arrays.kind == Kind.REASON).any():
            return item_vectors.new_zeros((*positions.shape, self.size))
        windows, states = self._states(arrays, positions, item_vectors, text_vectors)
        return self.readout(states, windows)

    def readout_weights(
        self, arrays: GraphArrays, positions: np.ndarray, item_vectors: Tensor, text_vectors: Tensor
    ) -> ReadoutWeights:
        """What the readout attends to. Arguments as for `forward`; gradients flow through the weights."""
        if not (arrays.kind == Kind.REASON).any():
            nothing = item_vectors.new_zeros((*positions.shape, 1))
            return ReadoutWeights(nothing, nothing.new_zeros((len(positions), 1), dtype=torch.int64))
        windows, states = self._states(arrays, positions, item_vectors, text_vectors)
        alpha = self._alpha(states[windows.last], states[windows.nodes], windows)
        return ReadoutWeights(torch.where(windows.present[:, :, None], alpha, 0.0), windows.nodes)

    def _states(
        self, arrays: GraphArrays, positions: np.ndarray, item_vectors: Tensor, text_vectors: Tensor
    ) -> tuple[Windows, Tensor]:
        """The windows, and (N, D) states of the nodes in them; zero for the others."""
        windows = Windows.of(arrays, positions, item_vectors.device)
        keep = self._needed(arrays, windows)
        batch = GraphBatch.of(arrays, item_vectors.device, keep)
        states = self.propagate(self.features(batch, item_vectors, text_vectors), batch)
        where = torch.from_numpy(np.flatnonzero(keep)).to(states.device)
        return windows, states.new_zeros((len(keep), self.size)).index_copy(0, where, states)

    def _needed(self, arrays: GraphArrays, windows: Windows) -> np.ndarray:
        """(N,) bool: nodes that are read out, and those whose messages reach them in time; long histories have many others."""
        keep = np.zeros(len(arrays.kind), dtype=bool)
        keep[windows.nodes.cpu().numpy()] = True
        keep[windows.last.cpu().numpy()] = True
        for _ in range(self.config.layers):
            keep[arrays.src[keep[arrays.dst]]] = True
        return keep

    def propagate(self, states: Tensor, batch: GraphBatch) -> Tensor:
        """(N, D) -> (N, D): `layers` rounds of gated messages along the edges."""
        for _ in range(self.config.layers):
            messages = self.backend.weighted_sum(self.edge(states), batch.src, batch.dst, batch.incoming)
            states = self.gate(messages, states)
        return states

    def readout(self, states: Tensor, windows: Windows) -> Tensor:
        """(N, D) -> (G, P, D)."""
        last, nodes = states[windows.last], states[windows.nodes]
        vectors = self.out(torch.cat([self._alpha(last, nodes, windows) @ nodes, last], dim=2))
        return torch.where(windows.present[:, :, None], vectors, 0.0)

    def _alpha(self, last: Tensor, nodes: Tensor, windows: Windows) -> Tensor:
        """(G, P, D) and (G, V, D) -> (G, P, V)."""
        match = self.query(last) @ self.key(nodes).transpose(1, 2) / self.size**0.5
        match = match + windows.weight[:, None, :] - self.recency * windows.age
        alpha: Tensor = match.masked_fill(~windows.visible, torch.finfo(match.dtype).min).softmax(dim=2)
        return alpha
