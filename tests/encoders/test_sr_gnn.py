"""SR-GNN on a graph of six nodes against dense matrices.

The graph: a history of items 3, 1, 2; the step 3 -> "ghosts" -> 1 (score 0.5) and the step 1 -> "poverty" -> 2 (score 0.8), and a
root "ghosts" -> 2 (score 1.0). Nodes in order: items 0, 1, 2 and the reasons by `seen` and the steps' order: 3 = "ghosts",
4 = "poverty" and 5 = "ghosts" again. So the edges are 0 -> 3, 3 -> 1 (0.5 each), 1 -> 4, 4 -> 2 (0.8 each), 5 -> 2 (1.0).
In-degrees: node 1 one, node 2 two, nodes 3 and 4 one. Out-degrees: nodes 0, 1, 3, 4, 5 one each.
A_in[v, u] = score(u -> v) / in-degree(v), A_out[v, u] = score(v -> u) / out-degree(v) (Wu et al. 2019, official code: columns of
the adjacency over in-degrees, transposed; rows over out-degrees), GRU and readout as there. Below once more in numpy, written
from those formulas, sharing no code with the encoder.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from llmrg.core.records import ReasoningGraph, Step
from llmrg.encoders.building import Texts, reasoned_arrays
from llmrg.encoders.nodes import GraphBatch
from llmrg.encoders.sr_gnn import SrGnn, SrGnnConfig

SIZE = 4
STEPS = (
    Step("u", 1, "reasoned", "item", "3", 0, "ghosts", "1", 0.5, 0, 2),
    Step("u", 2, "reasoned", "item", "1", 1, "poverty", "2", 0.8, 0, 3),
    Step("u", 2, "reasoned", "root", "", None, "ghosts", "2", 1.0, 1, 3),
)
ADJACENCY = np.zeros((6, 6))
for source, target, weight in ((0, 3, 0.5), (3, 1, 0.5), (1, 4, 0.8), (4, 2, 0.8), (5, 2, 1.0)):
    ADJACENCY[source, target] = weight


def sigma(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def dense(net: SrGnn, h: np.ndarray, last: int, rounds: int) -> np.ndarray:
    w = {name: value.detach().numpy().astype(np.float64) for name, value in net.named_parameters()}
    links = (ADJACENCY > 0).astype(float)
    a_in = (ADJACENCY / np.maximum(links.sum(axis=0, keepdims=True), 1)).T
    a_out = ADJACENCY / np.maximum(links.sum(axis=1, keepdims=True), 1)
    for _ in range(rounds):
        m = np.hstack(
            [
                a_in @ (h @ w["edge_in.weight"].T + w["edge_in.bias"]) + w["bias_in"],
                a_out @ (h @ w["edge_out.weight"].T + w["edge_out.bias"]) + w["bias_out"],
            ]
        )
        from_m = np.split(m @ w["gate.weight_ih"].T + w["gate.bias_ih"], 3, axis=1)
        from_h = np.split(h @ w["gate.weight_hh"].T + w["gate.bias_hh"], 3, axis=1)
        r, z = sigma(from_m[0] + from_h[0]), sigma(from_m[1] + from_h[1])
        new = np.tanh(from_m[2] + r * from_h[2])
        h = new + z * (h - new)
    first = h[last] @ w["last.weight"].T + w["last.bias"]
    alpha = sigma(first + h @ w["every.weight"].T + w["every.bias"]) @ w["query.weight"].T
    return np.concatenate([(alpha * h).sum(axis=0), h[last]]) @ w["out.weight"].T + w["out.bias"]


@pytest.mark.parametrize("rounds", [1, 3])
@pytest.mark.parametrize("backend", ["torch", "dgl"])
def test_six_nodes(rounds: int, backend: str) -> None:
    if backend == "dgl":
        pytest.importorskip("dgl")
    generator = torch.Generator().manual_seed(0)
    net = SrGnn(SIZE, 3, SrGnnConfig(layers=rounds, backend=backend)).eval()
    for value in net.parameters():
        torch.nn.init.normal_(value, generator=generator)
    items = torch.randn(5, SIZE, generator=generator)
    words = torch.randn(3, 3, generator=generator)  # rows: "", ghosts, poverty
    arrays = reasoned_arrays([np.array([3, 1, 2])], [ReasoningGraph("u", STEPS)], int, Texts())
    with torch.no_grad():
        h = net.features(GraphBatch.of(arrays, items.device), items, words)
        found = net(arrays, np.array([[3]]), items, words)[0, 0].numpy()
    by_hand = [2 * items[row] + net.features.kind.weight[0] for row in (3, 1, 2)]  # sqrt(4) = 2
    by_hand += [net.features.text.weight @ words[row] + net.features.kind.weight[1] for row in (1, 2, 1)]
    torch.testing.assert_close(h, torch.stack(by_hand))
    np.testing.assert_allclose(found, dense(net, h.numpy().astype(np.float64), last=2, rounds=rounds), rtol=1e-4, atol=1e-5)
