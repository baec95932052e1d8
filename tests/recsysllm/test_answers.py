"""Answers of a net equal what full forward passes over the answered example say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from llmrg.core.errors import CallerError, ConfigError
from llmrg.core.graph_table import GraphTable
from llmrg.core.themes import Themes
from llmrg.data.opinions import Opinion
from llmrg.encoders.text import HashedVectors
from llmrg.language_models.loading import LoadedModel
from llmrg.recommenders.base import FitData
from llmrg.recommenders.items import ItemRows
from llmrg.recsysllm.answers import Stars, agree, choose, rate, read, say
from llmrg.recsysllm.config import RecSysLlmConfig
from llmrg.recsysllm.entity_pool import EntityPool
from llmrg.recsysllm.layout import NOTHING, Layout
from llmrg.recsysllm.pieces import PieceCoder, Tokens
from llmrg.recsysllm.tasks import TASKS
from llmrg.recsysllm.tasks.layouts import end_of_text, text_layout
from llmrg.recsysllm.tasks.protocol import TaskData, TextExample
from llmrg.recsysllm.tasks.words import STARS, star_answer, star_words, yes_no_answer
from llmrg.recsysllm.templates import load_templates
from llmrg.recsysllm.textualise import Textualiser
from llmrg.testing.recommender_suite import cycle_graphs, cycle_world

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("peft")

from llmrg.recommenders.fusion.concat import ConcatConfig  # noqa: E402
from llmrg.recsysllm.backbone import Backbone  # noqa: E402
from llmrg.recsysllm.batches import Batch  # noqa: E402
from llmrg.recsysllm.graph_plug import GraphPlug  # noqa: E402
from llmrg.recsysllm.net import RecSysNet  # noqa: E402

LETTERS = {"<s>": 0, **{letter: number for number, letter in enumerate([*map(chr, range(32, 127)), "\n"], start=1)}}
SETTINGS = [
    {"layout": "causal", "loss": "trie"},
    {"layout": "causal", "loss": "vocabulary"},
    {"layout": "blank", "loss": "trie", "positions": "paper"},
    {"layout": "blank", "loss": "vocabulary", "positions": "running"},
]


def tokenizer() -> Any:
    """One token a letter."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel(LETTERS, unk_token="<s>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    made.decoder = decoders.Fuse()
    return made


@pytest.fixture(scope="module")
def net() -> RecSysNet:
    """Three random layers, of which two have adapters; nothing that is learnt is zero."""
    torch.manual_seed(7)
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    config = transformers.LlamaConfig(
        **sizes, vocab_size=len(LETTERS) + 1, head_dim=8, max_position_embeddings=1024, initializer_range=0.3, eos_token_id=None
    )
    model = transformers.LlamaForCausalLM(config).eval()
    backbone = Backbone(LoadedModel(model, tokenizer(), "tiny", "tiny"), train_layers=2, rank=4)
    made = RecSysNet(backbone, words(backbone.coder).trie)
    with torch.no_grad():
        for weight in made.learnt().values():
            weight.copy_(torch.randn(weight.shape) * 0.3)
    return made.eval()


def words(coder: PieceCoder) -> Textualiser:
    dataset = cycle_world(1)
    return Textualiser.of(list(dataset.catalogue), coder, dataset.reason_attributes)


@pytest.fixture(scope="module")
def data(net: RecSysNet) -> TaskData:
    """One user who rated and reviewed."""
    said = tuple(Opinion(float(1 + n % 5), f"Title {n}", f"Item {n} has a sound. And more.") for n in range(9))
    return TaskData(replace(cycle_world(1), opinions={"u0": said}), words(net.backbone.coder))


def example_of(data: TaskData, name: str, position: int = 4) -> TextExample:
    """In a wording, by its id."""
    family: Any = name.split("-")[0]
    template = next(one for one in load_templates(family) if one.id == name)
    found = TASKS[family].examples(data, "u0", position + 1, np.random.default_rng(5), template)
    return next(one for one in found if one.position == position)


def answered(net: RecSysNet, data: TaskData, example: TextExample, **config: Any) -> Layout:
    settings = RecSysLlmConfig(**config)
    return text_layout(example, settings, data.text, net.backbone.stand_ins, stop=end_of_text(net.backbone))


def full_log_probs(net: RecSysNet, layout: Layout) -> Any:
    """(T, V) at each place that predicts, by one forward pass."""
    with torch.no_grad():
        states = net.states(Batch.of([layout], [[0]]))[0]
        return net.backbone.word_logits(states[torch.from_numpy(layout.target != NOTHING)]).log_softmax(dim=1)


def total(net: RecSysNet, data: TaskData, example: TextExample, answer: Tokens, **config: Any) -> float:
    """Log-probability of an answer among all words, by one forward pass."""
    layout = answered(net, data, replace(example, answer=answer), **{**config, "loss": "vocabulary"})
    logs = full_log_probs(net, layout)
    return float(logs[torch.arange(len(logs)), torch.from_numpy(layout.target[layout.target != NOTHING])].sum())


ASKED = ["rating-1", "rating-5", "sequential-4", "sequential-1", "explanation-1", "review-1", "review-3", "direct-5"]


@pytest.mark.parametrize("config", SETTINGS)
@pytest.mark.parametrize("name", ["rating-1", "rating-5", "sequential-4", "explanation-1", "review-1"])
def test_reading_on_equals_the_full_forward(net: RecSysNet, data: TaskData, name: str, config: dict[str, Any]) -> None:
    example = example_of(data, name)
    layout = answered(net, data, example, **config)
    expected = full_log_probs(net, layout)
    reading = read(net, RecSysLlmConfig(**config), data.text, example)
    targets = layout.target[layout.target != NOTHING].tolist()
    written = example.kind == "text"
    positions = data.text.pool.positions(example.answer.ids.tolist()) if written else range(2, 2 + len(example.answer))
    states, parent = [reading.state], -1
    for word, intra in zip(targets[:-1], positions, strict=False):
        states.append(reading.feed([word], [parent], [intra])[0])
        parent = reading.fed - 1
    with torch.no_grad():
        found = net.backbone.word_logits(torch.stack(states)).log_softmax(dim=1)
    assert len(targets) > 3 or not written
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-4)


@pytest.mark.parametrize("config", SETTINGS)
def test_the_answer_of_an_example_is_not_looked_at(net: RecSysNet, data: TaskData, config: dict[str, Any]) -> None:
    for name in ("rating-1", "direct-4", "review-1"):
        example = example_of(data, name)
        other = replace(example, answer=data.text.written("something else", 9), item=1, actual="?")
        settings = RecSysLlmConfig(**config)
        first, second = (read(net, settings, data.text, one).state for one in (example, other))
        assert torch.equal(first, second)


def test_the_graph_of_the_user_that_is_asked_for_stands_in_the_slots(net: RecSysNet, data: TaskData) -> None:
    dataset = cycle_world(3)
    parts = {user: np.arange(1, 8) + number for number, user in enumerate(dataset.histories)}
    fit = FitData(dataset, ItemRows(dataset.catalogue.ids), parts, GraphTable.of_mapping(cycle_graphs(dataset)), Themes())
    told = ConcatConfig().graphs_of(fit, HashedVectors())
    vectors = np.random.default_rng(0).normal(size=(len(dataset.catalogue), 12)).astype(np.float32)
    plug = GraphPlug(net.backbone.size, vectors, told.sizes["text"], told.setting)
    with torch.no_grad():
        for weight in plug.parameters():
            weight.copy_(torch.randn(weight.shape) * 0.3)
    plugged = RecSysNet(net.backbone, net.trie, plug=plug.eval()).eval()
    example = example_of(data, "rating-1")
    for config in (RecSysLlmConfig(), RecSysLlmConfig(layout="blank")):
        stop, stand_ins = end_of_text(net.backbone), net.backbone.stand_ins
        found = []
        for user in (0, 2):
            layout = text_layout(example, config, data.text, stand_ins, user, stop=stop)
            with torch.no_grad():
                full = plugged.states(Batch.of([layout], [[0]]), told)[0, layout.target != NOTHING][0]
            found.append(read(plugged, config, data.text, example, told, user).state)
            torch.testing.assert_close(found[-1], full, atol=1e-4, rtol=1e-4)
        assert not torch.allclose(found[0], found[1], atol=1e-3)
        assert rate(plugged, config, data.text, example, told, 0) != rate(plugged, config, data.text, example, told, 2)


# -- stars -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("config", SETTINGS)
def test_stars_are_a_softmax_over_five_words(net: RecSysNet, data: TaskData, config: dict[str, Any]) -> None:
    for name in ("rating-7", "review-3"):
        example = example_of(data, name)
        found = rate(net, RecSysLlmConfig(**config), data.text, example)
        logs = np.array([total(net, data, example, star_answer(star, data.text.coder), **config) for star in STARS])
        shares = np.exp(logs) / np.exp(logs).sum()
        np.testing.assert_allclose(found.shares, shares, atol=1e-4)
        assert found.mean == pytest.approx(shares @ np.array(STARS), abs=1e-3)
        assert 1 <= found.mean <= 5
        assert found.median == min(star for star in STARS if shares[:star].sum() >= 0.5)


def test_means_and_medians() -> None:
    assert Stars((0.0, 0.0, 0.0, 0.0, 1.0)).mean == Stars((0.0, 0.0, 0.0, 0.0, 1.0)).median == 5
    assert Stars((1.0, 0.0, 0.0, 0.0, 0.0)).mean == Stars((1.0, 0.0, 0.0, 0.0, 0.0)).median == 1
    assert (Stars((0.4, 0.05, 0.05, 0.1, 0.4)).mean, Stars((0.4, 0.05, 0.05, 0.1, 0.4)).median) == (pytest.approx(3.05), 3)
    assert Stars((0.1, 0.1, 0.1, 0.1, 0.6 + 1e-9)).mean <= 5


def test_a_tokenizer_without_numbers_is_refused() -> None:
    class NoNumbers:
        def ids(self, text: str) -> tuple[int, ...]:
            return (3,)

    with pytest.raises(ConfigError, match="no token of its own for each of 1 to 5"):
        star_words(NoNumbers())  # type: ignore[arg-type]


@pytest.mark.parametrize("config", SETTINGS)
def test_yes_is_weighed_against_no(net: RecSysNet, data: TaskData, config: dict[str, Any]) -> None:
    example = example_of(data, "direct-1")
    found = agree(net, RecSysLlmConfig(**config), data.text, example)
    yes, no = (np.exp(total(net, data, example, yes_no_answer(yes, data.text.coder), **config)) for yes in (True, False))
    assert found == pytest.approx(yes / (yes + no), abs=1e-4)


# -- candidates --------------------------------------------------------------------------------------------------------------
def along_a_trie(logs: Sequence[Any], title: Sequence[int], titles: Sequence[Sequence[int]]) -> float:
    """At each word a softmax over the words with which some candidate goes on from here."""
    found = 0.0
    for step, word in enumerate(title):
        below = sorted({other[step] for other in titles if tuple(other[:step]) == tuple(title[:step])})
        found += float(logs[step][word] - torch.logsumexp(logs[step][below], dim=0))
    return found


@pytest.mark.parametrize("config", SETTINGS)
def test_candidates_are_scored_as_the_loss_says(net: RecSysNet, data: TaskData, config: dict[str, Any]) -> None:
    example = example_of(data, "sequential-4")
    assert len(example.candidates) == 10
    found = choose(net, RecSysLlmConfig(**config), data.text, example, example.candidates)
    expected = []
    ended = [[*data.text.titles[row - 1], data.text.end] for row in example.candidates]
    for row, title in zip(example.candidates, ended, strict=True):
        if config["loss"] == "vocabulary":
            expected.append(total(net, data, replace(example, item=row), data.text.title(row), **config))
            continue
        told = replace(example, answer=data.text.title(row), item=row)
        logs = full_log_probs(net, answered(net, data, told, **{**config, "loss": "vocabulary"}))
        expected.append(along_a_trie(logs, title, ended))
    np.testing.assert_allclose(found, expected, atol=1e-3 if config["loss"] == "vocabulary" else 1e-4)
    assert example.candidates[int(np.argmax(found))] in example.candidates
    if config["loss"] == "trie":
        assert np.exp(found).sum() == pytest.approx(1.0)
    else:
        assert np.exp(found).sum() < 1.0


def test_the_order_of_candidates_changes_no_score_and_equal_titles_share(net: RecSysNet, data: TaskData) -> None:
    example, config = example_of(data, "direct-2"), RecSysLlmConfig()
    found = choose(net, config, data.text, example, example.candidates)
    turned = choose(net, config, data.text, example, example.candidates[::-1])
    np.testing.assert_allclose(found, turned[::-1], atol=1e-5)
    twice = choose(net, config, data.text, example, (3, 7, 3))
    assert twice[0] == twice[2]
    np.testing.assert_allclose(np.exp(twice[0]) * 2, np.exp(choose(net, config, data.text, example, (3, 7))[0]), atol=1e-5)
    np.testing.assert_allclose(choose(net, config, data.text, example, (4,)), [0.0], atol=1e-6)
    with pytest.raises(CallerError):
        choose(net, config, data.text, example, ())


# -- texts -------------------------------------------------------------------------------------------------------------------
def no_run_twice(words: list[int], word: int) -> bool:
    runs = [tuple(words[at : at + 3]) for at in range(len(words) - 2)]
    return len(words) < 2 or (*words[-2:], word) not in runs


def likeliest(net: RecSysNet, data: TaskData, example: TextExample, config: dict[str, Any], count: int) -> list[int]:
    """Word by word, each from a full forward pass over all that was written before."""
    written: list[int] = []
    while len(written) < count:
        so_far = Tokens(np.array(written, dtype=np.int64), np.array(data.text.pool.entities(written), dtype=np.int64))
        if written or config["layout"] == "causal":
            logs = full_log_probs(net, answered(net, data, replace(example, answer=so_far), **config))[-1]
        else:  # without an answer there is nothing to be masked
            logs = full_log_probs(net, answered(net, data, example, **config))[0]
        word = next(word for word in logs.argsort(descending=True).tolist() if no_run_twice(written, word))
        if word == end_of_text(net.backbone):
            break
        written.append(word)
    return written


@pytest.mark.parametrize("config", SETTINGS)
def test_a_text_is_the_likeliest_word_by_word(net: RecSysNet, data: TaskData, config: dict[str, Any]) -> None:
    example = example_of(data, "explanation-1")
    plain = likeliest(net, data, example, config, 6)
    assert len(plain) > 3
    text = replace(data.text)
    text.__dict__["pool"] = EntityPool([plain[:3]])  # an entity that is sure to be written
    pooled = likeliest(net, replace(data, text=text), example, config, 6)
    assert pooled != plain or config["layout"] == "blank"
    for known, expected in ((data.text, plain), (text, pooled)):
        found = say(net, RecSysLlmConfig(**config), known, example, max_tokens=6)
        assert found == known.coder.text(expected).strip()


def test_a_text_ends_where_the_model_ends_it(net: RecSysNet, data: TaskData, monkeypatch: pytest.MonkeyPatch) -> None:
    example, config = example_of(data, "review-1"), RecSysLlmConfig()
    first = int(full_log_probs(net, answered(net, data, example))[0].argmax())
    assert end_of_text(net.backbone) == LETTERS["\n"]
    assert say(net, config, data.text, example)
    monkeypatch.setattr(net.backbone.causal.config, "eos_token_id", first)
    assert say(net, config, data.text, example) == ""


# -- training ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("config", SETTINGS)
def test_losses_are_the_answers_log_probabilities(net: RecSysNet, data: TaskData, config: dict[str, Any]) -> None:
    """Packed together with others, an example has the loss that it has alone."""
    examples = [example_of(data, name) for name in ASKED]
    layouts = [answered(net, data, example, **config) for example in examples]
    with torch.no_grad():
        together = net(Batch.of(layouts, [[0, 1, 2, 3], [4, 5, 6, 7]]))
        alone = [net(Batch.of([layout], [[0]])) for layout in layouts]
    for part in ("titles", "words"):
        expected = torch.cat([getattr(one, part) for one in alone])
        np.testing.assert_allclose(getattr(together, part).numpy(), expected.numpy(), atol=1e-4)
    number = ASKED.index("sequential-1")
    row, loss = examples[number].item, float(alone[number].titles.sum() + alone[number].words.sum())
    scores = choose(net, RecSysLlmConfig(**config), data.text, examples[number], range(1, len(data.text.titles) + 1))
    assert -loss == pytest.approx(scores[row - 1], abs=1e-3)
