"""An explanation as a sentence says nothing that the chain behind it does not hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmrg.core.errors import CallerError, ConfigError, UnknownItemError
from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.explanations.explain import Explanation, explain
from llmrg.explanations.in_words import InWords, faults, in_words
from llmrg.recommenders.mix import Mix
from llmrg.recommenders.popularity import Popularity
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.theme_scores import ThemeScores
from llmrg.recommenders.training import RunOptions
from llmrg.recsysllm import asking
from llmrg.recsysllm.asking import Teller
from llmrg.recsysllm.config import LlmTrainingConfig, RecSysLlmConfig
from llmrg.recsysllm.making import language_model_of
from llmrg.recsysllm.recommender import RecSysLlm

TITLES = ("Low Tide", "High Water", "The Whale", "Ice", "Ice and Snow", "The Long Winter")
THEMES = ("sea", "sea", "sea", "winter", "winter", "winter")


@pytest.fixture(scope="module")
def world() -> tuple[Dataset, dict[str, ReasoningGraph]]:
    """Readers of the sea, one step from book to book."""
    catalogue = Catalogue(Item(f"b{n}", title, (("theme", THEMES[n]),)) for n, title in enumerate(TITLES))
    orders = [(0, 1, 2), (1, 0, 2), (3, 4, 5), (4, 3, 5), (0, 2, 1), (3, 5, 4)]
    histories = {f"u{n}": History(f"u{n}", tuple(f"b{b}" for b in order)) for n, order in enumerate(orders)}
    graphs = {}
    for user, history in histories.items():
        reason = THEMES[int(history.items[0][1:])]
        first, second = history.items[:2]
        steps = (
            Step(user, 0, "reasoned", "root", "", None, reason, first, 0.9, 0, seen=1),
            Step(user, 1, "reasoned", "item", first, 0, reason, second, 0.8, 0, seen=2),
        )
        graphs[user] = ReasoningGraph(user, steps)
    return Dataset("sea", catalogue, histories, LoadReport("sea", 18, 6, 6), ("theme",)), graphs


@pytest.fixture(scope="module")
def known(world: Any, save_tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Mix:
    folder = save_tiny(tmp_path_factory.mktemp("words") / "llama", layers=1)
    config = RecSysLlmConfig(model=str(folder), train_layers=1, lora_rank=2)
    base = RecSysLlm(config, training=LlmTrainingConfig(epochs=1), options=RunOptions(threads=1))
    made = Mix([base, ThemeScores()])
    made.fit(*world)
    made.weights = np.array([0.1, 5.0])
    return made


def asked(world: Any, known: Any, user: str = "u0", item: str = "b2", graph: bool = True) -> tuple[Explanation, Query]:
    dataset, graphs = world
    query = Query.at(dataset.histories[user], 2, graphs[user] if graph else None)
    parts = known.contributions(query, item)
    why = explain(query.graph or ReasoningGraph(user), query.history, item, contributions=parts, verified=True)
    return why, query


def told_by(world: Any, known: Any, why: Explanation, query: Query) -> InWords:
    return in_words(why, Teller(language_model_of(known), query, why.item), world[0].catalogue)


def test_the_strongest_reason_is_told_from_its_stored_steps(world: Any, known: Mix) -> None:
    for user, item in (("u0", "b2"), ("u2", "b5")):
        why, query = asked(world, known, user, item)
        told = told_by(world, known, why, query)
        assert told.how == "worded"
        assert why.reasons[0].name in told.text
        assert f"“{world[0].catalogue[item].title}”" in told.text
        assert f"“{world[0].catalogue[query.history.items[1]].title}”" in told.text
        assert told.steps == world[1][user].steps, "the steps of the store, oldest first"
        assert not faults(told.text, why.reasons[0], item, world[0].catalogue)


def test_which_wording_is_the_language_model_s_choice(world: Any, known: Mix, monkeypatch: pytest.MonkeyPatch) -> None:
    why, query = asked(world, known)
    found = set()
    for favoured in range(4):
        monkeypatch.setattr(Teller, "likelihoods", lambda *_, best=favoured: np.eye(4)[best].tolist())
        found.add(told_by(world, known, why, query).text)
    assert len(found) == 4
    monkeypatch.undo()
    sentences = ["Low Tide", "qqqq qqqq"]
    model = known.members[0]
    teller = Teller(model, query, why.item)
    both = teller.likelihoods(sentences)
    alone = [teller.likelihoods([one])[0] for one in sentences]
    np.testing.assert_allclose(both, alone, atol=1e-4)
    assert both[0] != pytest.approx(both[1])


@pytest.mark.parametrize(
    ("sentence", "wrong"),
    [
        ("You liked the sea in Low Tide, and The Whale has more of it.", ""),
        ("The SEA, as in  low   tide.", ""),
        ("The Whale is a good book.", "does not name the reason 'sea'"),
        ("A seaside book.", "does not name the reason 'sea'"),
        ("The sea, as in The Long Winter.", "'The Long Winter'"),
        ("The sea in winter.", "'winter'"),
        ("The sea of ice and snow.", "'Ice and Snow'"),
        ("", "does not name the reason"),
    ],
)
def test_a_sentence_is_checked_against_the_chain(
    world: Any, known: Mix, monkeypatch: pytest.MonkeyPatch, sentence: str, wrong: str
) -> None:
    """Planted faults: what a model may write."""
    why, query = asked(world, known)
    found = faults(sentence, why.reasons[0], "b2", world[0].catalogue)
    assert any(wrong in fault for fault in found) if wrong else not found
    model = known.members[0]
    monkeypatch.setattr(model, "config", model.config.model_copy(update={"families": ("sequential", "explanation")}))
    monkeypatch.setattr(asking, "explain", lambda *given: sentence if given[3] == "sea" else "not asked for the reason")
    told = told_by(world, known, why, query)
    assert (told.how, told.text == sentence) == (("worded", False) if wrong else ("written", True))
    assert told.steps == world[1]["u0"].steps


def test_a_model_trained_for_explanations_writes_or_is_caught(
    world: Any, known: Mix, save_tiny: Callable[..., Path], tmp_path: Path
) -> None:
    """The real path: a tiny model writes what it can, and the check decides."""
    base = known.members[0]
    config = RecSysLlmConfig(
        model=base.config.model, train_layers=1, lora_rank=2, families=("sequential", "explanation")
    )  # the source has no reviews: nothing is learnt for them
    model = RecSysLlm(config, training=LlmTrainingConfig(epochs=1), options=RunOptions(threads=1))
    model.fit(world[0])
    mix = Mix([model, ThemeScores()], refit=False)
    mix.fit(*world)
    mix.weights = np.array([0.1, 5.0])
    why, query = asked(world, mix)
    told = told_by(world, mix, why, query)
    free = asking.explain(model, query, "b2", feature="sea")
    assert told.how == ("worded" if faults(free, why.reasons[0], "b2", world[0].catalogue) else "written")
    assert not faults(told.text, why.reasons[0], "b2", world[0].catalogue)


def test_without_a_reason_it_says_so(world: Any, known: Mix) -> None:
    why, query = asked(world, known, graph=False)
    told = told_by(world, known, why, query)
    assert (told.how, told.steps) == ("worded", ()), "themes of the items, which no step stands behind"
    why, query = asked(world, known.members[0])
    told = told_by(world, known.members[0], why, query)
    assert (told.how, told.steps) == ("none", ())
    assert "no reason" in told.text
    assert "The Whale" in told.text


def test_what_cannot_be_told_is_refused(world: Any, known: Mix) -> None:
    why, query = asked(world, known)
    with pytest.raises(CallerError, match="sum of"):
        told_by(world, known, replace(why, attributed=False), query)
    bare = Popularity()
    bare.fit(world[0])
    with pytest.raises(ConfigError, match="no language model"):
        told_by(world, bare, why, query)
    with pytest.raises(UnknownItemError):
        asked(world, known, item="nothing")
