"""SR-GNN (Wu et al. 2019, arXiv 1811.00855), the encoder that the LLMRG paper names: one graph per (user, position)."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import BaseModel, PositiveInt
from torch import Tensor, nn

from llmrg.encoders.arrays import GraphArrays, Kind
from llmrg.encoders.backends import Backend, BackendName, backend
from llmrg.encoders.nodes import GraphBatch, NodeFeatures


class SrGnnConfig(BaseModel, frozen=True, extra="forbid"):
    """Shape of an SR-GNN encoder."""

    layers: PositiveInt = 1
    """Rounds of message passing."""
    backend: BackendName = "auto"


class SrGnn(nn.Module):
    """Gated graph network over incoming and outgoing edges, soft attention on the last item.

    m_v = [sum_in (A_in W_in h + b_in) ; sum_out (A_out W_out h + b_out)], h'_v = GRU(m_v, h_v), where A_in divides the scores of
    v's incoming edges by their number and A_out those of its outgoing edges. Readout:
    alpha_v = q . sigma(W_1 h_last + W_2 h_v + c), E = W_3 [sum_v alpha_v h_v ; h_last].
    """

    def __init__(self, size: int, text_size: int, config: SrGnnConfig | None = None) -> None:
        super().__init__()
        self.config, self.size = config or SrGnnConfig(), size
        self.features = NodeFeatures(size, text_size)
        self.edge_in, self.edge_out = nn.Linear(size, size), nn.Linear(size, size)
        self.bias_in, self.bias_out = nn.Parameter(torch.zeros(size)), nn.Parameter(torch.zeros(size))
        self.gate = nn.GRUCell(2 * size, size)
        self.last, self.every = nn.Linear(size, size), nn.Linear(size, size)
        self.query = nn.Linear(size, 1, bias=False)
        self.out = nn.Linear(2 * size, size)
        self.backend: Backend = backend(self.config.backend)
        for name, weight in self.named_parameters():
            if not name.startswith("features."):
                nn.init.uniform_(weight, -(size**-0.5), size**-0.5)

    def forward(self, arrays: GraphArrays, positions: np.ndarray, item_vectors: Tensor, text_vectors: Tensor) -> Tensor:
        """One vector per graph and asked position.

        Args:
            arrays: G graphs.
            positions: (G, P) int64 positions asked for; 0 asks nothing.
            item_vectors: (items + 1, D) float32, row 0 for padding.
            text_vectors: (T, D_text) float32.
        Returns: (G, P, D) float32; zero where no reason is visible.
        """
        graph, slot = np.nonzero(positions)
        cut = arrays.at(graph, positions[graph, slot])
        vectors = item_vectors.new_zeros((*positions.shape, self.size))
        if not len(graph):
            return vectors
        batch = GraphBatch.of(cut, item_vectors.device)
        states = self.propagate(self.features(batch, item_vectors, text_vectors), batch)
        return vectors.index_put((torch.from_numpy(graph), torch.from_numpy(slot)), self.readout(states, cut))

    def propagate(self, states: Tensor, batch: GraphBatch) -> Tensor:
        """(N, D) -> (N, D): `layers` rounds of gated messages along and against the edges."""
        for _ in range(self.config.layers):
            into = self.backend.weighted_sum(self.edge_in(states), batch.src, batch.dst, batch.incoming) + self.bias_in
            out = self.backend.weighted_sum(self.edge_out(states), batch.dst, batch.src, batch.outgoing) + self.bias_out
            states = self.gate(torch.cat([into, out], dim=1), states)
        return states

    def readout(self, states: Tensor, cut: GraphArrays) -> Tensor:
        """(N, D) -> (G, D): soft attention of each graph's last item on its nodes; zero without a visible reason."""
        owner = np.repeat(np.arange(len(cut)), np.diff(cut.node_offsets))
        shown = cut.end > cut.lengths[owner]
        count = np.bincount(owner[shown & (cut.kind == Kind.REASON)], minlength=len(cut))
        read = torch.from_numpy(np.flatnonzero(shown)).to(states.device)
        graph = torch.from_numpy(owner).to(states.device)[read]
        last = states[torch.from_numpy(cut.node_offsets[:-1] + cut.lengths - 1).to(states.device)]
        seen = states[read]
        alpha = self.query(torch.sigmoid(self.last(last)[graph] + self.every(seen)))
        whole = states.new_zeros(last.shape).index_add(0, graph, alpha * seen)
        present = torch.from_numpy(count > 0).to(states.device)
        return torch.where(present[:, None], self.out(torch.cat([whole, last], dim=1)), 0.0)
