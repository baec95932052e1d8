"""Every base model: what a slot may see, and each net tied to something known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.sparse import csr_matrix

from llmrg.core.errors import ConfigError
from llmrg.recommenders.models.bsarec import BsaLayer, BsaRecConfig
from llmrg.recommenders.models.sasrec import SasRecConfig
from llmrg.recommenders.objectives.slots import MASK
from llmrg.recommenders.registry import MODELS, default_objective, model_config

ITEMS, LENGTH = 20, 6
ATTRIBUTES = csr_matrix((np.ones(30), (np.arange(30) % ITEMS, np.arange(30) % 7)), shape=(ITEMS, 7))
"""Items 1 to 10 have two attributes, the others one."""
HISTORY = [3, 4, 5, 6, 7, 8]
every_model = pytest.mark.parametrize("kind", sorted(MODELS))
causal_model = pytest.mark.parametrize("kind", sorted(set(MODELS) - {"bert4rec"}))


def small_net(kind: str, extra: int | None = None, **settings: Any) -> Any:
    """In evaluation mode; weights wide enough that every difference shows."""
    config = model_config(kind, embedding_size=8, **{"max_length": LENGTH, **settings})
    rows = default_objective(config).build().extra_rows if extra is None else extra
    attributes = ATTRIBUTES if config.needs_attributes else None
    net = config.build(ITEMS, attributes, torch.Generator().manual_seed(0), rows).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.2)
    return net


def states(net: Any, *rows: list[int]) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(net(torch.tensor(rows)).numpy())


@causal_model
def test_a_causal_slot_sees_what_is_before_it_and_nothing_later(kind: str) -> None:
    net = small_net(kind)
    whole = states(net, HISTORY)[0]
    for t in range(LENGTH):
        changed = states(net, [*HISTORY[:t], 19, *HISTORY[t + 1 :]])[0]
        np.testing.assert_allclose(changed[:t], whole[:t], atol=1e-6)
        assert (np.abs(changed[t:] - whole[t:]).max(axis=1) > 1e-4).all()


def test_a_cloze_models_slot_sees_all_others_and_not_what_is_hidden() -> None:
    net = small_net("bert4rec")
    whole = states(net, HISTORY)[0]
    for t in range(LENGTH):
        changed = states(net, [*HISTORY[:t], 19, *HISTORY[t + 1 :]])[0]
        assert (np.abs(changed - whole).max(axis=1) > 1e-4).all()


@every_model
def test_slots_of_the_objective_do_not_depend_on_what_they_are_asked(kind: str) -> None:
    """Planted leak: another item in the place of a slot's target (and, where only the past may count, everywhere later)."""
    config, net = model_config(kind, embedding_size=8, max_length=LENGTH), small_net(kind)
    objective, row = default_objective(config).build(), np.array([*HISTORY, 9])

    def answered(items: np.ndarray) -> tuple[Any, np.ndarray]:
        slots = objective.training([items], np.zeros(1, np.int64), LENGTH, np.random.default_rng(3))
        return slots, states(net, slots.items[0].tolist())[0]

    slots, before = answered(row)
    asked = np.flatnonzero(slots.targets[0])
    assert len(asked) >= 2
    for slot in asked:
        place = int(np.flatnonzero(row == slots.targets[0, slot])[0])
        planted = row.copy()
        planted[place : place + 1 if config.bidirectional else None] = 19
        changed, after = answered(planted)
        assert changed.targets[0, slot] == 19
        np.testing.assert_allclose(after[slot], before[slot], atol=1e-6)


@every_model
def test_padding_is_zero_and_changes_nothing(kind: str) -> None:
    net = small_net(kind)
    padded, alone = states(net, [0, 0, 0, 3, 4, 5]), states(net, [3, 4, 5])
    assert (padded[0, :3] == 0).all()
    np.testing.assert_allclose(padded[0, 3:], alone[0], atol=1e-6)
    both = states(net, [0, 0, 0, 3, 4, 5], HISTORY)
    np.testing.assert_allclose(both[0, 3:], alone[0], atol=1e-6)


@every_model
def test_a_mask_is_a_real_slot_with_a_vector_of_its_own(kind: str) -> None:
    net = small_net(kind, extra=1)
    hidden = states(net, [3, MASK, 5])[0]
    assert (np.abs(hidden[1]) > 0).any()
    for item in (0, 4):
        assert np.abs(states(net, [3, item, 5])[0][2] - hidden[2]).max() > 1e-4
    assert net.item_vectors().shape == (ITEMS + 1, 8)
    assert (net.item_vectors()[0] == 0).all()


@every_model
def test_the_row_of_the_mask_changes_no_other_weight(kind: str) -> None:
    config = model_config(kind, embedding_size=8, max_length=LENGTH)
    nets = [config.build(ITEMS, ATTRIBUTES, torch.Generator().manual_seed(5), extra).state_dict() for extra in (0, 1)]
    for name, value in nets[0].items():
        assert torch.equal(nets[1][name][: len(value)] if name == "item.weight" else nets[1][name], value), name


@every_model
def test_every_weight_gets_a_gradient(kind: str) -> None:
    net = small_net(kind)
    net(torch.tensor([[3, MASK if net.item.weight.shape[0] > ITEMS + 1 else 4, 5, 6]])).square().sum().backward()
    assert [name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.isfinite().all()] == []


def test_gru4rec_is_torchs_gru_over_the_items() -> None:
    net = small_net("gru4rec", layers=2)
    read = net.item.weight[torch.tensor([3, 4, 5])] * 8**0.5
    expected = net.gru(read[None])[0][0].detach().numpy()
    np.testing.assert_allclose(states(net, [0, 3, 4, 5])[0, 1:], expected, atol=1e-6)
    weights = {name: value.detach().numpy() for name, value in small_net("gru4rec").gru.named_parameters()}
    net, state = small_net("gru4rec"), np.zeros(8)
    for item in (3, 4, 5):  # one step by hand, gates in torch's order r, z, n
        x = net.item.weight[item].detach().numpy() * 8**0.5
        r, z, n = np.split(weights["weight_ih_l0"] @ x + weights["bias_ih_l0"], 3)
        hr, hz, hn = np.split(weights["weight_hh_l0"] @ state + weights["bias_hh_l0"], 3)
        r, z = 1 / (1 + np.exp(-(r + hr))), 1 / (1 + np.exp(-(z + hz)))
        state = (1 - z) * np.tanh(n + r * hn) + z * state
    np.testing.assert_allclose(states(net, [3, 4, 5])[0, -1], state, atol=1e-5)


def test_fdsa_without_its_attribute_stream_is_sasrec() -> None:
    net, sasrec = small_net("fdsa"), small_net("sasrec")
    sasrec.load_state_dict({name: value for name, value in net.state_dict().items() if name in sasrec.state_dict()})
    with torch.no_grad():
        net.join.weight.copy_(torch.cat([torch.eye(8), torch.zeros(8, 8)], dim=1))
        net.join.bias.zero_()
    np.testing.assert_allclose(states(net, HISTORY), states(sasrec, HISTORY), atol=1e-6)


def test_fdsa_reads_attributes_and_attends_to_them_by_hand() -> None:
    net = small_net("fdsa")
    table = net.feature_stream.item
    vectors, weight = table.attributes.detach().numpy(), table.score.detach().numpy()
    found = table().detach().numpy()
    for item in range(1, ITEMS + 1):
        own = vectors[ATTRIBUTES[item - 1].indices]
        share = np.exp(own @ weight)
        np.testing.assert_allclose(found[item], share @ own / share.sum(), atol=1e-6)
    assert (found[0] == 0).all()


def test_fdsa_tells_items_apart_by_their_attributes_alone() -> None:
    net = small_net("fdsa")
    with torch.no_grad():
        net.item.weight.zero_()
    assert np.abs(states(net, [1, 2]) - states(net, [1, 3])).max() > 1e-4
    bare = csr_matrix(([1.0], ([0], [0])), shape=(ITEMS, 1))
    net = model_config("fdsa", embedding_size=8).build(ITEMS, bare).eval()
    assert np.isfinite(states(net, HISTORY)).all()  # items without attributes


@pytest.mark.parametrize("attributes", [None, csr_matrix((ITEMS, 3))])
def test_fdsa_without_any_attribute_is_refused(attributes: csr_matrix | None) -> None:
    with pytest.raises(ConfigError, match="no item of the catalogue has any"):
        model_config("fdsa").build(ITEMS, attributes)


every_shape = pytest.mark.parametrize("shape", [{}, {"norm": "after"}, {"norm": "after", "positions": "end"}], ids=str)


@every_shape
def test_bsarec_with_alpha_0_is_sasrec(shape: dict[str, Any]) -> None:
    net, sasrec = small_net("bsarec", alpha=0.0, heads=2, **shape), small_net("sasrec", **shape)
    sasrec.load_state_dict({name: value for name, value in net.state_dict().items() if name in sasrec.state_dict()})
    np.testing.assert_array_equal(states(net, HISTORY), states(sasrec, HISTORY))


@pytest.mark.parametrize("length", [5, 8, 9])
@pytest.mark.parametrize("cutoff", [1, 2, 5, 7, 8, 40])
def test_bsarecs_filter_is_numpys_rfft_at_the_last_slot(length: int, cutoff: int) -> None:
    layer = BsaLayer(BsaRecConfig(embedding_size=4, max_length=length, cutoff=cutoff, alpha=1.0)).eval()
    content = torch.randn(1, length, 4, generator=torch.Generator().manual_seed(0))
    allowed = torch.ones(1, 1, length, length, dtype=torch.bool).tril()
    for real in (length, 3):  # a full window, and one with padding, which the paper's transform reads as zeros
        content[:, : length - real] = 0
        allowed[..., : length - real] = False
        found = layer.mixed(content, allowed)[0, -1].detach().numpy()
        spectrum = np.fft.rfft(content[0].numpy(), axis=0)
        spectrum[cutoff // 2 + 1 :] = 0
        low = np.fft.irfft(spectrum, n=length, axis=0)[-1]
        beta = layer.filter.beta.detach().numpy()[0, 0]
        np.testing.assert_allclose(found, low + beta**2 * (content[0, -1].numpy() - low), atol=1e-5)


def test_bsarec_starts_with_the_papers_share_of_fast_frequencies() -> None:
    net = model_config("bsarec", embedding_size=512).build(ITEMS, None, torch.Generator().manual_seed(0))
    for layer in net.layers:  # beta is drawn from a standard normal, so beta^2 is 1 in the mean
        assert 0.8 < float(layer.filter.beta.detach().square().mean()) < 1.2


@pytest.mark.parametrize("norm", ["before", "after"])
@pytest.mark.parametrize("kind", ["sasrec", "bsarec"])
def test_every_prefix_is_encoded_as_it_would_be_alone(kind: str, norm: str) -> None:
    net = small_net(kind, norm=norm)
    whole = states(net, HISTORY)[0]
    for t in range(1, LENGTH + 1):
        np.testing.assert_allclose(states(net, HISTORY[:t])[0, -1], whole[t - 1], atol=1e-5)


@pytest.mark.parametrize("kind", ["sasrec", "bsarec"])
def test_positions_from_the_end_tell_the_newest_item_by_its_place(kind: str) -> None:
    """The last slot of any history stands where the last slot of a full one does, with padding or without."""
    net = small_net(kind, positions="end", norm="after", max_length=9)
    short = states(net, [3, 4, 5])[0]
    np.testing.assert_allclose(states(net, [0, 0, 0, 3, 4, 5])[0, 3:], short, atol=1e-6)
    with torch.no_grad():
        net.position.weight[:6] += 7.0  # places of a history of 9 that one of 3 does not have
    np.testing.assert_allclose(states(net, [3, 4, 5])[0], short, atol=1e-6)
    with torch.no_grad():
        net.position.weight[8] += torch.randn(8)
    assert np.abs(states(net, [3, 4, 5])[0, -1] - short[-1]).max() > 1e-4


def test_norms_after_are_those_of_the_formula() -> None:
    """One layer by hand: x = LN(e + p), x = LN(x + A(x)), x = LN(x + W2 GELU(W1 x + b1) + b2)."""
    net = small_net("sasrec", norm="after", layers=1)
    layer, items = net.layers[0], torch.tensor([[3, 4, 5]])
    with torch.no_grad():
        x = net.norm(net.item.weight[items] + net.position.weight[:3])
        x = layer.norm_attention(x + layer.attention(x, torch.ones(1, 1, 3, 3, dtype=torch.bool).tril()))
        x = layer.norm_forward(x + layer.forward_two(torch.nn.functional.gelu(layer.forward_one(x))))
    np.testing.assert_allclose(states(net, [3, 4, 5]), x.numpy(), atol=1e-6)
    assert layer.forward_one.weight.shape == (32, 8)


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValidationError, match="10 % 3"):
        SasRecConfig(embedding_size=10, heads=3)
    with pytest.raises(ConfigError, match="no base model 'sasrek'; choose one of bert4rec, bsarec"):
        model_config("sasrek")
