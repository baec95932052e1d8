"""The likelihood mind: what it proposes, verifies and imagines, on a model made by hand and on the real one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from llmrg.agents.minds.likelihood import LikelihoodConfig, LikelihoodMind
from llmrg.agents.minds.local_lm import Floats, LocalLM, Usage
from llmrg.agents.minds.reason_bank import echoes_title, reason_bank
from llmrg.agents.protocols import Block, Candidate, Cut, OpenChain
from llmrg.core.errors import ConfigError
from llmrg.core.records import History, Item
from llmrg.core.settings import load_settings
from llmrg.data.dataset import Catalogue, Dataset, LoadReport

BOOKS = {
    "Treasure Island": "pirates",
    "Captain Blood": "pirates",
    "Peter Pan": "pirates",
    "Dracula": "vampires",
    "Carmilla": "vampires",
    "Emma": "marriage",
    "Middlemarch": "marriage",
    "Persuasion": "marriage",
    "I, Robot": "robots",
    "Neuromancer": "robots",
    "The Odyssey": "gods",
    "The Iliad": "gods",
}
PEACE = "War and Peace"


class KnowingLM:
    """A stand-in for a language model: it knows the theme of every title, and likes some words better than others anywhere."""

    name = weights = "knowing"

    def __init__(self, themes: dict[str, str]) -> None:
        self.themes = themes
        self.usage = Usage()
        self.prompts: list[str] = []

    def telling_apart(self, texts: Sequence[str]) -> list[str]:
        return list(texts)

    def score(self, prompts: Sequence[str], continuations: Sequence[Sequence[str]]) -> list[Floats]:
        self.prompts += prompts
        self.usage.calls += 1
        known = [{theme for title, theme in self.themes.items() if title in prompt} for prompt in prompts]
        rows = zip(known, continuations, strict=True)
        return [np.array([6.0 * (t.strip() in themes) - len(t) - 0.01 * len(themes) for t in tails]) for themes, tails in rows]


def shelf(themes: dict[str, str], histories: dict[str, Sequence[str]] | None = None) -> Dataset:
    items = [Item(title, title, (("theme", theme), ("pages", "300"))) for title, theme in themes.items()]
    found = {user: History(user, tuple(titles)) for user, titles in (histories or {}).items()}
    report = LoadReport("by hand", 0, len(found), len(items))
    return Dataset("shelf", Catalogue(items, "book"), found, report, ("theme",))


@pytest.fixture
def lm() -> KnowingLM:
    return KnowingLM({**BOOKS, PEACE: "war"})


@pytest.fixture
def mind(lm: KnowingLM, tmp_path: Path) -> LikelihoodMind:
    return LikelihoodMind(shelf({**BOOKS, PEACE: "war"}), lm, tmp_path)  # type: ignore[arg-type]


def block(titles: Sequence[str], *positions: int, chains: Sequence[OpenChain] = ()) -> Block:
    return Block("u", History("u", tuple(titles)), positions, tuple(chains))


def step(cause: str | None, reason: str, item: str) -> Candidate:
    kind = "root" if cause is None else "item"
    return Candidate(1, kind, cause or "", None if cause is None else 0, reason, item, None, seen=2)  # type: ignore[arg-type]


async def test_the_cause_is_an_earlier_item_of_the_same_theme(mind: LikelihoodMind) -> None:
    read = ["Treasure Island", "Dracula", "Emma", "Peter Pan", "Captain Blood", "Carmilla"]
    found = await mind.reason(block(read, 3, 5))
    best = {p: next(c for c in found if c.position == p) for p in (3, 5)}
    assert (best[3].cause, best[3].cause_position, best[3].reason) == ("Treasure Island", 0, "pirates")
    assert (best[5].cause, best[5].cause_position, best[5].reason) == ("Dracula", 1, "vampires")
    assert all(c.cause_position is None or c.cause_position < c.position for c in found)
    assert all(c.seen == c.position + 1 for c in found)
    per_position = [sum(c.position == p for c in found) for p in (3, 5)]
    assert max(per_position) <= mind.config.proposals


async def test_an_item_with_no_like_before_it_is_a_root(mind: LikelihoodMind) -> None:
    first, lonely = await mind.reason(block(["Emma", "I, Robot"], 0, 1))
    assert (first.cause_kind, first.reason, first.chain) == ("root", "marriage", None)
    assert (lonely.cause_kind, lonely.reason, lonely.item) == ("root", "robots", "I, Robot")


async def test_an_open_chain_of_the_same_reason_goes_on(mind: LikelihoodMind) -> None:
    read = ["Treasure Island", "Peter Pan", "Emma", "Captain Blood"]
    chains = [OpenChain(7, "Emma", 2, "marriage", 0.9), OpenChain(4, "Peter Pan", 1, "pirates", 0.9)]
    best = (await mind.reason(block(read, 3, chains=chains)))[0]
    assert (best.cause, best.chain) == ("Peter Pan", 4)


async def test_later_items_change_nothing(mind: LikelihoodMind) -> None:
    read = ["Treasure Island", "Dracula", "Captain Blood", "Carmilla", "Peter Pan"]
    assert await mind.reason(block(read, 2)) == await mind.reason(block(read[:3], 2))


async def test_true_reasons_score_above_wrong_ones(mind: LikelihoodMind) -> None:
    steps = [
        step("Dracula", "vampires", "Carmilla"),
        step("Dracula", "pirates", "Carmilla"),
        step("Dracula", "pirates", "Captain Blood"),
        step(None, "robots", "Neuromancer"),
        step(None, "gods", "Neuromancer"),
        step("Dracula", "no such reason", "Carmilla"),
    ]
    verdicts = await mind.verify(block(["Dracula", "Carmilla"], 1), steps)
    accepted = [verdict.score >= mind.default_tau for verdict in verdicts]
    assert accepted == [True, False, False, True, False, False]
    assert all(0.0 <= verdict.score <= 1.0 for verdict in verdicts)
    assert "'vampires' fits better" in verdicts[1].critique
    assert "not in the bank" in verdicts[5].critique
    assert await mind.verify(block(["Dracula", "Carmilla"], 1), []) == []


async def test_a_reason_that_echoes_the_title_is_refused(mind: LikelihoodMind) -> None:
    # "war" has three letters only: echoes are looked for in longer words
    robot = step("Neuromancer", "robots", "I, Robot")
    (verdict,) = await mind.verify(block(["Neuromancer", "I, Robot"], 1), [robot])
    assert (verdict.score, verdict.critique) == (0.0, "echoes the title")
    assert echoes_title("time travels", Item("x", "Travel in Time"))
    assert not echoes_title("time travel", Item("x", "The Time Machine"))


async def test_it_imagines_unseen_items_of_the_chain(mind: LikelihoodMind) -> None:
    chain = OpenChain(0, "Emma", 0, "marriage", 0.9)
    cut = Cut("u", History("u", ("Emma", "Persuasion")), 2, (chain,), {0: ("Dracula",)})
    found = await mind.imagine(cut)
    assert found[0].item == "Middlemarch"
    assert {one.item for one in found}.isdisjoint({"Emma", "Persuasion"})
    assert all((one.chain, one.reason) == (0, "marriage") for one in found)
    strange = OpenChain(1, "Emma", 0, "a reason of another mind", 0.9)
    assert await mind.imagine(Cut("u", cut.history, 2, (strange,))) == []


async def test_answers_are_kept_on_disk_and_do_not_depend_on_who_came_before(lm: KnowingLM, tmp_path: Path) -> None:
    data = shelf({**BOOKS, PEACE: "war"})
    small = LikelihoodConfig(contrast=6)
    read = ["Treasure Island", "Dracula", "Captain Blood", "Carmilla"]

    async def propose(folder: Path, *before: str) -> list[Candidate]:
        mind = LikelihoodMind(data, lm, folder, small)  # type: ignore[arg-type]
        for title in before:
            await mind.reason(block([title], 0))
        return await mind.reason(block(read, 1, 2, 3))

    fresh = await propose(tmp_path / "a")
    assert await propose(tmp_path / "b", "Emma", "The Iliad") == fresh
    lm.prompts.clear()
    assert await propose(tmp_path / "a") == fresh
    asked_again = len(lm.prompts)
    assert asked_again <= len(read), "the sample was kept"
    for file in (tmp_path / "a").rglob("*.npz"):
        file.write_bytes(file.read_bytes()[:50])
    lm.prompts.clear()
    assert await propose(tmp_path / "a") == fresh
    assert len(lm.prompts) > asked_again, "a damaged file is as good as none"


async def test_only_titles_and_authors_reach_the_model(lm: KnowingLM, tmp_path: Path) -> None:
    items = [Item(t, t, (("theme", theme), ("author", f"Author of {t}"))) for t, theme in BOOKS.items()]
    data = Dataset("shelf", Catalogue(items, "book"), {}, LoadReport("", 0, 0, 0), ("theme",))
    mind = LikelihoodMind(data, lm, tmp_path)  # type: ignore[arg-type]
    await mind.verify(block(["Emma"], 0), [step(None, "pirates", "Emma")])
    await mind.reason(block(["Emma"], 0))
    assert all(theme not in prompt for prompt in lm.prompts for theme in BOOKS.values())
    assert any("by Author of Emma" in prompt for prompt in lm.prompts)


def test_the_bank_holds_attribute_values_and_phrases() -> None:
    data = shelf(BOOKS)
    assert reason_bank(data, 99) == tuple(sorted(set(BOOKS.values())))
    assert set(reason_bank(data, 2)) == {"pirates", "marriage"}, "the most used stay"
    bare = Dataset("bare", data.catalogue, {}, data.report, (), ())
    with pytest.raises(ConfigError, match="reason_attributes"):
        reason_bank(bare, 99)
    phrased = Dataset("bare", data.catalogue, {}, data.report, (), ("the sea", "love", "the sea"))
    assert reason_bank(phrased, 99) == ("love", "the sea")


FAMOUS = [
    ("Nineteen Eighty-Four", "Brave New World", "dystopia"),
    ("Dracula", "Interview with the Vampire", "blood"),
    ("The Hobbit", "The Fellowship of the Ring", "elves"),
    ("Pride and Prejudice", "Sense and Sensibility", "marriage"),
    ("Murder on the Orient Express", "The Hound of the Baskervilles", "detectives"),
    ("Moby-Dick", "The Old Man and the Sea", "fishing"),
    ("Treasure Island", "Captain Blood", "pirates"),
    ("All Quiet on the Western Front", "A Farewell to Arms", "war"),
    ("The Diary of a Young Girl", "Night", "the Holocaust"),
    ("Uncle Tom's Cabin", "Beloved", "slavery"),
    ("To Kill a Mockingbird", "Native Son", "racism"),
    ("The Spy Who Came in from the Cold", "The Hunt for Red October", "the Cold War"),
    ("The War of the Worlds", "Childhood's End", "aliens"),
    ("I, Robot", "Do Androids Dream of Electric Sheep?", "artificial intelligence"),
    ("The Iliad", "The Song of Achilles", "Troy"),
    ("Wolf Hall", "The Other Boleyn Girl", "Henry VIII"),
    ("Memoirs of a Geisha", "Shogun", "Japan"),
    ("A Brief History of Time", "The Elegant Universe", "physics"),
    ("The Origin of Species", "The Selfish Gene", "evolution"),
    ("The Call of the Wild", "White Fang", "dogs"),
]


@pytest.mark.model
async def test_the_real_model_tells_true_reasons_from_wrong_ones(tmp_path: Path) -> None:
    """AUC of true against wrong reasons over 20 pairs of famous books, by the verifier's score."""
    titles = dict.fromkeys(title for first, second, _ in FAMOUS for title in (first, second))
    catalogue = Catalogue((Item(title, title) for title in titles), "book")
    reasons = tuple(reason for _, _, reason in FAMOUS)
    data = Dataset("famous", catalogue, {}, LoadReport("by hand", 0, 0, len(titles)), reason_phrases=reasons)
    mind = LikelihoodMind(data, LocalLM.load("gemma-3-270m", load_settings().cache_dir), tmp_path)
    steps = [step(first, reason, second) for first, second, _ in FAMOUS for reason in reasons]
    verdicts = await mind.verify(block(["x", "y"], 1), steps)
    scores = np.array([verdict.score for verdict in verdicts]).reshape(len(FAMOUS), len(FAMOUS))
    true, wrong = np.diag(scores), scores[~np.eye(len(FAMOUS), dtype=bool)]
    assert np.mean([(right > wrong).mean() + (right == wrong).mean() / 2 for right in true]) > 0.8
    proposed = await mind.reason(block(["A Brief History of Time", "Treasure Island", "Captain Blood"], 2))
    assert ("Treasure Island", "pirates") in [(candidate.cause, candidate.reason) for candidate in proposed]
