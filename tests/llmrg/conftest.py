from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from llmrg.sdk import Project


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with graphs of 60 demo readers and a recommender trained for a few epochs; tests only read it."""
    from llmrg.data.demo_set import load_demo
    from llmrg.recommenders import TrainingConfig

    demo = load_demo()
    home: Path = tmp_path_factory.mktemp("home")
    with Project(demo.only(list(demo.histories)[:60]), home=home) as project:
        project.build(mind="attributes")
        project.train(config=TrainingConfig(epochs=3))
        yield project
