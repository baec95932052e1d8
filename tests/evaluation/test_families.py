"""The table of families: what it asks, what it compares, and that nothing later than the question enters it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("peft")
pytest.importorskip("sacrebleu")
pytest.importorskip("rouge_score")

from llmrg.core.errors import ArtifactError, CallerError, ConfigError, DataError
from llmrg.core.records import History, Item
from llmrg.data.dataset import Catalogue, Dataset
from llmrg.data.opinions import Opinion
from llmrg.evaluation import families as room
from llmrg.evaluation.families import FamilyRow, FamilyTable, family_table
from llmrg.evaluation.rating_baselines import GlobalMean, UserItemMeans, training_ratings
from llmrg.evaluation.ratings import rating_error
from llmrg.recommenders.training import RunOptions
from llmrg.recsysllm.config import LlmTrainingConfig, RecSysLlmConfig
from llmrg.recsysllm.recommender import RecSysLlm
from llmrg.testing.recommender_suite import ITEMS, LENGTH, cycle_graphs, cycle_world
from llmrg.testing.tiny_llama import save_tiny_llama

USERS = 8
SAID = ("the sound", "the price", "the cable", "the colour")


def opinion(user: int, position: int) -> Opinion:
    """Everybody speaks of a few things, so that most sentences have a word that others use too."""
    text = f"I like {SAID[(user + position) % 4]} of it. Number {position}."
    return Opinion(float(1 + (user * position) % 5), "Good" if position % 2 else f"Mark {position}", text)


@pytest.fixture(scope="module")
def world() -> Dataset:
    made = cycle_world(USERS)
    said = {user: tuple(opinion(number, at) for at in range(LENGTH)) for number, user in enumerate(made.histories)}
    return replace(made, opinions=said)


@pytest.fixture(scope="module")
def fitted(world: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RecSysLlm]:
    """`fitted(families=, graph=, head=)`: trained for one short epoch, each setting once."""
    folder, known = save_tiny_llama(tmp_path_factory.mktemp("base") / "llama"), dict[Any, RecSysLlm]()

    def make(**changes: Any) -> RecSysLlm:
        key = tuple(sorted(changes.items()))
        if key not in known:
            given = {"families": ("rating", "explanation", "review", "direct"), **changes}
            config = RecSysLlmConfig(model=str(folder), train_layers=1, texts_per_user=1, draws=1, lora_rank=4, **given)
            how = LlmTrainingConfig(epochs=1, learning_rate=1e-2)
            known[key] = RecSysLlm(config, training=how, options=RunOptions(threads=1))
            known[key].fit(world, cycle_graphs(world) if config.graph != "none" else None)
        return known[key]

    return make


@pytest.fixture(scope="module")
def table(world: Dataset, fitted: Callable[..., RecSysLlm]) -> FamilyTable:
    return family_table(fitted(), world, users=2)


def row(table: FamilyTable, question: str, by: str = "model", wording: str = "seen") -> FamilyRow:
    wording = wording if by == "model" else ""
    return next(one for one in table.rows if (one.question, one.by, one.wording) == (question, by, wording))


def test_each_family_is_asked_in_a_seen_and_an_unseen_wording(table: FamilyTable) -> None:
    asked = [(one.question, one.template) for one in table.rows if one.by == "model"]
    assert asked == [
        ("stars", "rating-1"),
        ("stars", "rating-6"),
        ("explanation", "explanation-1"),
        ("explanation", "explanation-7"),
        ("explanation, a word of it given", "explanation-3"),
        ("explanation, a word of it given", "explanation-6"),
        ("headline of a review", "review-1"),
        ("headline of a review", "review-7"),
        ("which of ten suits", "direct-2"),
        ("which of ten suits", "direct-6"),
    ]
    assert {one.users for one in table.rows} == {2}
    names = {tuple(one.figures) for one in table.rows}
    texts = ("BLEU-2", "BLEU-4", "ROUGE-1", "ROUGE-2", "ROUGE-L")
    assert names == {("RMSE", "MAE"), texts, ("HR@1", "NDCG@5", "MRR")}
    assert all(np.isfinite(value) for one in table.rows for value in one.figures.values())
    found = table.to_json()
    assert found["model"] == "recsysllm"
    assert "test position" in found["card"]["asked"]
    assert [one["by"] for one in found["rows"] if one["by"] != "model"] == [
        "global mean",
        "user + item means",
        "most frequent first sentence",
        "most frequent first sentence",
        "most frequent headline",
        "popularity",
    ]


def test_baselines_know_the_training_parts_alone(world: Dataset, fitted: Callable[..., RecSysLlm]) -> None:
    found = family_table(fitted(families=("rating",)), world)
    pairs = [(user, history.items[-1]) for user, history in world.histories.items()]
    actual = [world.opinions[user][-1].rating for user, _ in pairs]  # type: ignore[union-attr]
    known = training_ratings(world)
    assert len(known) == USERS * (LENGTH - 2)
    for name, one in (("global mean", GlobalMean.fit(known)), ("user + item means", UserItemMeans.fit(known))):
        expected = rating_error(one.predict(pairs), actual)  # type: ignore[arg-type]
        assert row(found, "stars", name).figures == pytest.approx({"RMSE": expected.rmse, "MAE": expected.mae})


def test_the_figures_are_those_of_the_answers(
    world: Dataset, fitted: Callable[..., RecSysLlm], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that writes what was written, and chooses what was taken, has the best figures; one that fails, the worst."""
    right = {"say": lambda *given: given[3].actual, "choose": lambda *given: np.array([row == given[3].item for row in given[4]])}
    wrong = {"say": lambda *given: "", "choose": lambda *given: np.zeros(len(given[4]))}
    for answers, text, choice in ((right, 100.0, 1.0), (wrong, 0.0, 0.0)):
        for name, answer in answers.items():
            monkeypatch.setattr(room.answers, name, answer)
        found = family_table(fitted(), world, users=3)
        for one in found.rows:
            if one.by == "model" and one.family in ("explanation", "direct"):
                assert one.figures["ROUGE-L" if one.family == "explanation" else "HR@1"] == pytest.approx(
                    text if one.family == "explanation" else choice
                )
    assert row(found, "which of ten suits").figures["MRR"] == pytest.approx(0.1)  # a tie of all ten counts against it


def later_changed(world: Dataset) -> Dataset:
    """Other items and opinions at the test position."""
    histories, said = {}, {}
    for number, (user, history) in enumerate(world.histories.items()):
        items = (*history.items[:-1], f"i{(number * 7 + 3) % ITEMS}")
        histories[user] = History(user, items)
        said[user] = (*world.opinions[user][:-1], Opinion(1.0, "Awful", "The cable broke. The sound too."))
    return replace(world, histories=histories, opinions=said)


@pytest.mark.parametrize("graph", ["none", "slots"])
def test_nothing_after_the_question_changes_anything(world: Dataset, fitted: Callable[..., RecSysLlm], graph: str) -> None:
    model, other = fitted(**({"graph": graph, "families": ("rating", "direct")} if graph != "none" else {})), later_changed(world)
    graphs, later = (cycle_graphs(one) if graph != "none" else None for one in (world, other))
    first = family_table(model, world, graphs, users=2, split="validation")
    assert first.rows == family_table(model, other, later, users=2, split="validation").rows
    if graph != "none":
        assert first.rows != family_table(model, world, None, users=2, split="validation").rows  # the graphs are looked at


def test_the_answer_looked_for_changes_no_answer(
    world: Dataset, fitted: Callable[..., RecSysLlm], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was said at the test position is compared, never read: but for the review under a headline."""
    given: dict[int, list[Any]] = {}
    marks = [1.0, 5.0]
    says, rates = room.answers.say, room.answers.rate
    found = []
    for number, stars in enumerate(marks):
        said = {
            user: (*known[:-1], Opinion(stars, f"Line {number}", f"Sentence {number} of nothing."))
            for user, known in world.opinions.items()
        }
        kept = given.setdefault(number, [])

        def keep(answer: Any, kept: list[Any] = kept) -> Callable[..., Any]:
            def call(*arguments: Any) -> Any:
                kept.append(answer(*arguments))
                return kept[-1]

            return call

        monkeypatch.setattr(room.answers, "say", keep(says))
        monkeypatch.setattr(room.answers, "rate", keep(rates))
        model = fitted(families=("rating", "explanation"))
        found.append(family_table(model, replace(world, opinions=said), users=2))
    assert len(given[0]) == 8  # stars and a sentence, twice, of two; no word of the sentences is used by others
    assert given[0] == given[1]
    both = sum(row(one, "stars").figures["MAE"] for one in found)
    assert both == pytest.approx(marks[1] - marks[0])


def test_users_are_drawn_by_the_seed_and_answers_are_counted(world: Dataset, fitted: Callable[..., RecSysLlm]) -> None:
    model, told = fitted(families=("rating",)), list[tuple[str, int, int]]()
    first = family_table(model, world, users=5, progress=lambda *now: told.append(now))
    assert [done for _, done, _ in told] == list(range(1, 11))
    assert {(what, total) for what, _, total in told} == {("stars, seen wording", 10), ("stars, unseen wording", 10)}
    assert family_table(model, world, users=5).rows == first.rows
    assert family_table(model, world, users=5, seed=1).rows != first.rows
    assert {one.users for one in family_table(model, world).rows} == {USERS}


def test_titles_make_the_sequential_family_one_that_chooses(world: Dataset, fitted: Callable[..., RecSysLlm]) -> None:
    model = fitted(families=("sequential", "rating"), head="titles")
    found = [one.template for one in family_table(model, world, users=3).rows if "stars" not in one.question]
    assert found == ["sequential-4", "sequential-10", ""]
    for head in ("items", "titles"):  # alone it is asked for items, not in words
        with pytest.raises(ConfigError, match="answers nothing in words"):
            family_table(fitted(families=("sequential",), head=head), world)


def test_errors_name_the_next_step(world: Dataset, fitted: Callable[..., RecSysLlm]) -> None:
    model = fitted(families=("rating",))
    with pytest.raises(ConfigError, match="ask nobody"):
        family_table(model, world, users=0)
    with pytest.raises(DataError, match="holds nothing out"):
        family_table(model, replace(world, opinions={}))
    with pytest.raises(ArtifactError, match="another catalogue"):
        family_table(model, replace(world, catalogue=Catalogue([*world.catalogue, Item("new", "New")])))
    with pytest.raises(CallerError, match="not fitted"):
        family_table(RecSysLlm(), world)


def test_the_tiny_model_is_the_same_each_time(tmp_path: Path) -> None:
    first, second = (save_tiny_llama(tmp_path / name) for name in ("a", "b"))
    assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
