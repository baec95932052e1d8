"""Content without training, and the rule that no user's own steps stand in the profiles that answer that user."""

from __future__ import annotations

import math

import numpy as np
import pytest

from llmrg.core.errors import CallerError, ConfigError
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.core.themes import Appeal, Profile, ProfileSource, Themes
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.recommenders.base import FitData
from llmrg.recommenders.items import ItemRows
from llmrg.recommenders.loading import load_recommender
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.theme_profiles import step_profiles
from llmrg.recommenders.theme_scores import ThemeScores, ThemeScoresConfig


def dataset(items: dict[str, list[str]], histories: dict[str, str]) -> Dataset:
    """Items are single letters with themes."""
    catalogue = Catalogue(Item(name, name, tuple(("theme", theme) for theme in themes)) for name, themes in items.items())
    found = {user: History(user, tuple(letters)) for user, letters in histories.items()}
    return Dataset("letters", catalogue, found, LoadReport("letters", 0, len(found), len(items)), ("theme",))


LETTERS = dataset({"a": ["sea"], "b": ["sea", "war"], "c": ["war"], "d": ["love"], "e": []}, {"u": "abcde"})


def profile(name: str, **appeals: list[str]) -> Profile:
    return Profile(ProfileSource(name), tuple(Appeal(item, theme) for item, themes in appeals.items() for theme in themes))


def test_the_overlap_by_hand() -> None:
    made = ThemeScores(ThemeScoresConfig(view="bag", half_life=None))
    made.fit(LETTERS)
    scores = made.scores([Query(History("new", ("a", "c")))])[0]
    rare = math.log(5 / 2)  # sea and war: two of five items each; the query asks for both alike
    assert rare > 0
    both = 1 / math.sqrt(2)
    np.testing.assert_allclose(scores, [both, 1.0, both, 0.0, 0.0], rtol=1e-5)


def test_half_lives_by_hand() -> None:
    made = ThemeScores(ThemeScoresConfig(view="bag", half_life=1.0))
    made.fit(LETTERS)
    scores = made.scores([Query(History("new", ("a", "c")))])[0]  # sea is one position older: half the weight
    np.testing.assert_allclose(scores[[0, 2]], np.array([0.5, 1.0]) / math.sqrt(1.25), rtol=1e-5)


def test_shared_themes_need_two_items() -> None:
    made = ThemeScores(ThemeScoresConfig(view="shared", half_life=None))
    made.fit(LETTERS)
    scores = made.scores([Query(History("new", ("a", "d"))), Query(History("new", ("a", "b", "d")))])
    assert not scores[0].any()  # sea and love stand alone
    assert scores[1, 0] == pytest.approx(1.0)
    assert scores[1, 3] == 0


def test_the_reasons_of_a_graph_ask_and_a_history_without_one_has_chains_of_its_own() -> None:
    made = ThemeScores(ThemeScoresConfig(view="graph", half_life=None))
    made.fit(LETTERS)
    history = History("u", ("a", "b"))
    step = Step("u", 1, "reasoned", "item", "a", 0, "war", "b", 0.9, 0, seen=2)
    asked = made.scores([Query(history, ReasoningGraph("u", (step,))), Query(history, ReasoningGraph("u")), Query(history)])
    assert asked[0, 2] == pytest.approx(1.0)
    assert asked[0, 0] == 0
    assert not asked[1].any()  # a graph without steps asks for nothing
    assert asked[2, 0] == pytest.approx(1.0)  # no graph: both items stand for the sea


def test_a_step_that_is_not_visible_or_contradicts_the_history_is_not_used() -> None:
    made = ThemeScores(ThemeScoresConfig(view="graph", half_life=None))
    made.fit(LETTERS)
    late = Step("u", 1, "reasoned", "item", "a", 0, "war", "b", 0.9, 0, seen=3)
    foreign = Step("u", 1, "reasoned", "item", "a", 0, "war", "c", 0.9, 0, seen=2)
    history = History("u", ("a", "b"))
    assert not made.scores([Query(history, ReasoningGraph("u", (late, foreign)))]).any()


def own_item_world(users: int = 30) -> tuple[Dataset, dict[str, ReasoningGraph]]:
    """Every user has one item of their own, taken at the second position, with a reason of its own."""
    items = {f"own{u}": [] for u in range(users)} | {f"all{n}": [] for n in range(5)}
    catalogue = Catalogue(Item(name, name) for name in items)
    histories, graphs = {}, {}
    for u in range(users):
        taken = ("all0", f"own{u}", "all1", "all2", "all3")
        user = f"u{u}"
        histories[user] = History(user, taken)
        steps = (
            Step(user, 1, "reasoned", "item", "all0", 0, f"reason {u}", f"own{u}", 0.9, 0, seen=2),
            Step(user, 2, "reasoned", "item", "all0", 0, "common", "all1", 0.9, 1, seen=3),
            Step(user, 4, "reasoned", "item", "all0", 0, "held out", "all3", 0.9, 1, seen=5),
        )
        graphs[user] = ReasoningGraph(user, steps)
    return Dataset("own", catalogue, histories, LoadReport("own", 0, users, len(items))), graphs


def test_planted_leak_of_own_steps_is_not_there_and_would_be_without_the_rule() -> None:
    data, graphs = own_item_world()
    made = ThemeScores(ThemeScoresConfig(view="graph", source="steps", half_life=None))
    made.fit(data, graphs)
    history, graph = data.histories["u3"], graphs["u3"]
    own = data.catalogue.row("own3") - 1
    query = Query.at(history, 3, graph)
    assert made.scores([query])[0, own] == 0  # only the user's own step says what own3 stands for
    stranger = Query(History("stranger", history.items[:3]), ReasoningGraph("stranger", graph.before(3).steps))
    assert made.scores([stranger])[0, own] > 0.5  # the rule lifted: the same question by another name
    assert made.scores([query])[0, data.catalogue.row("all1") - 1] > 0.3  # what others say of all1 stays


def test_steps_of_held_out_positions_never_enter_a_profile() -> None:
    data, graphs = own_item_world()
    items = ItemRows(data.catalogue.ids)
    parts = {user: items.rows(history.items[:3]) for user, history in data.histories.items()}
    found = step_profiles(FitData(data, items, parts, GraphTable.of_mapping(graphs), Themes()))
    assert "common" in found.themes
    assert "held out" not in found.themes
    leaky = {user: items.rows(history.items) for user, history in data.histories.items()}
    assert (
        "held out" in step_profiles(FitData(data, items, leaky, GraphTable.of_mapping(graphs), Themes())).themes
    )  # so the test can fail


def test_own_steps_are_left_out_item_by_item() -> None:
    data, graphs = own_item_world(4)
    items = ItemRows(data.catalogue.ids)
    parts = {user: items.rows(history.items[:3]) for user, history in data.histories.items()}
    found = step_profiles(FitData(data, items, parts, GraphTable.of_mapping(graphs), Themes()))
    assert found.own is not None
    columns = np.array([items.row("own1") - 1, items.row("all1") - 1, items.row("own1") - 1])
    less = found.own.rows_without("u1", columns).toarray()
    common = found.column["common"]
    assert not less[0].any()
    assert not less[2].any()
    assert less[1, common] == pytest.approx(3 * 0.9 / (3 * 0.9 + 1))  # three others, damped by one
    assert found.matrix[columns].toarray()[1, common] == pytest.approx(4 * 0.9 / (4 * 0.9 + 1))
    np.testing.assert_array_equal(found.own.rows_without("nobody", columns).toarray(), found.matrix[columns].toarray())


@pytest.mark.parametrize("source", ["catalogue", "steps"])
def test_parts_sum_to_the_score_and_survive_saving(source: str, tmp_path: object) -> None:
    data, graphs = own_item_world()
    themed = dataset({"a": ["sea", "war"], "b": ["sea"], "c": ["war"]}, {f"u{n}": "abcab" for n in range(4)})
    chosen, given = (data, graphs) if source == "steps" else (themed, {})
    made = ThemeScores(ThemeScoresConfig(view="bag", source=source))
    made.fit(chosen, given)
    user = next(iter(chosen.histories))
    query = Query.at(chosen.histories[user], 3, given.get(user))
    scores = made.scores([query])[0]
    for item, score in zip(chosen.catalogue.ids, scores, strict=True):
        assert sum(part.value for part in made.contributions(query, item)) == pytest.approx(float(score), abs=1e-5)
    made.save(tmp_path)  # type: ignore[arg-type]
    np.testing.assert_allclose(load_recommender(tmp_path).scores([query])[0], scores, atol=1e-6)  # type: ignore[arg-type]


def test_parts_name_the_theme_the_source_and_the_positions() -> None:
    made = ThemeScores(ThemeScoresConfig(view="shared", half_life=None))
    made.fit(LETTERS)
    (part,) = made.contributions(Query(History("new", ("a", "d", "b"))), "b")
    assert (part.kind, part.name, part.positions, part.source) == ("theme", "sea", (0, 2), "catalogue")


def test_odd_profiles() -> None:
    with pytest.raises(CallerError, match="in \\(0, 1\\]"):
        Appeal("a", "sea", -0.5)
    with pytest.raises(CallerError, match="nan"):
        Appeal("a", "sea", math.nan)
    made = ThemeScores(ThemeScoresConfig(source="mine"))
    with pytest.raises(ConfigError, match="no item profiles of the source 'mine'"):
        made.fit(LETTERS)
    with pytest.raises(ConfigError, match="none of them in the catalogue"):
        made.fit(LETTERS, {}, Themes({}, (profile("mine"),)))
    made.fit(LETTERS, {}, Themes({}, (profile("mine", a=["x"], b=["x"], ghost=["x"], spook=["y"]), profile("other", a=["y"]))))
    assert made._profiles.unknown == ("ghost", "spook")
    scores = made.scores([Query(History("new", ("a",)))])[0]
    assert scores[1] == pytest.approx(1.0)
    assert not scores[2:].any()


def test_reasons_are_read_by_their_theme() -> None:
    made = ThemeScores(ThemeScoresConfig(view="graph", half_life=None))
    themes = Themes({"tales of the ocean": "sea"})
    made.fit(LETTERS, {}, themes)
    step = Step("u", 1, "reasoned", "item", "c", 0, "tales of the ocean", "d", 0.9, 0, seen=2)
    query = Query(History("u", ("c", "d")), ReasoningGraph("u", (step,)))
    assert made.scores([query])[0, 0] == pytest.approx(1.0)
