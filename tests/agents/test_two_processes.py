"""Two processes on one run: their users are shared, and no graph is made of the answers of both in one block."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from llmrg.agents.context import BuildContext, Minds
from llmrg.agents.machine.nodes.plan import blocks_of
from llmrg.agents.machine.nodes.publish import _publish
from llmrg.agents.protocols import Block, Candidate
from llmrg.core.errors import DraftConflictError
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.moody_mind import CONFIG, MoodyMind, build_alone
from llmrg.testing.planted import PlantedConfig, PlantedWorld, random_catalogue, simulate


@pytest.fixture(scope="module")
def town() -> PlantedWorld:
    return simulate(random_catalogue(60, 12, seed=1), PlantedConfig(readers=10, min_length=8, max_length=14, seed=5))


def test_both_end_well_and_no_block_is_of_both(town, forkserver, tmp_path: Path) -> None:
    dataset, path, folder = town.dataset, tmp_path / "graphs.db", tmp_path / "told"
    folder.mkdir()
    with SqliteStore(path) as store:
        store.put_items(dataset.name, dataset.catalogue)
    children = [forkserver.Process(target=build_alone, args=(dataset, path, folder)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(240)
    assert [child.exitcode for child in children] == [0, 0]
    told = [tuple(map(int, file.read_text().split())) for file in folder.iterdir()]
    assert [built + skipped for built, skipped, _, _ in told] == [len(dataset.histories)] * 2
    assert all(failures == 0 for *_, failures in told)
    assert sum(left for _, _, left, _ in told) > 0, "they did not meet"
    with SqliteStore(path) as store:
        (run,) = store.runs(dataset.name)
        assert {status for status, _ in store.user_statuses(dataset.name, run.id).values()} == {"done"}
        for user, history in dataset.histories.items():
            graph = store.graph(dataset.name, user)
            assert store.draft(dataset.name, run.id, user) == ((), 0)
            assert [step.position for step in graph.reasoned()] == list(range(len(history)))
            for start, stop in blocks_of(len(history), 0, 2, 2):
                own = [s for s in graph.reasoned() if start <= s.position < stop and s.origin == "model"]
                assert len({s.reason.split()[0] for s in own}) <= 1
            for steps in graph.chains().values():
                links = [step for step in steps if step.kind == "reasoned"]
                assert all((b.cause, b.cause_position) == (a.item, a.position) for a, b in pairwise(links))


async def test_a_user_whom_another_process_has_published_is_left_as_that_one_made_him(town, build_with, store) -> None:
    """The other process is done with the user while this one is between two blocks."""
    user = next(iter(town.dataset.histories))
    other = MoodyMind(0)

    class Overtaken(MoodyMind):
        async def reason(self, block: Block) -> list[Candidate]:
            if len(block.history) > 3 and not other.count:
                await build_with(town.dataset, other, CONFIG, users=[user])
                self.published = store.graph(town.dataset.name, user)
            return await super().reason(block)

    mind = Overtaken(0)
    report = await build_with(town.dataset, mind, CONFIG, users=[user])
    assert (report.built, report.skipped, report.failures) == (0, 1, 0)
    assert store.graph(town.dataset.name, user) == mind.published
    assert store.draft(town.dataset.name, report.run, user) == ((), 0)


async def test_an_empty_draft_is_never_published(town, build_with, store, attributes) -> None:
    """Between the last block and publishing, another process may have published and cleared the draft."""
    user = next(iter(town.dataset.histories))
    mind = MoodyMind(0)
    report = await build_with(town.dataset, mind, CONFIG, users=[user])
    before = store.graph(town.dataset.name, user)
    parts = Minds(mind, mind, mind)
    context = BuildContext(town.dataset, store, parts, CONFIG, report.run, None)  # type: ignore[arg-type]
    with pytest.raises(DraftConflictError):
        _publish(context, user)
    assert store.graph(town.dataset.name, user) == before
