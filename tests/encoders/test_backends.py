"""The two backends: one sum."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.core.errors import ConfigError, MissingPackageError
from llmrg.encoders import backends
from llmrg.encoders.backends import backend


@given(nodes=st.integers(1, 7), edges=st.integers(0, 15), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("name", ["torch", "dgl"])
def test_weighted_sum_and_its_gradient_equal_a_matrix_product(name: str, nodes: int, edges: int, seed: int) -> None:
    if name == "dgl":
        pytest.importorskip("dgl")
    generator = torch.Generator().manual_seed(seed)
    src, dst = (torch.randint(nodes, (edges,), generator=generator) for _ in range(2))
    weight = torch.rand(edges, generator=generator)
    states = torch.randn(nodes, 3, generator=generator).requires_grad_()
    matrix = torch.zeros(nodes, nodes).index_put((dst, src), weight, accumulate=True)
    found = backend(name).weighted_sum(states, src, dst, weight)
    torch.testing.assert_close(found.detach(), (matrix @ states).detach(), atol=1e-5, rtol=1e-5)
    (found.sum() + 0 * states.sum()).backward()
    torch.testing.assert_close(states.grad, matrix.T @ torch.ones(nodes, 3), atol=1e-5, rtol=1e-5)


def test_auto_takes_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    assert backend("auto").name == "torch"
    monkeypatch.undo()
    pytest.importorskip("dgl")
    assert backend("auto").name == "dgl"


def test_unknown_and_missing_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="'jax'"):
        backend("jax")
    monkeypatch.setitem(sys.modules, "llmrg.encoders.dgl_backend", None)
    with pytest.raises(MissingPackageError, match="dgl"):
        backend("dgl")
    assert backend("auto").name == "torch"


def test_rooms_import_without_torch_and_dgl() -> None:
    code = "import sys, llmrg.encoders, llmrg.recommenders, llmrg.encoders.text; print({'torch', 'dgl'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_dgl_makes_one_graph_for_each_way_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """SR-GNN asks for the edges both ways in every layer."""
    dgl = pytest.importorskip("dgl")
    made, real = [], dgl.graph
    monkeypatch.setattr(dgl, "graph", lambda *args, **options: made.append(args) or real(*args, **options))
    kept, states = backend("dgl"), torch.randn(4, 3)
    for batch in range(2):
        src, dst, weight = torch.tensor([0, 1, 2]), torch.tensor([1, 2, 3]), torch.full((3,), 0.5 + batch)
        for _ in range(3):
            for one, other in ((src, dst), (dst, src)):
                found = kept.weighted_sum(states, one, other, weight)
                torch.testing.assert_close(found, backend("torch").weighted_sum(states, one, other, weight))
        assert len(made) == 2 * (batch + 1)
