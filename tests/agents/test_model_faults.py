"""Chat models over HTTP that fail in every known way: nothing is lost, nothing half published, and the counts add up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.open_mind import OpenMinds
from llmrg.agents.run.build import build
from llmrg.core.errors import GraphNotFoundError, ModelAccessError, ModelUnavailableError
from llmrg.core.settings import load_settings
from llmrg.data.dataset import Dataset
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.fake_openai import FakeOpenAI
from llmrg.testing.fake_openai_faults import FAULTS, OF_REPLIES, PASSING, Fault, by_chance

CONFIG = BuildConfig(block_size=6, retry_wait_s=0.01, retries=8)


class Place:
    """A folder with a store, and minds that ask a server."""

    def __init__(self, folder: Path, dataset: Dataset) -> None:
        self.folder, self.dataset = folder, dataset

    def build(self, server: FakeOpenAI, timeout_s: float = 20.0, **options: Any) -> Any:
        settings = load_settings(home=self.folder, model=f"openai:fake@{server.url}", model_timeout_s=timeout_s)
        minds = OpenMinds(self.dataset, settings)
        try:
            mind = minds.get("chat")
            config = options.pop("config", CONFIG)
            with SqliteStore(self.folder / "graphs.db") as store:
                return asyncio.run(build(self.dataset, store, Minds(mind, mind, mind), config, **options))
        finally:
            minds.close()

    def graphs(self) -> dict[str, Any]:
        """User -> steps, of those that have a graph."""
        found = {}
        with SqliteStore(self.folder / "graphs.db") as store:
            for user in self.dataset.histories:
                try:
                    found[user] = store.graph(self.dataset.name, user).steps
                except GraphNotFoundError:
                    continue
        return found


@pytest.fixture
def place(town, tmp_path: Path) -> Place:
    return Place(tmp_path, town.dataset)


@pytest.fixture(scope="module")
def calm(town, responder, tmp_path_factory) -> Iterator[dict[str, Any]]:
    """The graphs of an undisturbed build."""
    calm = Place(tmp_path_factory.mktemp("calm"), town.dataset)
    with FakeOpenAI(responder) as server:
        report = calm.build(server)
    assert report.built == len(town.dataset.histories)
    return calm.graphs()


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in ("401", "404", "stall")])
def test_every_user_ends_done_or_failed_and_the_counts_add_up(fault: Fault, place, responder, calm) -> None:
    share = 0.06 if fault.startswith("429") else 0.2  # each of these slows the pace, which takes its time to come back
    with FakeOpenAI(responder, faults=by_chance([fault], share, seed=7)) as server:
        report = place.build(server)
    assert server.seen.faults[fault] > 3
    assert report.built + report.failures == report.users == len(calm)
    assert set(report.failed) == set(calm) - set(place.graphs())
    assert (report.total("calls"), report.total("rate_limited")) == (server.seen.answered, server.seen.refused)
    if fault in PASSING:
        assert place.graphs() == calm
    if fault in OF_REPLIES:
        assert report.failures == 0
        assert sum(n for name, n in report.counts.items() if name.endswith((".repairs", ".useless_replies"))) > 0


@pytest.mark.parametrize("retry_after", [True, False])
def test_a_real_limit_is_found_out_and_kept(retry_after: bool, place, responder, calm) -> None:
    with FakeOpenAI(responder, requests_per_minute=3000, burst=3, retry_after=retry_after) as server:
        report = place.build(server)
    assert place.graphs() == calm
    assert report.total("rate_limited") == server.seen.refused < report.total("calls")


def test_a_stalled_request_is_given_up_and_sent_again(place, responder, calm) -> None:
    with FakeOpenAI(responder, faults=by_chance(["stall"], 0.05, seed=1)) as server:
        report = place.build(server, timeout_s=0.7)
    assert server.seen.faults["stall"] > 0
    assert place.graphs() == calm
    assert report.total("failed") >= server.seen.faults["stall"]


@pytest.mark.parametrize("fault", ["401", "404"])
def test_a_model_that_cannot_be_used_stops_the_run_at_once(fault: Fault, place, responder) -> None:
    with FakeOpenAI(responder, faults=lambda _: fault) as server:
        with pytest.raises(ModelAccessError, match="check its name, key, address"):
            place.build(server)
        assert server.seen.requests <= CONFIG.concurrency
    assert place.graphs() == {}


def test_a_model_that_stays_away_stops_the_run_which_goes_on_when_it_is_back(place, responder, calm) -> None:
    config = CONFIG.model_copy(update={"retries": 1, "give_up_after": 2, "concurrency": 1})
    gone = FakeOpenAI(responder, faults=lambda number: "503" if number > 30 else None)
    with gone, pytest.raises(ModelUnavailableError, match="run the same command again"):
        place.build(gone, config=config)
    done = place.graphs()
    assert 0 < len(done) < len(calm)
    with FakeOpenAI(responder, port=gone.port) as server:
        report = place.build(server, config=config)
    assert report.skipped == len(done)
    assert place.graphs() == calm


def test_failed_users_alone_are_tried_again(place, responder, calm) -> None:
    config = CONFIG.model_copy(update={"retries": 0, "concurrency": 1})
    with FakeOpenAI(responder, faults=lambda number: "500" if number in (20, 21) else None) as server:
        first = place.build(server, config=config)
    assert first.failures in (1, 2)
    with FakeOpenAI(responder, port=server.port) as server:
        again = place.build(server, config=config, retry_failed=True)
        assert (again.users, again.built, again.failures) == (first.failures, first.failures, 0)
        nothing = place.build(server, config=config, retry_failed=True)
        assert (nothing.users, nothing.built) == (0, 0)
    assert place.graphs().keys() == calm.keys()


@pytest.mark.parametrize("forms", [("json_schema",), ("tools",), ("json_object",), ()])
def test_the_best_form_that_a_server_takes_is_found_once(forms: tuple[str, ...], place, responder, calm) -> None:
    with FakeOpenAI(responder, forms=forms) as server:
        report = place.build(server, config=CONFIG.model_copy(update={"concurrency": 1}))
    assert place.graphs() == calm
    refused = {("json_schema",): 0, ("tools",): 1, ("json_object",): 2, (): 3}[forms]
    assert server.seen.statuses[400] == report.total("failed") == refused


def test_a_rebuild_from_a_shipped_cache_makes_no_call_and_gives_the_same_graphs(town, place, responder, tmp_path) -> None:
    from llmrg.agents.chat.call_cache import SqliteCallCache
    from llmrg.agents.chat.call_cache_file import export_calls, import_calls

    with FakeOpenAI(responder) as server:
        place.build(server)
        export_calls(SqliteCallCache(place.folder / "calls.db"), tmp_path / "calls.jsonl.gz")
    other = Place(tmp_path / "other", town.dataset)
    import_calls(SqliteCallCache(other.folder / "calls.db"), tmp_path / "calls.jsonl.gz")
    with FakeOpenAI(responder, port=server.port) as elsewhere:
        report = other.build(elsewhere, config=CONFIG.model_copy(update={"max_calls": 0, "concurrency": 3}))
        assert elsewhere.seen.requests == 0
    assert report.total("calls") == 0 < report.total("cached")
    assert other.graphs() == place.graphs()
