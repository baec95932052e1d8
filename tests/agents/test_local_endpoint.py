"""The chat mind against a real OpenAI-compatible server with a real, if very small, language model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.open_mind import OpenMinds
from llmrg.core.settings import load_settings
from llmrg.testing.local_endpoint import local_endpoint

pytestmark = pytest.mark.model
CONFIG = BuildConfig(held_out=0, tries=0, retry_wait_s=0, tau=0.0, divergence=False)
OPTIONS = {"temperature": 0, "max_tokens": 300}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with local_endpoint() as found:
        yield found


@pytest.fixture
def few(world) -> Any:
    """Two users with three items each."""
    users = {user: replace(h, items=h.items[:3], at=h.at[:3]) for user, h in list(world.dataset.histories.items())[:2]}
    return replace(world.dataset, histories=users)


async def test_users_are_built_and_the_same_requests_are_not_sent_again(url: str, few, build_with, store, tmp_path: Path) -> None:
    minds = OpenMinds(few, load_settings(home=tmp_path, model=f"openai:gemma@{url}", model_options=OPTIONS))
    mind = minds.get("chat")
    report = await build_with(few, Minds(mind, mind, mind), CONFIG)
    assert (report.built, report.failures) == (2, 0)
    assert report.total("calls") > 0
    assert report.total("output_tokens") > 0
    # It speaks JSON as asked for: steps about the user's own items.
    steps = [step for user in few.histories for step in store.graph(few.name, user).steps if step.kind == "reasoned"]
    assert steps
    assert all(step.reason and step.item == few.histories[step.user].items[step.position] for step in steps)
    again = await build_with(few, Minds(mind, mind, mind), CONFIG, resume=False)
    assert again.total("calls") == 0
    assert 0 < again.total("cached") <= report.total("calls"), "on a busy machine a late answer is asked for twice"
    minds.close()
