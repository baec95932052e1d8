"""An explanation shows what took part in the score: with real recommenders on a planted world, and part by part."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from llmrg.core.contribution import Contribution
from llmrg.core.records import History, Item, ReasoningGraph, Step, in_order
from llmrg.core.themes import Themes
from llmrg.data.dataset import Catalogue
from llmrg.encoders.text import HashedVectors
from llmrg.explanations.explain import Explanation, explain
from llmrg.explanations.notebook import notebook_html
from llmrg.explanations.page import draw_page
from llmrg.explanations.report_page import ReportPicture, ReportSection, write_report
from llmrg.explanations.svg import draw_svg
from llmrg.recommenders.base import BaseRecommender
from llmrg.recommenders.fusion.concat import ConcatConfig
from llmrg.recommenders.fusion.themes import ThemesConfig
from llmrg.recommenders.loading import load_recommender
from llmrg.recommenders.making import GraphOptions, late_mix
from llmrg.recommenders.mix import Mix
from llmrg.recommenders.models.sasrec import SasRecConfig
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.sequential import SequentialRecommender
from llmrg.recommenders.sequential_rules import SequentialRules
from llmrg.recommenders.theme_scores import ThemeScores, ThemeScoresConfig
from llmrg.recommenders.training import TrainingConfig
from llmrg.testing.planted import PlantedConfig, PlantedWorld, simulate

THEMES, EACH = 12, 20
SMALL = SasRecConfig(embedding_size=16, max_length=16, layers=1, dropout=0.2)


@cache
def planted() -> PlantedWorld:
    """Each item carries one theme, so that the reason of an item is known."""
    items = [Item(f"i{n}", f"Title {n}", (("theme", f"theme {n % THEMES:02d}"),)) for n in range(THEMES * EACH)]
    return simulate(Catalogue(items, "book"), PlantedConfig(readers=120, noise=0.1, seed=5))


def theme_of(item: str) -> str:
    return planted().dataset.catalogue[item].values("theme")[0]


@cache
def graphs() -> dict[str, ReasoningGraph]:
    """The planted reasons as steps, a chain a theme, and from every cut an imagined step that is mostly right."""
    world = planted()
    steps: dict[str, list[Step]] = {user: [] for user in world.dataset.histories}
    for planted_step in world.truth:
        user, p, cause = planted_step.user, planted_step.position, planted_step.cause_position
        if planted_step.reason is not None:
            items = world.dataset.histories[user].items
            kind, name = ("root", "") if cause is None else ("item", items[cause])
            chain = int(planted_step.reason[-2:])
            steps[user].append(Step(user, p, "reasoned", kind, name, cause, planted_step.reason, items[p], 0.9, chain, p + 1))  # type: ignore[arg-type]
    for user, history in world.dataset.histories.items():
        for p in range(2, len(history) + 1):
            last = history.items[p - 1]
            item = history.items[p] if p < len(history) else unseen(history, theme_of(last))
            chain = int(theme_of(last)[-2:])
            steps[user].append(Step(user, p, "imagined", "item", last, p - 1, "more of it", item, 0.8, chain, p))
    return {user: ReasoningGraph(user, in_order(found), "run", 1) for user, found in steps.items()}


def unseen(history: History, theme: str) -> str:
    return next(i.id for i in planted().dataset.catalogue if theme in i.values("theme") and i.id not in history.items)


def trained(fusion: ThemesConfig | ConcatConfig | None, epochs: int = 12) -> SequentialRecommender:
    training = TrainingConfig(epochs=epochs, batch_size=32, learning_rate=0.01)
    return SequentialRecommender(SMALL, fusion=fusion, text=HashedVectors(32), training=training)


MAKERS: dict[str, Callable[[], BaseRecommender]] = {
    "late": lambda: late_mix(trained(None, 2), GraphOptions()),
    "joint": lambda: trained(ThemesConfig(source="auto")),
    "concat": lambda: trained(ConcatConfig(), 3),
    "session": lambda: Mix([SequentialRules(), ThemeScores(ThemeScoresConfig(view="bag"))]),
}


@cache
def recommender(name: str) -> BaseRecommender:
    made = MAKERS[name]()
    made.fit(planted().dataset, graphs())
    return made


def score(made: BaseRecommender, query: Query, item: str) -> float:
    return float(made.scores([query])[0, made.items.row(item) - 1])


def why(made: BaseRecommender, query: Query, item: str, verified: bool = False) -> Explanation:
    graph = query.graph or ReasoningGraph(query.history.user)
    parts = made.contributions(query, item)
    return explain(graph, query.history, item, contributions=parts, verified=verified)


def queries(number: int = 12) -> list[Query]:
    histories = list(planted().dataset.histories.values())[:number]
    return [Query.at(history, len(history), graphs()[history.user]) for history in histories]


def asked_themes(query: Query) -> set[str]:
    assert query.graph is not None
    return {step.reason for step in query.graph.reasoned()}


def without(query: Query, steps: set[Step]) -> Query:
    assert query.graph is not None
    return Query(query.history, replace(query.graph, steps=tuple(s for s in query.graph.steps if s not in steps)))


# -- real recommenders -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["late", "joint", "concat", "session"])
def test_parts_sum_to_the_score(name: str) -> None:
    made = recommender(name)
    for query in queries():
        assert query.graph is not None
        for item in (unseen(query.history, theme_of(query.history.items[-1])), query.graph.imagined()[-1].item, "i7"):
            found = why(made, query, item)
            assert sum(part.value for part in found.parts) == pytest.approx(score(made, query, item), abs=1e-4)


@pytest.mark.parametrize("name", ["late", "joint"])
def test_the_top_theme_of_a_planted_item_is_the_planted_theme(name: str) -> None:
    made, right, counts = recommender(name), [], []
    for query in queries(60):
        assert query.graph is not None
        last = query.graph.reasoned()[-1]
        if last.position < len(query.history) - 1:
            continue
        found = why(made, query, unseen(query.history, last.reason))
        top = next(part for part in found.parts if part.kind == "theme")
        right.append(top.name == last.reason)
        counts.append(top.counts)
        if right[-1]:
            assert top.steps
            assert top.sources == ("catalogue",)
            assert {step.reason for step in top.steps} == {last.reason}
            assert {step.position for step in top.steps} == set(top.positions)
            assert [query.history.items[p] for p in top.positions] == list(top.items)
    assert len(right) > 30
    assert np.mean(right) >= (1.0 if name == "late" else 0.9)  # joint: vectors of themes are learnt, so they can be mistaken
    assert np.mean(counts) >= 0.9


def test_late_without_the_steps_of_a_theme_its_part_is_gone_and_the_others_grow_by_one_factor() -> None:
    """The part of a theme view is divided by the length of all that is asked: less is asked, so the rest weighs more."""
    made = late_mix(trained(None, 2), GraphOptions(source="catalogue", use_imagined=False), [])
    made.fit(planted().dataset, graphs())
    assert isinstance(made, Mix)
    checked = 0
    for query in queries(30):
        for theme in sorted(asked_themes(query)):
            item = unseen(query.history, theme)
            before = why(made, query, item)
            part = next(p for p in before.parts if p.kind == "theme")
            less = without(query, set(part.steps))
            assert score(made, less, item) == pytest.approx(score(made, query, item) - part.value, abs=1e-4)
            assert not why(made, less, item).found
            for view in made.members[1:]:
                was, now = view.scores([query])[0], view.scores([less])[0]
                others = (was > 1e-3) & np.array([theme_of(item) != theme for item in made.items.ids])
                if others.any():
                    factors = now[others] / was[others]
                    assert factors == pytest.approx(factors[0], rel=1e-4)
                    assert factors[0] >= 1.0 - 1e-6
                    checked += 1
    assert checked > 20


def test_joint_without_the_steps_of_a_reason_the_score_falls_by_its_part_and_the_others_grow_by_one_factor() -> None:
    """a_v is divided by the root of 1 + sum a_v ** 2, so what is left is scaled by one number for the whole question."""
    made, checked = recommender("joint"), 0
    for query in queries(20):
        item = unseen(query.history, theme_of(query.history.items[-1]))
        before = why(made, query, item)
        themes = {part.name: part.value for part in before.parts if part.kind == "theme"}
        top = next((part for part in before.reasons if part.kind == "theme"), None)
        if top is None or len(themes) < 2:
            continue
        less = without(query, set(top.steps))
        left = {part.name: part.value for part in why(made, less, item).parts if part.kind == "theme"}
        assert top.name not in left
        factors = [left[name] / themes[name] for name in left if abs(themes[name]) > 1e-3]
        assert factors == pytest.approx([factors[0]] * len(factors), rel=1e-3) if factors else True
        grown = (factors[0] - 1) * (sum(themes.values()) - top.value) if factors else 0.0
        assert score(made, less, item) == pytest.approx(score(made, query, item) - top.value + grown, abs=1e-3)
        assert not factors or factors[0] >= 1.0 - 1e-6
        checked += 1
    assert checked >= 5


def test_without_the_imagined_step_the_score_falls_by_its_part() -> None:
    made, checked = recommender("late"), 0
    for query in queries():
        assert query.graph is not None
        end = query.graph.imagined(len(query.history))[0]
        before = why(made, query, end.item)
        part = next((p for p in before.reasons if p.kind == "imagined"), None)
        assert part is not None
        assert part.steps == (end,)
        assert part.chains[0][-1] == end
        less = without(query, set(part.steps) | {s for s in query.graph.imagined() if s.position < len(query.history)})
        assert score(made, less, end.item) == pytest.approx(score(made, query, end.item) - part.value, abs=1e-4)
        checked += 1
    assert checked


def test_a_chain_that_happens_to_end_in_an_item_is_not_its_reason() -> None:
    made = Mix([SequentialRules(), ThemeScores(ThemeScoresConfig(view="graph"))])  # imagined steps add nothing to its scores
    made.fit(planted().dataset, graphs())
    catalogue = planted().dataset.catalogue
    query = next(q for q in queries() if len(asked_themes(q)) < THEMES)
    assert query.graph is not None
    theme = next(t for t in (f"theme {n:02d}" for n in range(THEMES)) if t not in asked_themes(query))
    item, n = unseen(query.history, theme), len(query.history)
    end = Step(query.history.user, n, "imagined", "item", query.history.items[-1], n - 1, "by chance", item, 0.9, 0, n)
    query = Query(query.history, replace(query.graph, steps=(*query.graph.steps, end)))
    assert query.graph is not None
    assert explain(query.graph, query.history, item).steps[-1] == end
    found = why(made, query, item, verified=True)
    assert not found.found
    assert found.steps == ()
    assert found.text(catalogue).startswith(f"“{catalogue[item].title}”: no reason took part in this score")
    assert "verified" not in found.text(catalogue)
    assert "by chance" not in json.dumps(found.to_json(catalogue)["parts"])


def test_a_history_given_on_the_spot_has_reasons() -> None:
    made, catalogue = recommender("session"), planted().dataset.catalogue
    history = History("", ("i0", "i5", "i12"))  # i0, i12 and i24 carry theme 00
    found = why(made, Query(history), "i24", verified=True)
    assert found.found
    (part,) = found.reasons
    assert (part.name, part.positions, part.items, part.steps) == ("theme 00", (0, 2), ("i0", "i12"), ())
    assert part.sources == ("catalogue",)
    text = found.text(catalogue)
    assert "theme 00: “Title 0”, “Title 12” (100 % of what reasons added" in text
    assert "verified" not in text  # nobody verified what the catalogue says
    page = draw_page(catalogue, history, ReasoningGraph(""), [("i24", 1.0, found)], verified=True)
    card = page.partition('class="pick"')[2].partition("</section>")[0]
    assert "theme 00" in card
    assert "verified" not in card


def test_an_empty_history_gets_what_is_popular_for_no_reason() -> None:
    found = why(recommender("late"), Query(History("", ())), "i3")
    assert found.text(planted().dataset.catalogue).endswith(
        "no reason took part in this score; it comes from how often it is taken"
    )


def test_concat_tells_what_the_graph_did_as_a_whole_and_no_single_reason() -> None:
    made, catalogue = recommender("concat"), planted().dataset.catalogue
    told = []
    for query in queries(30):
        found = why(made, query, unseen(query.history, theme_of(query.history.items[-1])))
        assert not found.found
        assert found.steps == ()
        whole = next(part for part in found.parts if part.kind == "graph")
        if whole.counts:
            told.append(found.text(catalogue))
    assert told
    assert all("the reasoning graph as a whole" in text and "cannot tell its reasons apart" in text for text in told)


@pytest.mark.parametrize("name", ["late", "joint"])
def test_a_loaded_recommender_explains_as_the_saved_one(name: str, tmp_path) -> None:
    made = recommender(name)
    made.save(tmp_path / "saved")
    for query in queries(3):
        item = unseen(query.history, theme_of(query.history.items[-1]))
        assert why(load_recommender(tmp_path / "saved", text=HashedVectors(32)), query, item) == why(made, query, item)


def test_a_step_that_was_too_old_to_count_is_not_shown() -> None:
    """Only the last items are looked at: what came before asks for nothing, so it is not where the theme comes from."""
    history = planted().dataset.histories["reader-001"]
    made = ThemeScores(ThemeScoresConfig(view="graph", last=2))
    made.fit(planted().dataset, graphs())
    theme, n = "theme 00", len(history)
    root = [Step(history.user, p, "reasoned", "root", "", None, theme, history.items[p], 0.9, 0, n) for p in (0, n - 1)]
    found = why(made, Query(history, ReasoningGraph(history.user, tuple(root))), unseen(history, theme))
    assert found.reasons[0].positions == (n - 1,)
    assert found.steps == (root[1],)


# -- part by part --------------------------------------------------------------------------------------------------------
BOOKS = Catalogue([Item("t", "Treasure Island"), Item("k", "Kidnapped"), Item("p", "Peter Pan"), Item("m", "Moby Dick")], "book")
HISTORY = History("u", ("t", "m", "k"))
FIRST = Step("u", 0, "reasoned", "root", "", None, "pirates", "t", 0.9, 0, 1)
SEA = Step("u", 1, "reasoned", "item", "t", 0, "the sea", "m", 0.8, 1, 2)
THEN = Step("u", 2, "reasoned", "item", "t", 0, "buccaneers", "k", 0.7, 0, 3)
NEXT = Step("u", 3, "imagined", "item", "k", 2, "islands", "p", 0.6, 0, 3)
GRAPH = ReasoningGraph("u", (FIRST, SEA, THEN, NEXT))
OF_TEXT = Themes({"buccaneers": "pirates"})
SUM = (
    Contribution("base", "sasrec", 2.0),
    Contribution("base", "popularity", 0.5),
    Contribution("theme", "pirates", 1.0, (2,), "catalogue"),
    Contribution("theme", "pirates", 0.5, (0,), "steps"),
    Contribution("imagined", "islands", 0.5, (2,)),
    Contribution("theme", "the sea", 0.01, (1,), "catalogue"),
    Contribution("theme", "whales", -0.4, (1,), "catalogue"),
)


def told(contributions: tuple[Contribution, ...] = SUM, graph: ReasoningGraph = GRAPH, verified: bool = True) -> Explanation:
    return explain(graph, HISTORY, "p", contributions=contributions, themes=OF_TEXT, verified=verified)


def test_contributions_of_one_theme_are_one_reason_with_the_steps_that_asked_for_it() -> None:
    pirates, islands = told().reasons
    assert (pirates.name, pirates.value, pirates.positions) == ("pirates", 1.5, (0, 2))
    assert pirates.sources == ("catalogue", "steps")
    assert pirates.chains == ((FIRST, THEN),)
    assert islands.chains == ((FIRST, THEN, NEXT),)
    assert islands.steps == (NEXT,)
    assert told().steps == (FIRST, THEN, NEXT)
    assert told().score == 0.6
    assert pirates.share == pytest.approx(1.5 / 4.51)
    assert sum(part.share_of_reasons for part in told().parts) == pytest.approx(1.0)


def test_text_is_short_and_says_what_each_did() -> None:
    assert told().text(BOOKS).splitlines() == [
        "“Peter Pan”: 2 reasons made 44 % of the score",
        "  pirates: “Treasure Island” → buccaneers → “Kidnapped” (75 % of what reasons added, 33 % of the whole, "
        "2 verified steps, the weakest with score 0.70)",
        "  islands, imagined: pirates → “Treasure Island” → buccaneers → “Kidnapped” → “Peter Pan” (25 % of what reasons added, "
        "11 % of the whole, 3 verified steps, the weakest with score 0.60)",
        "  the rest of the score, 55 %, comes from the order of what was taken and how often it is taken",
        "  against it: whales",
    ]
    assert told().text(BOOKS, most=1).splitlines()[2] == "  (1 more, 25 % of what reasons added)"
    unchecked = told(verified=False).text(BOOKS)
    assert "2 steps, not verified" in unchecked
    assert "0.70" not in unchecked  # a score that nobody checked stands for nothing


def test_a_theme_without_a_step_is_told_by_its_items() -> None:
    text = told(graph=ReasoningGraph("u")).text(BOOKS)
    assert "pirates: “Treasure Island”, “Kidnapped” (75 %" in text
    assert "verified" not in text
    other = replace(THEN, cause="p")  # contradicts the history
    late = replace(THEN, seen=9)  # not known yet
    refused = replace(THEN, accepted=False, chain=-1)
    for step in (other, late, refused):
        assert told(graph=ReasoningGraph("u", (step,))).steps == ()


def test_at_an_earlier_position_nothing_later_is_shown() -> None:
    parts = (Contribution("theme", "pirates", 1.0, (0,)), Contribution("imagined", "islands", 1.0))
    found = explain(GRAPH, HISTORY, "p", 2, contributions=parts, themes=OF_TEXT)
    assert found.steps == (FIRST,)


def test_next_to_nothing_is_not_a_reason() -> None:
    tiny = (Contribution("base", "sasrec", 99.5), Contribution("theme", "pirates", 0.5, (0,)))
    assert not told(tiny).found
    assert told(tiny).text(BOOKS) == "“Peter Pan”: no reason took part in this score; it comes from the order of what was taken"
    against = told((Contribution("base", "sasrec", 3.0), Contribution("theme", "pirates", -1.0, (0,))))
    assert not against.found
    assert against.text(BOOKS).splitlines() == [
        "“Peter Pan”: no reason speaks for this item; its score comes from the order of what was taken",
        "  against it: pirates",
    ]
    assert told(()).text(BOOKS) == "“Peter Pan”: no reason took part in this score"


def test_a_base_that_is_below_zero_leaves_no_whole_to_take_a_share_of() -> None:
    """The logarithm of a large share is below 0: it neither speaks against the item, nor are the reasons the whole score."""
    logs = (Contribution("base", "rules", -2.0), *(one for one in SUM if one.kind != "base"))
    found = told(logs)
    assert [part.share for part in found.reasons] == [None, None]
    first, pirates, *_, rest, against = found.text(BOOKS).splitlines()
    assert first == "“Peter Pan”: 2 reasons took part in the score"
    assert "(75 % of what reasons added, 2 verified" in pirates
    assert rest == "  the rest of the score comes from the order of what was taken"
    assert against == "  against it: whales"
    assert json.loads(json.dumps(found.to_json()))["parts"][0]["share"] is None
    assert ">pirates: 75 % of the reasons<" in draw_svg(BOOKS, HISTORY, GRAPH, [("p", 1.0, found)])
    both = told((Contribution("base", "sasrec", 3.0), Contribution("base", "rules", -1.0), Contribution("theme", "pirates", 2.0)))
    assert [part.share for part in both.parts] == [0.5, 0.5, 0.0]


def test_imagined_steps_that_a_recommender_does_not_tell_apart_are_one_reason() -> None:
    other = replace(NEXT, reason="adventure", cause="m", cause_position=1, chain=1)
    graph = ReasoningGraph("u", (*GRAPH.steps, other))
    found = told((Contribution("imagined", "imagined", 1.0), Contribution("imagined", "imagined", 0.5)), graph)
    (part,) = found.reasons
    assert part.value == 1.5
    assert set(part.steps) == {NEXT, other}
    apart = told((Contribution("imagined", "islands", 1.0), Contribution("imagined", "adventure", 0.5)), graph)
    assert [(part.name, part.steps) for part in apart.reasons] == [("islands", (NEXT,)), ("adventure", (other,))]


def test_json_has_every_part_and_its_way_back() -> None:
    plain = json.loads(json.dumps(told().to_json(BOOKS)))
    assert sum(part["value"] for part in plain["parts"]) == pytest.approx(sum(one.value for one in SUM))
    assert plain["attributed"] is True
    first = plain["parts"][0]
    assert (first["kind"], first["name"], first["positions"]) == ("theme", "pirates", [0, 2])
    assert first["titles"] == ["Treasure Island", "Kidnapped"]
    assert [Step(**step) for step in first["steps"]] == [FIRST, THEN]
    assert [Step(**step) for step in plain["steps"]] == list(told().steps)
    assert "titles" not in told().to_json()["parts"][0]


def test_pages_pictures_and_reports_show_the_main_reason_and_its_share(tmp_path) -> None:
    nothing = explain(GRAPH, HISTORY, "m", contributions=(Contribution("base", "sasrec", 1.0),))
    picks = [("p", 4.5, told()), ("m", 1.0, nothing)]
    page = html.unescape(draw_page(BOOKS, HISTORY, GRAPH, picks, verified=True))
    assert "75 % of what reasons added, 33 % of the whole" in page
    assert "the rest of the score, 55 %, comes from" in page
    svg = html.unescape(draw_svg(BOOKS, HISTORY, GRAPH, picks))
    notebook = html.unescape(html.unescape(notebook_html(BOOKS, HISTORY, GRAPH, picks)))
    report = write_report(tmp_path / "r.html", [ReportSection("S")], [ReportPicture("U", page, svg)]).read_text("utf-8")
    for shown in (page, svg, notebook, report):
        assert ">pirates: 33 % of the score<" in shown
        assert ">no reason<" in shown
        assert "the reason that did most, and its share of the score" in shown
        assert "no reason adds to the score" in shown
        assert ">no chain<" not in shown
    unknown = [("p", 4.5, explain(GRAPH, HISTORY, "p"))]
    assert "% of the score" not in draw_svg(BOOKS, HISTORY, GRAPH, unknown)
    assert "whether it took part in the score is not known" in draw_page(BOOKS, HISTORY, GRAPH, unknown)
