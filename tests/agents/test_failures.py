"""What a build does when minds fail, budgets end, or it is cancelled."""

from __future__ import annotations

import asyncio
import math

import pytest

from llmrg.agents.context import Minds
from llmrg.core.errors import (
    BudgetSpentError,
    ConfigError,
    GraphNotFoundError,
    ModelError,
    ModelReplyError,
    ModelUnavailableError,
    StoreFullError,
)
from llmrg.graph_store.sqlite_store import SqliteStore


class Flaky:
    """Passes on to another mind; raises what `errors` says for the n-th call (from 0) of a role, or for a user."""

    def __init__(self, mind, errors=None, users=None) -> None:
        self.mind, self.errors, self.users = mind, errors or {}, users or {}
        self.name, self.default_tau, self.count = "flaky", mind.default_tau, 0
        self.cut_every = getattr(mind, "cut_every", 0)

    def _maybe(self, user):
        self.count += 1
        error = self.errors.get(self.count - 1) or self.users.get(user)
        if error is not None:
            raise error

    async def reason(self, block):
        self._maybe(block.user)
        return await self.mind.reason(block)

    async def verify(self, block, candidates):
        self._maybe(block.user)
        return await self.mind.verify(block, candidates)

    async def imagine(self, cut):
        self._maybe(cut.user)
        return await self.mind.imagine(cut)


async def test_a_passing_failure_is_asked_again(world, attributes, build_with, contents, store, small, tmp_path) -> None:
    gone = ModelUnavailableError("429")
    report = await build_with(world.dataset, Flaky(attributes, {0: gone, 1: gone, 4: gone}), small)
    assert report.counts["reason.retries"] + report.counts.get("verify.retries", 0) + report.counts.get("diverge.retries", 0) == 3
    with SqliteStore(tmp_path / "calm") as calm:
        await build_with(world.dataset, Flaky(attributes), small, into=calm)
        assert contents(calm, world.dataset) == contents(store, world.dataset)


async def test_waits_grow_between_tries(world, attributes, build_with, small, monkeypatch) -> None:
    waits = []

    async def slept(seconds):
        waits.append(seconds)

    monkeypatch.setattr("llmrg.agents.accounting.asking.asyncio.sleep", slept)
    gone = ModelUnavailableError("429")
    config = small.model_copy(update={"retry_wait_s": 0.5})
    await build_with(world.dataset, Flaky(attributes, {0: gone, 1: gone, 2: gone}), config)
    assert [low <= wait <= 2 * low for low, wait in zip((0.25, 0.5, 1.0), waits, strict=True)] == [True] * 3


async def test_a_user_whose_model_stays_away_fails_and_the_others_are_done(world, attributes, build_with, store, small) -> None:
    users = list(world.dataset.histories)
    mind = Flaky(attributes, users={users[1]: ModelUnavailableError("503 from the server")})
    report = await build_with(world.dataset, mind, small)
    assert report.failed == {users[1]: "ModelUnavailableError: 503 from the server"}
    assert report.built == len(users) - 1
    statuses = store.user_statuses(world.dataset.name, report.run)
    assert statuses[users[1]] == ("failed", report.failed[users[1]])
    assert all(statuses[user][0] == "done" for user in users if user != users[1])
    assert store.run(world.dataset.name, report.run).status == "failed"
    with pytest.raises(GraphNotFoundError):
        store.graph(world.dataset.name, users[1])


async def test_a_failed_user_is_tried_again_by_the_next_call(world, attributes, build_with, store, small) -> None:
    users = list(world.dataset.histories)
    first = await build_with(world.dataset, Flaky(attributes, users={users[1]: ModelError("refused")}), small)
    second = await build_with(world.dataset, Flaky(attributes), small)
    assert (second.run, second.built, second.skipped) == (first.run, 1, len(users) - 1)
    assert store.run(world.dataset.name, first.run).status == "done"
    assert store.graph(world.dataset.name, users[1]).reasoned()


async def test_a_user_who_fails_halfway_keeps_the_old_graph(world, attributes, build_with, store, small) -> None:
    """Never half published: the graph of the earlier run stands until the new one is whole."""
    user = next(iter(world.dataset.histories))
    await build_with(world.dataset, attributes, small, users=[user])
    before = store.graph(world.dataset.name, user)
    failing = Flaky(attributes, {number: ModelError("gone") for number in range(10, 200)})
    report = await build_with(world.dataset, failing, small, users=[user])
    assert user in report.failed
    assert store.draft(world.dataset.name, report.run, user)[1] > 0
    assert store.graph(world.dataset.name, user) == before


@pytest.mark.parametrize("role", ["reason", "verify", "diverge"])
async def test_useless_replies_are_counted_and_the_build_goes_on(role, world, attributes, build_with, store, small) -> None:
    class Useless(type(attributes)):
        async def reason(self, block):
            return await self._or_useless("reason", super().reason(block))

        async def verify(self, block, candidates):
            return await self._or_useless("verify", super().verify(block, candidates))

        async def imagine(self, cut):
            return await self._or_useless("diverge", super().imagine(cut))

        async def _or_useless(self, stage, answer):
            found = await answer
            if stage == role:
                raise ModelReplyError("I cannot help with that")
            return found

    report = await build_with(world.dataset, Useless(world.dataset), small)
    if role == "reason":  # of these users nothing is known at all
        assert report.failures == len(world.dataset.histories)
        assert all("none of the" in cause and "I cannot help" in cause for cause in report.failed.values())
        return
    assert report.failed == {}
    assert report.counts[f"{role}.useless_replies"] > 0
    graphs = [store.graph(world.dataset.name, user) for user in world.dataset.histories]
    if role == "diverge":
        assert not any(graph.imagined() for graph in graphs)
        assert all(graph.reasoned() for graph in graphs)
    else:
        assert not any(graph.reasoned() for graph in graphs)


class Judge:
    """A verifier with verdicts of its own making."""

    name, default_tau = "judge", 0.5

    def __init__(self, verdicts) -> None:
        self.verdicts = verdicts

    async def verify(self, block, candidates):
        return self.verdicts(candidates)


async def test_verdicts_that_cannot_be_used_count_as_useless(world, attributes, build_with, store, small) -> None:
    from llmrg.agents.protocols import Verdict

    for verdicts in (lambda cs: [Verdict(math.nan) for _ in cs], lambda cs: [Verdict(1.0) for _ in cs][1:]):
        report = await build_with(world.dataset, Minds(attributes, Judge(verdicts), attributes), small, resume=False)
        assert report.failed == {}
        assert report.counts["verify.useless_replies"] > 0
    report = await build_with(world.dataset, Minds(attributes, Judge(lambda cs: [Verdict(7.0) for _ in cs]), attributes), small)
    assert {s.score for s in store.graph(world.dataset.name, next(iter(world.dataset.histories))).reasoned()} == {1.0}


async def test_proposals_about_other_items_are_dropped(world, nosy, build_with, store, small) -> None:
    from dataclasses import replace

    class Wild(nosy):
        async def reason(self, block):
            good = await super().reason(block)
            c = good[0]
            return [
                replace(c, position=c.position + 50),
                replace(c, item="no such item"),
                replace(c, cause_kind="item", cause=c.item, cause_position=c.position),
                replace(c, cause_kind="item", cause="no such item", cause_position=0),
                replace(c, seen=c.position),
                replace(c, seen=len(block.history) + 1),
                replace(c, reason="  "),
                *good,
                *good,
            ]

    config = small.model_copy(update={"tries": 0, "candidates": 9, "tau": 0.0, "knowledge": False})
    mind = Wild(world.dataset)
    report = await build_with(world.dataset, mind, config)
    assert report.failed == {}
    assert report.counts["reason.dropped"] == 7 * len(mind.blocks)
    for user in world.dataset.histories:
        steps = store.graph(world.dataset.name, user).reasoned()
        assert len({step.key for step in steps}) == len(steps)


@pytest.mark.parametrize("budget", [{"max_calls": 0}, {"max_calls": 7}, {"max_tokens": 90}, {"max_seconds": 0.0}])
async def test_a_spent_budget_stops_cleanly_and_the_run_goes_on(
    budget, world, nosy, build_with, contents, store, small, tmp_path
):
    with pytest.raises(BudgetSpentError, match="run the same command again"):
        await build_with(world.dataset, mind := nosy(world.dataset), small.model_copy(update=budget))
    assert mind.calls() <= budget.get("max_calls", 9)
    (run,) = store.runs(world.dataset.name)
    assert run.status == "stopped"
    assert run.costs["calls"] == mind.calls()
    report = await build_with(world.dataset, nosy(world.dataset), small)
    assert report.run == run.id
    assert store.run(world.dataset.name, run.id).status == "done"
    with SqliteStore(tmp_path / "whole") as whole:
        await build_with(world.dataset, nosy(world.dataset), small, into=whole)
        assert contents(whole, world.dataset) == contents(store, world.dataset)


async def test_a_budget_that_suffices_is_no_error(world, nosy, build_with, small) -> None:
    mind = nosy(world.dataset)
    await build_with(world.dataset, mind, small)
    enough = int(mind.calls())
    again = nosy(world.dataset)
    report = await build_with(world.dataset, again, small.model_copy(update={"max_calls": enough}), resume=False)
    assert report.failed == {}


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_cancelled_build_is_stopped_and_can_go_on(concurrency, world, attributes, build_with, store, small) -> None:
    started = asyncio.Event()

    class Slow(type(attributes)):
        async def imagine(self, cut):
            started.set()
            await asyncio.sleep(60)

    config = small.model_copy(update={"concurrency": concurrency})
    task = asyncio.create_task(build_with(world.dataset, Slow(world.dataset), config))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (run,) = store.runs(world.dataset.name)
    assert run.status == "stopped"
    report = await build_with(world.dataset, attributes, config)
    assert (report.run, report.failed, report.built) == (run.id, {}, len(world.dataset.histories))


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_store_that_is_full_stops_the_run(concurrency, world, attributes, build_with, store, small, monkeypatch) -> None:
    def full(*_):
        raise StoreFullError("no space left")

    monkeypatch.setattr(store, "replace_graph", full)
    with pytest.raises(StoreFullError):
        await build_with(world.dataset, attributes, small.model_copy(update={"concurrency": concurrency}))
    (run,) = store.runs(world.dataset.name)
    assert run.status == "stopped"
    monkeypatch.undo()
    report = await build_with(world.dataset, attributes, small)
    assert (report.run, report.failed) == (run.id, {})
    assert all(store.graph(world.dataset.name, user).reasoned() for user in world.dataset.histories)


async def test_users_with_no_or_few_items(shelf, attributes, build_with, store) -> None:
    titles = {"a": ("odd",), "b": ("odd",), "c": ("even",), "d": ("prime",)}
    dataset = shelf(titles, {"none": [], "one": ["a"], "two": ["a", "b"], "twice": ["a", "a", "b", "a"]})
    report = await build_with(dataset, type(attributes)(dataset))
    assert (report.built, report.failed) == (4, {})
    assert store.graph("shelf", "none").steps == ()
    (step,) = (s for s in store.graph("shelf", "one").steps if s.kind == "reasoned")
    assert (step.cause_kind, step.item) == ("root", "a")
    assert {s.position for s in store.graph("shelf", "two").steps if s.kind == "reasoned"} == {0, 1}
    assert store.knowledge("shelf") == [] or all(k.source_user == "twice" for k in store.knowledge("shelf"))
    again = await build_with(dataset, type(attributes)(dataset))
    assert (again.built, again.skipped) == (0, 4)


async def test_no_users_at_all(world, attributes, build_with, store) -> None:
    report = await build_with(world.dataset, attributes, users=[])
    assert (report.users, report.built) == (0, 0)
    assert store.run(world.dataset.name, report.run).status == "done"


@pytest.mark.parametrize("tau", [0.0, 1.0])
async def test_thresholds_at_both_ends(tau, world, nosy, build_with, store, small) -> None:
    report = await build_with(world.dataset, nosy(world.dataset), small.model_copy(update={"tau": tau}))
    accepted = sum(len(store.graph(world.dataset.name, user).reasoned()) for user in world.dataset.histories)
    assert report.failed == {}
    assert (accepted > 0) == (tau == 0.0)


def test_settings_are_refused_at_construction() -> None:
    from pydantic import ValidationError

    from llmrg.agents.config import BuildConfig

    for wrong in ({"tau": 1.5}, {"block_size": 0}, {"max_calls": -1}, {"no_such": 1}):
        with pytest.raises(ValidationError):
            BuildConfig(**wrong)


def test_minds_are_opened_by_name(world, tmp_path) -> None:
    from llmrg.agents.minds.attributes import AttributesMind
    from llmrg.agents.open_mind import OpenMinds
    from llmrg.core.settings import Settings

    minds = OpenMinds(world.dataset, Settings(cache_dir=tmp_path, home=tmp_path))
    assert isinstance(minds.get("attributes"), AttributesMind)
    assert minds.get("attributes") is minds.get("attributes")
    with pytest.raises(ConfigError, match="likelihood, attributes, profiles, chat"):
        minds.get("psychic")
    for wrong in ("chat", "chat/gemma-3-270m", "chat//somewhere"):
        with pytest.raises(ConfigError, match="provider"):
            minds.get(wrong)
