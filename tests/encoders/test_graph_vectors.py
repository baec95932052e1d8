"""Both encoders, one a layer: absent until trained, and every weight of theirs can learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from llmrg.core.errors import ConfigError
from llmrg.core.records import History, ReasoningGraph
from llmrg.encoders.graph_inputs import LAYERS, GraphInputs
from llmrg.encoders.graph_vectors import GraphVectors, GraphVectorsConfig
from llmrg.encoders.text import HashedVectors

Make = Callable[..., tuple[History, ReasoningGraph]]
SIZE, TEXT, LONG = 8, 32, 8
ITEMS = {str(row): row for row in range(1, 21)}


@pytest.fixture(scope="module")
def world(make_graph: Make) -> tuple[GraphInputs, np.ndarray, torch.Tensor, torch.Tensor]:
    """Inputs of six users, all positions, item vectors and text vectors."""
    pairs = [make_graph(seed, LONG) for seed in range(6)]
    rows = [np.array([int(item) for item in history.items]) for history, _ in pairs]
    inputs = GraphInputs.of_queries([graph for _, graph in pairs], rows, ITEMS, memory=4)
    items = torch.randn(21, SIZE, generator=torch.Generator().manual_seed(0))
    return inputs, np.tile(np.arange(LONG + 1), (6, 1)), items, torch.from_numpy(HashedVectors(TEXT).embed(inputs.texts))


def vectors(**changes: object) -> GraphVectors:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GraphVectors(SIZE, TEXT, GraphVectorsConfig(**changes))


def trained(net: GraphVectors) -> GraphVectors:
    """The last layers moved off zero."""
    with torch.no_grad():
        for name, value in net.named_parameters():
            if ".out." in name:
                value.normal_(generator=torch.Generator().manual_seed(1))
    return net


@pytest.mark.parametrize("encoder", ["causal", "sr_gnn"])
@pytest.mark.parametrize("layers", [1, 2])
def test_untrained_is_absent_and_all_of_it_learns(world, encoder: str, layers: int) -> None:
    inputs, positions, items, texts = world
    net = vectors(encoder=encoder, layers=layers, memory=4)
    goal = torch.randn(2, 6, LONG + 1, SIZE, generator=torch.Generator().manual_seed(2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    moved = []
    for _ in range(2):
        found = net(inputs, positions, items, texts)
        if not moved:
            assert all((found[layer] == 0).all() for layer in LAYERS), "exactly zero before training"
        optimizer.zero_grad()
        sum(((found[layer] - goal[n]) ** 2).sum() for n, layer in enumerate(LAYERS)).backward()
        moved.append({name for name, value in net.named_parameters() if value.grad is not None and value.grad.abs().sum() > 0})
        optimizer.step()
    last = {f"encoders.{layer}.out.{part}" for layer in LAYERS for part in ("weight", "bias")}
    assert moved[0] == last
    assert moved[1] == {name for name, _ in net.named_parameters()}


@pytest.mark.parametrize("encoder", ["causal", "sr_gnn"])
def test_vectors_stand_where_a_reason_is_visible_and_nowhere_else(world, encoder: str) -> None:
    inputs, positions, items, texts = world
    with torch.no_grad():
        found = trained(vectors(encoder=encoder, memory=4))(inputs, positions, items, texts)
    visible = inputs.visible(positions)
    for layer in LAYERS:
        assert found[layer].shape == (6, LONG + 1, SIZE)
        assert visible[layer].any()
        assert not visible[layer].all()
        np.testing.assert_array_equal(found[layer].abs().sum(dim=2).numpy() > 0, visible[layer])


def test_a_layer_not_used_has_no_weights_and_is_zero(world) -> None:
    inputs, positions, items, texts = world
    net = trained(vectors(use_imagined=False))
    assert all(name.startswith("encoders.reasoned.") for name, _ in net.named_parameters())
    found = net(inputs, positions, items, texts)
    assert (found["imagined"] == 0).all()
    assert found["imagined"].shape == found["reasoned"].shape
    assert (found["reasoned"] != 0).any()


def test_readout_weights_are_those_that_the_vector_is_made_of(world) -> None:
    """Taken apart with a last layer that passes the weighted states on: the vector is their sum, node by node."""
    inputs, positions, items, texts = world
    net = vectors(memory=4)
    weights = net.readout_weights(inputs, positions, items, texts)
    visible = inputs.visible(positions)
    for layer in LAYERS:
        encoder, arrays, told = net.encoders[layer], inputs.layers[layer], weights[layer]
        with torch.no_grad():
            encoder.out.weight.copy_(torch.cat([torch.eye(SIZE), torch.zeros(SIZE, SIZE)], dim=1))
        with torch.no_grad():
            found = encoder(arrays, positions, items, texts)
            _, states = encoder._states(arrays, positions, items, texts)
        torch.testing.assert_close(torch.einsum("gpv,gvd->gpd", told.alpha, states[told.nodes]), found, atol=1e-5, rtol=1e-5)
        total = told.alpha.sum(dim=2).detach().numpy()
        np.testing.assert_allclose(total, visible[layer].astype(float), atol=1e-5)
        graph, slot, place = told.alpha.detach().numpy().nonzero()
        node = told.nodes.numpy()[graph, place]
        assert (np.searchsorted(arrays.node_offsets, node, side="right") - 1 == graph).all(), "nodes of its own graph"
        assert ((arrays.start[node] <= positions[graph, slot]) & (positions[graph, slot] < arrays.end[node])).all()


def test_readout_weights_carry_gradients_and_need_no_reason(world, make_graph: Make) -> None:
    inputs, positions, items, texts = world
    net = vectors()
    net.readout_weights(inputs, positions, items, texts)["reasoned"].alpha.square().sum().backward()
    assert net.encoders["reasoned"].query.weight.grad.abs().sum() > 0
    bare = GraphInputs.of_queries([None], [np.array([3, 1])], ITEMS)
    told = net.readout_weights(bare, np.array([[1, 2]]), items, texts)["imagined"]
    assert told.alpha.shape[:2] == (1, 2)
    assert (told.alpha == 0).all()


def test_wrong_choices() -> None:
    for wrong in ({"encoder": "gat"}, {"layers": 0}, {"memory": 0}, {"steps": 1}):
        with pytest.raises(ValidationError):
            GraphVectorsConfig(**wrong)
    with pytest.raises(ConfigError, match="'sr_gnn' has no readout weights"):
        vectors(encoder="sr_gnn").readout_weights(GraphInputs.of({}, [], [], ITEMS), *[None] * 3)  # type: ignore[arg-type]
