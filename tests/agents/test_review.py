"""Steps between two thresholds: parked, listed, decided on by a person, on both stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.protocols import Verdict
from llmrg.agents.review import REJECTED, ReviewContext, decide, review_user, waiting
from llmrg.agents.run.build import build
from llmrg.core.errors import CallerError, VersionConflictError
from llmrg.core.records import WAITS_FOR_REVIEW
from llmrg.graph_store.open_store import open_store
from llmrg.graph_store.protocol import GraphStore
from llmrg.testing.neo4j_fixture import Neo4jServer

CONFIG = BuildConfig(block_size=4, wave=1, concurrency=1, tau=0.7, review_from=0.3, retry_wait_s=0)


@pytest.fixture(params=["sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GraphStore]:
    if request.param == "sqlite":
        with open_store(f"sqlite:///{tmp_path}/review.db") as store:
            yield store
        return
    server: Neo4jServer = request.getfixturevalue("empty_neo4j")
    with open_store(server.url, user=server.auth[0], password=server.auth[1]) as store:
        yield store


@pytest.fixture
async def built(either: GraphStore, world, nosy) -> ReviewContext:
    """Scores of the nosy mind are spread over [0, 1], so some lie between the thresholds."""
    mind = nosy(world.dataset)
    await build(world.dataset, either, Minds(mind, mind, mind), CONFIG, resume=False)
    return ReviewContext(either, world.dataset.name, world.dataset.catalogue)


def waiting_in(context: ReviewContext, users: Any = None) -> list[Any]:
    return list(waiting(context.store, context.namespace, context.catalogue, users))


async def test_a_step_in_between_waits_accepted_and_rejected_ones_do_not(built: ReviewContext, world) -> None:
    found = {step.key: step for step in waiting_in(built)}
    assert {step.kind for step in found.values()} == {"reasoned", "imagined"}
    for user in world.dataset.histories:
        for step in built.store.graph(built.namespace, user).steps:
            assert step.accepted == (step.score >= 0.7)
            assert step.waits == (0.3 <= step.score < 0.7) == (step.key in found)
    one = next(iter(found.values()))
    assert one.title in {item.title for item in built.catalogue}
    assert one.critique.startswith("only 0.")
    assert not waiting_in(built, users=[])


async def test_accepted_steps_join_the_graph_with_a_chain_and_rejected_ones_say_so(built: ReviewContext, world) -> None:
    first, second, *rest = [step for step in waiting_in(built) if step.kind == "reasoned"]
    before = built.store.graph(built.namespace, first.user)
    assert decide(built, {first.key: True, second.key: False}) == {"accepted": 1, "rejected": 1}
    steps = {s.key: s for user in world.dataset.histories for s in built.store.graph(built.namespace, user).steps}
    assert (steps[first.key].accepted, steps[first.key].why_rejected, steps[first.key].score) == (True, "", first.score)
    assert (steps[second.key].accepted, steps[second.key].why_rejected) == (False, REJECTED)
    after = built.store.graph(built.namespace, first.user)
    assert steps[first.key] in after.chains()[steps[first.key].chain]
    assert (after.run, after.version > before.version) == (before.run, True)
    assert {step.key for step in waiting_in(built)} == {step.key for step in [*rest]} | {
        step.key for step in waiting_in(built) if step.kind == "imagined"
    }


async def test_an_accepted_step_continues_the_chain_that_ends_in_its_cause(built: ReviewContext, world) -> None:
    decide(built, {step.key: True for step in waiting_in(built)})
    assert waiting_in(built) == []
    for user in world.dataset.histories:
        graph = built.store.graph(built.namespace, user)
        for number, steps in graph.chains().items():
            assert number >= 0
            reasoned = [step for step in steps if step.kind == "reasoned"]
            for one, two in pairwise(reasoned):
                assert (two.cause, two.cause_position) == (one.item, one.position)


async def test_one_user_is_reviewed_and_what_no_longer_waits_is_passed_over(built: ReviewContext) -> None:
    user = waiting_in(built)[0].user
    first, *others = [step.key for step in waiting_in(built, [user])]
    assert review_user(built, user, {first: True}) == {"accepted": 1, "rejected": 0}
    assert [step.key for step in waiting_in(built, [user])] == others
    assert review_user(built, user, {first: False}) == {"accepted": 0, "rejected": 0}


@pytest.fixture
def growing(either: GraphStore, world, nosy, with_items) -> Any:
    """(context, the user's build with so many items): one user in a namespace of their own, each call the same run."""
    items = next(iter(world.dataset.histories.values())).items
    name = f"growing {uuid4()}"

    async def grow(length: int) -> Any:
        dataset = replace(with_items(world.dataset, {"u": items[:length]}).only(["u"]), name=name)
        mind = nosy(dataset)
        return await build(dataset, either, Minds(mind, mind, mind), CONFIG)

    return ReviewContext(either, name, world.dataset.catalogue), grow


async def test_decisions_survive_a_resumed_build_and_a_history_that_grows(growing) -> None:
    context, grow = growing
    first = await grow(8)
    steps = waiting_in(context)
    decide(context, {step.key: number % 2 == 0 for number, step in enumerate(steps)})
    before = context.store.graph(context.namespace, "u")
    again = await grow(8)
    assert (again.run, again.skipped) == (first.run, 1)
    assert context.store.graph(context.namespace, "u") == before
    assert (await grow(11)).run == first.run
    after = context.store.graph(context.namespace, "u")
    assert set(before.steps) < set(after.steps)
    assert not {step.key for step in steps} & {step.key for step in after.waiting()}


async def test_a_graph_that_is_being_continued_is_not_decided_on(growing) -> None:
    """The build that goes on would replace it, and the decision would be lost."""
    context, grow = growing
    report = await grow(8)
    graph = context.store.graph(context.namespace, "u")
    step = graph.waiting()[0]
    context.store.append_draft(context.namespace, report.run, "u", graph.steps, 8, 0)
    with pytest.raises(CallerError, match="let `llmrg build` finish"):
        decide(context, {step.key: True})
    assert context.store.graph(context.namespace, "u") == graph
    await grow(8)
    assert decide(context, {step.key: True}) == {"accepted": 1, "rejected": 0}


async def test_a_critique_does_not_make_a_step_wait(world, nosy, build_with, store, small) -> None:
    class Sly(nosy):  # type: ignore[misc, valid-type]
        async def verify(self, block: Any, candidates: Any) -> Any:
            return [Verdict(0.0, f"{WAITS_FOR_REVIEW}: please") for _ in candidates]

    report = await build_with(world.dataset, Sly(world.dataset), small)
    assert report.counts["verify.reasoned.rejected"] > 0
    assert not waiting_in(ReviewContext(store, world.dataset.name, world.dataset.catalogue))


async def test_wrong_keys_are_named_and_nothing_is_decided(built: ReviewContext) -> None:
    known = waiting_in(built)
    with pytest.raises(CallerError, match="no step waits under feed"):
        decide(built, {known[0].key: True, "feed": True})
    assert waiting_in(built) == known


async def test_another_writer_in_between_is_no_loss(built: ReviewContext, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = waiting_in(built)
    mine, theirs = steps[0], next(step for step in steps[1:] if step.user == steps[0].user)
    publish, state = built.store.replace_graph, {"first": True}

    def beaten(namespace: str, graph: Any, expected_version: int | None = None) -> int:
        if state.pop("first", False):
            decide(built, {theirs.key: False})
        return publish(namespace, graph, expected_version)

    monkeypatch.setattr(built.store, "replace_graph", beaten)
    assert decide(built, {mine.key: True}) == {"accepted": 1, "rejected": 0}
    monkeypatch.undo()
    left = {step.key for step in waiting_in(built)}
    assert not left & {mine.key, theirs.key}


async def test_a_writer_who_is_always_first_is_told(built: ReviewContext, monkeypatch: pytest.MonkeyPatch) -> None:
    def always(*_: Any, **__: Any) -> int:
        raise VersionConflictError("u", 1, 2)

    monkeypatch.setattr(built.store, "replace_graph", always)
    with pytest.raises(VersionConflictError):
        decide(built, {waiting_in(built)[0].key: True})


async def test_nobody_is_asked_by_default(world, nosy, build_with, store, small) -> None:
    report = await build_with(world.dataset, nosy(world.dataset), small)
    assert list(waiting(store, world.dataset.name, world.dataset.catalogue)) == []
    assert "verify.reasoned.waiting" not in report.counts


def test_thresholds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="above tau"):
        BuildConfig(tau=0.5, review_from=0.6)
    assert WAITS_FOR_REVIEW
