"""A recommendation is explained by stored, accepted, earlier steps of one chain, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from llmrg.core.errors import CallerError
from llmrg.core.records import History, ReasoningGraph, Run, Step
from llmrg.core.themes import ProfileSource
from llmrg.explanations.explain import explain
from llmrg.explanations.verification import was_verified
from llmrg.graph_store.sqlite_store import SqliteStore

HISTORY = History("u", ("b0", "b1", "b2", "b3"))


def reasoned(cause: int | None, at: int, score: float, chain: int = 0, **more: object) -> Step:
    kind = "root" if cause is None else "item"
    base = Step(
        "u",
        at,
        "reasoned",
        kind,
        "" if cause is None else f"b{cause}",
        cause,
        f"why {cause} {at}",
        f"b{at}",
        score,
        chain,
        at + 1,
    )
    return replace(base, **more)  # type: ignore[arg-type]


def imagined(cause: int, item: str, score: float, chain: int = 0, cut: int = 4, **more: object) -> Step:
    base = Step("u", cut, "imagined", "item", f"b{cause}", cause, f"then {item}", item, score, chain, cut)
    return replace(base, **more)  # type: ignore[arg-type]


def graph(*steps: Step) -> ReasoningGraph:
    return ReasoningGraph("u", steps)


def test_chain_is_followed_back_to_its_root() -> None:
    steps = (reasoned(None, 0, 0.9), reasoned(0, 1, 0.8), reasoned(1, 3, 0.6), imagined(3, "b9", 0.7))
    found = explain(graph(*reversed(steps)), HISTORY, "b9")
    assert found.found
    assert found.steps == steps
    assert found.score == 0.6


def test_strongest_weakest_step_wins() -> None:
    weak = (reasoned(None, 0, 0.9), reasoned(0, 3, 0.3), imagined(3, "b9", 1.0))
    strong = (reasoned(None, 1, 0.7, chain=1), imagined(1, "b9", 0.6, chain=1))
    assert explain(graph(*weak, *strong), HISTORY, "b9").steps == strong


def test_among_two_reasons_for_the_same_pair_the_better_is_shown() -> None:
    better = reasoned(0, 2, 0.9, reason="better")
    steps = (reasoned(None, 0, 0.9), reasoned(0, 2, 0.5), better, imagined(2, "b9", 0.8))
    assert better in explain(graph(*steps), HISTORY, "b9").steps


def test_steps_of_other_chains_are_not_mixed_in() -> None:
    end = imagined(3, "b9", 0.8, chain=1)
    assert explain(graph(reasoned(None, 3, 0.9, chain=0), end), HISTORY, "b9").steps == (end,)


def test_no_chain_is_said_so(catalogue) -> None:
    for steps in ((), (reasoned(None, 0, 0.9), imagined(0, "b8", 0.9)), (imagined(0, "b9", 0.9, accepted=False, chain=-1),)):
        found = explain(graph(*steps), HISTORY, "b9")
        assert not found.found
        assert found.steps == ()
        assert found.text(catalogue) == f"no chain leads to “{catalogue['b9'].title}”"
        checked = explain(graph(*steps), HISTORY, "b9", verified=True)
        assert checked.text(catalogue) == f"no verified chain leads to “{catalogue['b9'].title}”"


def test_only_the_latest_cut_counts() -> None:
    old, new = imagined(0, "b9", 0.9, cut=2), imagined(1, "b8", 0.9, cut=4)
    assert not explain(graph(old, new), HISTORY, "b9").found
    assert explain(graph(old, new), HISTORY, "b9", position=2).steps == (old,)


def test_nothing_seen_later_is_used() -> None:
    late = reasoned(0, 1, 0.9, seen=4)
    steps = (reasoned(None, 0, 0.9), late, imagined(1, "b9", 0.9, cut=2), imagined(2, "b8", 0.9, cut=4))
    found = explain(graph(*steps), HISTORY, "b9", position=2)
    assert found.steps == (steps[2],)
    assert all(step.seen <= 2 for step in found.steps)
    assert not explain(graph(*steps), HISTORY, "b8", position=3).found


def test_steps_that_contradict_the_history_are_not_used() -> None:
    other = History("u", ("b0", "b5", "b2", "b3"))
    steps = (reasoned(None, 0, 0.9), reasoned(0, 1, 0.9), imagined(1, "b9", 0.9))
    assert explain(graph(*steps), HISTORY, "b9").found
    assert not explain(graph(*steps), other, "b9").found


@pytest.mark.parametrize("position", [-1, 5])
def test_position_outside_the_history_is_refused(position: int) -> None:
    with pytest.raises(CallerError, match=r"not in 0\.\.4"):
        explain(graph(), HISTORY, "b9", position)


def test_graph_of_another_user_is_refused() -> None:
    with pytest.raises(CallerError, match="'v'"):
        explain(ReasoningGraph("v"), HISTORY, "b9")


def test_text_and_json(catalogue) -> None:
    steps = [reasoned(None, 0, 0.9), reasoned(0, 1, 0.8, origin="knowledge"), reasoned(1, 2, 0.8), reasoned(2, 3, 0.8)]
    found = explain(graph(*steps, imagined(3, "b9", 0.7)), HISTORY, "b9", verified=True)
    text = found.text(catalogue)
    assert "5 verified steps, the weakest with score 0.70" in text
    assert "(1 earlier)" in text
    assert "“The Left Hand of Darkness” → why 0 1 → “Dune” (0.80, knowledge base)" in text
    assert text.endswith("(0.70, imagined)")
    plain = json.loads(json.dumps(found.to_json()))
    assert [Step(**step) for step in plain["steps"]] == list(found.steps)
    assert plain["found"] is True
    assert plain["verified"] is True


def test_what_nobody_verified_is_not_called_verified(catalogue) -> None:
    steps = (reasoned(None, 0, 1.0), reasoned(0, 3, 1.0, origin="knowledge"), imagined(3, "b9", 1.0))
    found = explain(graph(*steps), HISTORY, "b9")
    first, *rest = found.text(catalogue).splitlines()
    leads = "a chain leads to it (3 steps, not verified); whether it took part in the score is not known"
    assert first == f"“{catalogue['b9'].title}”: {leads}"
    assert rest[0].endswith("→ “The Left Hand of Darkness”")  # the score 1.00 stands for no check at all
    assert rest[1].endswith("(knowledge base)")
    assert rest[2].endswith("(imagined)")
    assert "1.00" not in found.text(catalogue)
    assert found.to_json()["verified"] is False
    (one,) = explain(graph(steps[2]), HISTORY, "b9").text(catalogue).splitlines()[:1]
    assert "(1 step, not verified)" in one


def run_of(verification: bool | None, verifier: str = "attributes") -> Run:
    settings: dict[str, object] = {"verifier": verifier, "reasoner": "attributes"}
    if verification is not None:
        settings["config"] = {"verification": verification, "tau": 0.5}
    return Run("r1", "done", settings, {}, 0.0)


@pytest.mark.parametrize(
    ("run", "verified"),
    [
        (run_of(True), True),
        (run_of(False), False),
        (run_of(None), False),
        (run_of(True, "profiles/film-reasons"), False),
        (run_of(True, "profiles/checked"), True),
        (replace(run_of(True), id="another"), False),
    ],
)
def test_the_run_that_made_a_graph_tells_whether_it_was_verified(run: Run, verified: bool) -> None:
    sources = [ProfileSource("film-reasons"), ProfileSource("checked", verified=True)]
    made = replace(graph(imagined(0, "b9", 1.0)), run="r1")
    assert was_verified(made.run, [run], sources) is verified
    assert not was_verified("direct list", [run], sources)
    assert not was_verified(made.run, [], sources)
    assert not was_verified("", [replace(run, id="")], sources)


def test_every_edge_shown_is_in_the_store(fifty, tmp_path) -> None:
    with SqliteStore(tmp_path / "graphs.db") as store:
        store.put_items("demo", fifty.catalogue)
        store.put_histories("demo", [fifty.history])
        store.replace_graph("demo", fifty.graph)
        stored = store.graph("demo", fifty.history.user)
    items = {step.item for step in stored.imagined(50)}
    assert len(items) >= 5
    for item in items:
        found = explain(stored, fifty.history, item)
        assert found.found
        assert set(found.steps) <= set(stored.steps)
        assert found == explain(fifty.graph, fifty.history, item)
        for before, after in pairwise(found.steps):
            assert (before.position, before.item, before.chain) == (after.cause_position, after.cause, after.chain)
