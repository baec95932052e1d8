"""All positions in one pass equal each prefix alone; nothing later than the prefix is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from llmrg.core.records import History, ReasoningGraph
from llmrg.encoders.arrays import GraphArrays
from llmrg.encoders.building import Texts, imagined_arrays, reasoned_arrays
from llmrg.encoders.causal import CausalConfig, CausalGraphEncoder
from llmrg.encoders.sr_gnn import SrGnn, SrGnnConfig
from llmrg.encoders.text import HashedVectors

SIZE, ITEMS, MEMORY = 8, 20, 4
LONG = 9
Make = Callable[..., tuple[History, ReasoningGraph]]
BUILDERS = {"reasoned": lambda *a: reasoned_arrays(*a, memory=MEMORY), "imagined": imagined_arrays}
"""A memory shorter than the history, so that nodes are forgotten."""


def table(seed: int = 0) -> torch.Tensor:
    return torch.randn(ITEMS + 1, SIZE, generator=torch.Generator().manual_seed(seed))


def encoder(kind: str = "causal", steps: int = 2, backend: str = "torch") -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "causal":
            return CausalGraphEncoder(SIZE, 32, CausalConfig(layers=steps, backend=backend)).eval()
        return SrGnn(SIZE, 32, SrGnnConfig(layers=steps, backend=backend)).eval()


def encode(net: nn.Module, build: str, pairs: list[tuple[History, ReasoningGraph]], positions: np.ndarray) -> np.ndarray:
    texts = Texts()
    rows = [np.array([int(item) for item in history.items], dtype=np.int64) for history, _ in pairs]
    arrays = BUILDERS[build](rows, [graph for _, graph in pairs], int, texts)
    vectors = torch.from_numpy(HashedVectors(size=32).embed(texts.all()))
    with torch.no_grad():
        return net(arrays, positions, table(), vectors).numpy()


@pytest.mark.parametrize("build", ["reasoned", "imagined"])
@pytest.mark.parametrize("kind", ["causal", "sr_gnn"])
@given(seed=st.integers(0, 10_000), length=st.integers(1, LONG), steps=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_every_position_equals_its_prefix_alone(
    make_graph: Make, kind: str, build: str, seed: int, length: int, steps: int
) -> None:
    history, graph = make_graph(seed, length)
    net = encoder(kind, steps)
    whole = encode(net, build, [(history, graph)], np.arange(1, length + 1)[None])[0]
    for p in range(1, length + 1):
        alone = encode(net, build, [(history.before(p), graph.before(p))], np.array([[p]]))[0, 0]
        np.testing.assert_allclose(whole[p - 1], alone, atol=1e-5)


@pytest.mark.parametrize("build", ["reasoned", "imagined"])
@given(seed=st.integers(0, 10_000), other=st.integers(0, 10_000), p=st.integers(1, LONG - 1))
@settings(max_examples=60, deadline=None)
def test_nothing_later_changes_the_output(make_graph: Make, build: str, seed: int, other: int, p: int) -> None:
    """Planted leak: another future (items and steps) behind the same prefix."""
    history, graph = make_graph(seed, LONG)
    stranger, future = make_graph(other, LONG)
    items = history.items[:p] + stranger.items[p:]
    late = tuple(s for s in future.steps if s.seen > p and (s.cause_position is None or s.cause_position >= p))
    changed = ReasoningGraph("u", graph.before(p).steps + late)
    positions = np.arange(1, p + 1)[None]
    one = encode(encoder(), build, [(history, graph)], positions)
    two = encode(encoder(), build, [(replace(history, items=items), changed)], positions)
    np.testing.assert_allclose(one, two, atol=1e-5)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_the_order_of_steps_and_the_company_of_others_change_nothing(make_graph: Make, seed: int) -> None:
    history, graph = make_graph(seed, LONG)
    mixed = replace(graph, steps=graph.steps[::-1])
    positions = np.arange(1, LONG + 1)
    for build in BUILDERS:
        alone = encode(encoder(), build, [(history, graph)], positions[None])[0]
        company = [make_graph(seed + 1, 3), (history, mixed), (History("v", ("4",)), ReasoningGraph("v"))]
        asked = np.stack([np.where(positions <= 3, positions, 0), positions, positions * 0 + 1])
        np.testing.assert_allclose(encode(encoder(), build, company, asked)[1], alone, atol=1e-5)


def test_node_numbers_mean_nothing(make_graph: Make) -> None:
    """Nodes behind the history permuted, edges shuffled: E stays."""
    history, graph = make_graph(3, LONG)
    texts = Texts()
    arrays = reasoned_arrays([np.array([int(i) for i in history.items])], [graph], int, texts)
    vectors = torch.from_numpy(HashedVectors(size=32).embed(texts.all()))
    dice = np.random.default_rng(0)
    order = np.concatenate([np.arange(LONG), LONG + dice.permutation(len(arrays.kind) - LONG)])
    back, shuffled = np.argsort(order), dice.permutation(len(arrays.src))
    moved: GraphArrays = replace(
        arrays,
        **{name: getattr(arrays, name)[order] for name in ("kind", "content", "start", "end", "weight")},
        src=back[arrays.src][shuffled],
        dst=back[arrays.dst][shuffled],
        score=arrays.score[shuffled],
    )
    positions = np.arange(1, LONG + 1)[None]
    with torch.no_grad():
        one, two = (encoder()(given, positions, table(), vectors) for given in (arrays, moved))
    assert one.abs().sum() > 0
    torch.testing.assert_close(one, two, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["causal", "sr_gnn"])
def test_positions_without_a_visible_reason_get_zero(make_graph: Make, kind: str) -> None:
    history, graph = make_graph(5, LONG)
    late = replace(graph, steps=tuple(s for s in graph.reasoned() if s.seen >= 4))
    first = min(step.seen for step in late.steps)
    found = encode(encoder(kind), "reasoned", [(history, late)], np.arange(LONG + 1)[None])[0]
    assert (found[:first] == 0).all()
    assert (found[first] != 0).any()
    nothing = encode(encoder(kind), "imagined", [(history, late)], np.arange(LONG + 1)[None])
    assert (nothing == 0).all()


@pytest.mark.parametrize("kind", ["causal", "sr_gnn"])
@pytest.mark.parametrize("build", ["reasoned", "imagined"])
def test_scores_weigh(make_graph: Make, kind: str, build: str) -> None:
    pairs = [make_graph(seed, LONG) for seed in range(5)]
    halved = [(h, replace(g, steps=tuple(replace(step, score=step.score / 2) for step in g.steps))) for h, g in pairs]
    positions = np.full((5, 1), LONG)
    one, two = (encode(encoder(kind), build, given, positions) for given in (pairs, halved))
    assert not np.allclose(one, two, atol=1e-4)


@pytest.mark.parametrize("kind", ["causal", "sr_gnn"])
def test_backends_agree(make_graph: Make, kind: str) -> None:
    pytest.importorskip("dgl")
    pairs = [make_graph(seed, LONG) for seed in range(20)]
    positions = np.tile(np.arange(1, LONG + 1), (20, 1))
    for build in BUILDERS:
        one, two = (encode(encoder(kind, backend=name), build, pairs, positions) for name in ("dgl", "torch"))
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_gradients_reach_items_and_texts(make_graph: Make) -> None:
    history, graph = make_graph(3, LONG)
    texts = Texts()
    arrays = reasoned_arrays([np.array([int(i) for i in history.items])], [graph], int, texts)
    items = table().requires_grad_()
    net = encoder()
    net(arrays, np.array([[LONG]]), items, torch.from_numpy(HashedVectors(size=32).embed(texts.all()))).sum().backward()
    assert items.grad is not None
    assert items.grad.abs().sum() > 0
    assert all(value.grad is not None for value in net.parameters())
