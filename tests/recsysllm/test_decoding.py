"""Titles after a question: what the searches find is what full forward passes over whole sequences say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.core.errors import CallerError
from llmrg.recsysllm import exact
from llmrg.recsysllm.batches import Batch
from llmrg.recsysllm.beam import beam_search
from llmrg.recsysllm.candidates import score_candidates
from llmrg.recsysllm.config import RecSysLlmConfig
from llmrg.recsysllm.entity_pool import EntityPool
from llmrg.recsysllm.exact import score_catalogue, score_titles
from llmrg.recsysllm.layout import NOTHING, Builder, Layout
from llmrg.recsysllm.net import RecSysNet
from llmrg.recsysllm.pieces import Piece
from llmrg.recsysllm.reading import Reading
from llmrg.recsysllm.trie import TitleTrie
from llmrg.recsysllm.write import write

KINDS = ("llama", "gemma3", "gpt2")
WAYS = (("causal", "paper"), ("blank", "paper"), ("blank", "running"))
TITLES = ["Dune", "Dune Messiah", "Dunes", "Emma", "Emma", "A", "Ab", "Abc", "Ulysses", "Emma", "Abd", "Walden"]
LONG = ["x" * 2000, "x" * 2000 + "y", "y" * 2000, "y" * 40 + "z" * 1960, "short"]
CATALOGUES = {"many": TITLES, "one": ["Only"], "twins": ["Same"] * 3, "long": LONG, "beginnings": ["a", "aa", "aaa", "aaaa"]}
WINDOW = {"gemma3": {"sliding_window": 8}, "llama": {}, "gpt2": {}}
"""The questions here are longer than this window."""

Desk = Any


def longer(layout: Layout, words: Sequence[int], running: bool) -> Layout:
    """A question with words after its [S], as one sequence."""
    count = len(words)
    steps = np.arange(1, count + 1)
    more = {
        "ids": np.array(words),
        "control": steps * 0,
        "part": steps * 0 + layout.part[-1],
        "sees": steps * 0 + layout.sees[-1],
        "inter": layout.inter[-1] + steps * running,
        "intra": steps + 1,
        "target": steps * 0 + NOTHING,
        "node": steps * 0 - 1,
    }
    return replace(layout, **{name: np.concatenate([getattr(layout, name), values]).astype(int) for name, values in more.items()})


def is_running(config: RecSysLlmConfig) -> bool:
    return config.layout == "causal" or config.positions == "running"


def full_states(desk: Desk, rows: Sequence[int], words: Sequence[int]) -> torch.Tensor:
    """(n + 1, D) at the [S] and at each word, all in one pass without a cache."""
    layout = longer(desk.question(rows), words, is_running(desk.config))
    with torch.no_grad():
        states = desk.net.states(Batch.of([layout], [[0]]))
    return states[0, len(layout) - len(words) - 1 :]


def brute_force(desk: Desk, rows: Sequence[int], renormalised: bool = True) -> np.ndarray:
    """(N,) log-probability of each item's title with its end, a full pass a title, nothing shared."""
    whole = [(*title, desk.text.end) for title in desk.text.titles]
    found = []
    for title in whole:
        with torch.no_grad():
            logits = desk.net.backbone.word_logits(full_states(desk, rows, title[:-1])).double()
        total = 0.0
        for at, word in enumerate(title):
            nexts = sorted({other[at] for other in whole if other[:at] == title[:at] and len(other) > at})
            chosen = logits[at, nexts] if renormalised else logits[at]
            total += float(logits[at, word] - chosen.logsumexp(0))
        found.append(total)
    return np.array(found)


# -- the cache -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("layout", "positions"), WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_one_token_at_a_time_is_the_full_pass(small: Callable[..., Desk], kind: str, layout: str, positions: str) -> None:
    for train_layers in (1, 3):
        desk = small(TITLES, kind, train_layers, model=WINDOW[kind], layout=layout, positions=positions)
        words = desk.text.coder.ids(" Dune Messiah")
        reading = desk.reading([1, 4, 9])
        assert reading.tokens_fed == len(desk.question([1, 4, 9])) > 8
        found = [reading.state]
        for number, word in enumerate(words):
            found.append(reading.feed([word], [number - 1], [number + 2])[0])
        whole = full_states(desk, [1, 4, 9], words)
        logs = [desk.net.backbone.word_logits(states).log_softmax(1).detach() for states in (torch.stack(found), whole)]
        np.testing.assert_allclose(logs[0], logs[1], atol=1e-4)
        assert reading.tokens_fed == len(desk.question([1, 4, 9])) + len(words)


@pytest.mark.parametrize(("layout", "positions"), WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_continuations_side_by_side_do_not_see_each_other(
    small: Callable[..., Desk], kind: str, layout: str, positions: str
) -> None:
    """Three continuations grow in turn, two from a common beginning; then all are forgotten and one grows again."""
    desk = small(TITLES, kind, 2, model=WINDOW[kind], layout=layout, positions=positions)
    a, b, c, d, e = desk.text.coder.ids("abcde")
    reading = desk.reading([2, 5])
    for _ in range(2):
        first = reading.feed([a, b, c], [-1, 0, -1], [2, 3, 2])
        second = reading.feed([d, e, a], [1, 0, 2], [4, 3, 3])
        chains = {(a, b, d): [first[0], first[1], second[0]], (a, e): [first[0], second[1]], (c, a): [first[2], second[2]]}
        for chain, states in chains.items():
            np.testing.assert_allclose(torch.stack(states), full_states(desk, [2, 5], chain)[1:], atol=2e-4)
        reading.forget()
        assert reading.fed == 0


# -- all titles ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("renormalised", [True, False])
@pytest.mark.parametrize(("layout", "positions"), WAYS)
@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_exact_scores_are_those_of_full_passes(
    small: Callable[..., Desk], catalogue: str, layout: str, positions: str, renormalised: bool
) -> None:
    desk = small(CATALOGUES[catalogue], layout=layout, positions=positions)
    shares = desk.text.trie.log_shares(np.arange(len(CATALOGUES[catalogue])))
    expected = brute_force(desk, [1, 1], renormalised) + shares
    found = score_catalogue(desk.reading([1, 1]), desk.text.trie, shares, renormalised)
    np.testing.assert_allclose(found, expected, atol=3e-4)
    if renormalised:
        assert np.exp(found.astype(np.float64)).sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk", [1, 3])
def test_chunks_change_nothing(small: Callable[..., Desk], kind: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small([*TITLES, *LONG], kind, model=WINDOW[kind])
    for renormalised in (True, False):
        whole = score_titles(desk.reading([3]), desk.text.trie, renormalised)
        with monkeypatch.context() as patch:
            patch.setattr(exact, "CHUNK", chunk)
            reading = desk.reading([3])
            np.testing.assert_allclose(score_titles(reading, desk.text.trie, renormalised), whole, atol=1e-3)
            assert reading.fed == 0


def test_only_what_is_left_to_decide_is_fed(small: Callable[..., Desk]) -> None:
    desk = small(TITLES)
    reading = desk.reading([1])
    before = reading.tokens_fed
    score_titles(reading, desk.text.trie)
    assert reading.tokens_fed - before == len(desk.text.trie.live) < sum(map(len, desk.text.titles)) / 2


@pytest.mark.parametrize(("layout", "positions"), WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_training_asks_for_what_is_searched(small: Callable[..., Desk], kind: str, layout: str, positions: str) -> None:
    """The loss of a question with its answer is the title's negative log-probability, by either loss."""
    for loss in ("trie", "vocabulary"):
        desk = small(TITLES, kind, model=WINDOW[kind], layout=layout, positions=positions, loss=loss)
        scores = score_titles(desk.reading([7, 2]), desk.text.trie, loss == "trie")
        for answer in (1, 2, 6, 7, 9):
            batch = Batch.of([desk.question([7, 2], answer)], [[0]])
            with torch.no_grad():
                losses = desk.net(batch)
            told = losses.titles if loss == "trie" else losses.words
            assert float(told.sum()) == pytest.approx(-scores[desk.text.trie.terminal[answer - 1]], abs=3e-4)


# -- the best titles -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("renormalised", [True, False])
@pytest.mark.parametrize(("layout", "positions"), WAYS)
@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_as_many_beams_as_nodes_find_the_exact_ranking(
    small: Callable[..., Desk], catalogue: str, layout: str, positions: str, renormalised: bool
) -> None:
    desk = small(CATALOGUES[catalogue], layout=layout, positions=positions)
    trie, count = desk.text.trie, len(CATALOGUES[catalogue])
    shares = trie.log_shares(np.arange(count))
    scores = score_titles(desk.reading([1]), trie, renormalised)[trie.terminal] + shares
    found = beam_search(desk.reading([1]), trie, shares, count, len(trie), renormalised=renormalised)
    assert found.exact
    assert sorted(found.items.tolist()) == list(range(1, count + 1))
    np.testing.assert_allclose(found.scores, np.sort(scores)[::-1], atol=1e-4)
    np.testing.assert_allclose(found.scores, scores[found.items - 1], atol=1e-4)


class Shelf:
    """Nets for catalogues drawn by hypothesis, all on one model."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.letters = desk.text.coder.ids("abc")

    def search(self, titles: list[list[int]], k: int, beams: int, hidden: set[int], renormalised: bool) -> tuple[Any, np.ndarray]:
        """What a search finds, and the scores of all items."""
        trie = TitleTrie.of([[self.letters[word] for word in title] for title in titles], self.desk.text.end)
        net = RecSysNet(self.desk.net.backbone, trie)
        net.load_state_dict(self.desk.net.state_dict())
        code = self.desk.text.coder.code
        made = Builder(net.backbone.stand_ins)
        made.branch(made.text(code([Piece("Next")])), code([Piece(":")]), slot_position=0)
        shares = trie.log_shares(np.arange(len(titles)) % 3)
        scores = score_titles(Reading(net, self.desk.config, made.build()), trie, renormalised)[trie.terminal] + shares
        reading = Reading(net, self.desk.config, made.build())
        return beam_search(reading, trie, shares, k, beams, hidden, renormalised), scores


@pytest.fixture(scope="module")
def shelf(small: Callable[..., Desk]) -> Shelf:
    return Shelf(small(["Any"], model={"layers": 2}))


@settings(deadline=None, max_examples=120)
@given(
    titles=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5), min_size=1, max_size=16),
    k=st.integers(1, 8),
    beams=st.integers(1, 4),
    hide=st.sets(st.integers(0, 15)),
    renormalised=st.booleans(),
)
def test_few_beams_keep_their_word(
    shelf: Shelf, titles: list[list[int]], k: int, beams: int, hide: set[int], renormalised: bool
) -> None:
    """Results are items, free ones, k of them where there are k, scored right; and a list that is called exact is."""
    hidden = {1 + row for row in hide if row < len(titles)}
    found, scores = shelf.search(titles, k, beams, hidden, renormalised)
    free = np.array([row not in hidden for row in range(1, len(titles) + 1)])
    assert len(found.items) == len(set(found.items.tolist())) == min(k, int(free.sum()))
    assert all(1 <= row <= len(titles) and free[row - 1] for row in found.items.tolist())
    np.testing.assert_allclose(found.scores, scores[found.items - 1], atol=1e-4)
    assert (np.diff(found.scores) <= 0).all()
    best = np.sort(scores[free])[::-1][:k]
    if found.exact:
        np.testing.assert_allclose(found.scores, best, atol=1e-4)
    if len(found.items):
        assert (found.scores <= best + 1e-4).all()


def test_a_narrow_search_can_miss_and_says_so(shelf: Shelf) -> None:
    """Of many random catalogues two beams miss the best of some: never where the list is called exact."""
    dice, missed, proven = np.random.default_rng(0), 0, 0
    for _ in range(60):
        titles = [dice.integers(0, 3, dice.integers(1, 6)).tolist() for _ in range(14)]
        found, scores = shelf.search(titles, 3, 2, set(), True)
        wrong = not np.allclose(found.scores, np.sort(scores)[::-1][:3], atol=1e-4)
        missed += wrong
        proven += found.exact
        assert not (wrong and found.exact)
    assert missed
    assert proven


def test_a_search_leaves_the_question_as_it_was(small: Callable[..., Desk]) -> None:
    desk = small(TITLES)
    shares = np.zeros(len(TITLES))
    reading = desk.reading([4])
    first = beam_search(reading, desk.text.trie, shares, 5, 3)
    again = beam_search(reading, desk.text.trie, shares, 5, 3)
    assert first.items.tolist() == again.items.tolist()
    np.testing.assert_allclose(first.scores, again.scores, atol=1e-5)
    assert again.tokens_fed - first.tokens_fed == first.tokens_fed - len(desk.question([4]))


@pytest.mark.parametrize(("k", "beams"), [(0, 3), (3, 0), (-1, 1)])
def test_a_search_for_nothing_is_refused(small: Callable[..., Desk], k: int, beams: int) -> None:
    desk = small(["Dune"])
    with pytest.raises(CallerError, match="must be 1 or more"):
        beam_search(desk.reading([1]), desk.text.trie, np.zeros(1), k, beams)


# -- given texts ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("layout", "positions"), WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_candidates_are_scored_as_by_full_passes(small: Callable[..., Desk], kind: str, layout: str, positions: str) -> None:
    desk = small(TITLES, kind, model=WINDOW[kind], layout=layout, positions=positions)
    candidates = [desk.text.coder.ids(text) for text in (" yes", " no", " y", " yet", "3", "3", " a longer answer" * 5)]
    expected = []
    for words in candidates:
        with torch.no_grad():
            logs = desk.net.backbone.word_logits(full_states(desk, [1, 2], words)).log_softmax(1)
        expected.append(sum(float(logs[at, word]) for at, word in enumerate(words)))
    reading = desk.reading([1, 2])
    for _ in range(2):
        np.testing.assert_allclose(score_candidates(reading, candidates), expected, atol=1e-3)
    for wrong in ([], [[1], []]):
        with pytest.raises(CallerError, match="at least one"):
            score_candidates(reading, wrong)


# -- free text -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("layout", "positions"), WAYS)
def test_written_text_is_the_likeliest_word_each_time(small: Callable[..., Desk], layout: str, positions: str) -> None:
    """Each word is the best after a full pass over what stands there, with the positions of the entities written so far."""
    desk = small(TITLES, layout=layout, positions=positions)
    pool = EntityPool(desk.text.titles)
    words = write(desk.reading([1]), pool, stop=(), max_tokens=12, no_repeat=0)
    assert len(words) == 12
    for at, word in enumerate(words):
        layout_so_far = longer(desk.question([1]), words[:at], is_running(desk.config))
        if at:
            layout_so_far.intra[-at:] = pool.positions(words[:at])
        with torch.no_grad():
            state = desk.net.states(Batch.of([layout_so_far], [[0]]))[0, -1:]
            logits = desk.net.backbone.word_logits(state)[0]
        assert float(logits.max() - logits[word]) < 1e-4


def test_writing_stops_and_does_not_circle(small: Callable[..., Desk]) -> None:
    desk = small(TITLES)
    pool = EntityPool(desk.text.titles)
    free = write(desk.reading([1]), pool, stop=(), max_tokens=60, no_repeat=0)
    varied = write(desk.reading([1]), pool, stop=(), max_tokens=60, no_repeat=3)
    runs = [tuple(varied[at : at + 3]) for at in range(len(varied) - 2)]
    assert len(runs) == len(set(runs))
    stop = free[4]
    assert write(desk.reading([1]), pool, stop=(stop,), max_tokens=60, no_repeat=0) == free[: free.index(stop)]
