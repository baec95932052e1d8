"""Small worlds, a store, minds that record or pry, and the checks that several test files share."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmrg.agents.accounting.charge import count, may_call
from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.minds.attributes import AttributesMind
from llmrg.agents.protocols import Block, Candidate, Cut, Imagined, Verdict
from llmrg.agents.run.build import build
from llmrg.agents.run.build_report import BuildReport
from llmrg.core.records import History, Item, stable_key
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.planted import PlantedConfig, PlantedWorld, random_catalogue, simulate

Builder = Callable[..., Awaitable[BuildReport]]


class NosyMind:
    """Everything it says depends on everything it was shown, so that anything leaked to it shows in the graph."""

    name, default_tau = "nosy", 0.3

    def __init__(self, dataset: Dataset) -> None:
        self.ids = dataset.catalogue.ids
        self.blocks: list[Block] = []
        self.verified: list[tuple[Block, tuple[Candidate, ...]]] = []
        self.cuts: list[Cut] = []

    def calls(self) -> int:
        return len(self.blocks) + len(self.verified) + len(self.cuts)

    def _call(self) -> None:
        may_call()
        count(calls=1, tokens=10)

    async def reason(self, block: Block) -> list[Candidate]:
        self._call()
        self.blocks.append(block)
        heard = stable_key(block.history.items, block.chains, sorted(block.critiques.items()))
        seen, items = len(block.history), block.history.items
        found = []
        for p in block.positions:
            if p and _share(heard, p) < 0.8:
                cause = int(_share(heard, p, "cause") * p)
                found.append(Candidate(p, "item", items[cause], cause, f"r{heard[:8]}", items[p], None, seen))
            else:
                found.append(Candidate(p, "root", "", None, f"r{heard[:8]}", items[p], None, seen))
        return found

    async def verify(self, block: Block, candidates: Sequence[Candidate]) -> list[Verdict]:
        self._call()
        self.verified.append((block, tuple(candidates)))
        seen = len(block.history)
        scores = [_share(block.history.items, block.chains, tuple(candidates), number) for number in range(len(candidates))]
        return [Verdict(score, f"only {score:.3f}", seen) for score in scores]

    async def imagine(self, cut: Cut) -> list[Imagined]:
        self._call()
        self.cuts.append(cut)
        heard = (cut.history.items, cut.chains, sorted(cut.suggestions.items()))
        unseen = [item for item in self.ids if item not in cut.history.items]
        picks = [
            (chain, unseen[int(_share(heard, chain.number, n) * len(unseen))]) for chain in cut.chains for n in range(2) if unseen
        ]
        return [Imagined(chain.number, f"i{stable_key(heard)[:8]}", "", item) for chain, item in picks]


def _share(*parts: object) -> float:
    return int(stable_key(*parts)[:8], 16) / 16**8


def vectors(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors; equal texts have equal ones, others are almost orthogonal."""
    rows = [np.random.default_rng(int(hashlib.sha256(t.encode()).hexdigest()[:8], 16)).normal(size=32) for t in texts]
    return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32).reshape(len(texts), 32)


class ChanceVectors:
    """`TextVectors` without meaning: equal texts are equal, others are not near."""

    name = "chance"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return vectors(texts)


@pytest.fixture(scope="session")
def forkserver() -> Any:
    """Makes children that have all imports done already, without the threads of the tests' own process."""
    ours = (
        "testing.child_build",
        "testing.moody_mind",
        "agents.chat.call_cache",
        "agents.minds.chat",
        "graph_store.sqlite_store",
        "graph_store.neo4j_store",
    )
    context = get_context("forkserver")
    context.set_forkserver_preload([*(f"llmrg.{name}" for name in ours), "langchain.chat_models", "langchain_openai"])
    return context


@pytest.fixture(scope="session")
def chance() -> ChanceVectors:
    return ChanceVectors()


@pytest.fixture(scope="session")
def world() -> PlantedWorld:
    return simulate(random_catalogue(80, 24, seed=1), PlantedConfig(readers=4, min_length=7, max_length=11, noise=0.1, seed=5))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "graphs.db") as opened:
        yield opened


@pytest.fixture(scope="session")
def nosy() -> type[NosyMind]:
    return NosyMind


@pytest.fixture(scope="session")
def small() -> BuildConfig:
    """Blocks of 4, one user after the other, no waiting."""
    return BuildConfig(block_size=4, wave=1, concurrency=1, retry_wait_s=0)


@pytest.fixture
def build_with(store: SqliteStore, small: BuildConfig) -> Builder:
    """Build with one mind (or `Minds`) into the test's store, or into another one."""

    async def run(dataset: Dataset, mind: Any, config: BuildConfig | None = None, **options: Any) -> BuildReport:
        minds = mind if isinstance(mind, Minds) else Minds(mind, mind, mind)
        return await build(dataset, options.pop("into", store), minds, config or small, **options)

    return run


@pytest.fixture
def with_items() -> Callable[..., Dataset]:
    """A data set with other histories, given as user -> items."""

    def change(dataset: Dataset, histories: dict[str, Sequence[str]]) -> Dataset:
        known = dict(dataset.histories)
        for user, items in histories.items():
            old = known.get(user, History(user, ()))
            known[user] = replace(old, items=tuple(items), at=())
        return replace(dataset, histories=known)

    return change


@pytest.fixture
def shelf() -> Callable[..., Dataset]:
    """A data set made by hand: titles -> themes, and histories."""

    def make(titles: dict[str, tuple[str, ...]], histories: dict[str, Sequence[str]], attributes: Any = ()) -> Dataset:
        items = [
            Item(title.lower().replace(" ", "-"), title, tuple(("theme", t) for t in themes)) for title, themes in titles.items()
        ]
        found = {user: History(user, tuple(items), (), tuple(attributes)) for user, items in histories.items()}
        report = LoadReport("by hand", sum(map(len, found.values())), len(found), len(items))
        return Dataset("shelf", Catalogue(items, noun="book"), found, report, ("theme",))

    return make


@pytest.fixture
def attributes(world: PlantedWorld) -> AttributesMind:
    return AttributesMind(world.dataset)


def graphs_of(store: SqliteStore, dataset: Dataset) -> dict[str, tuple[Any, ...]]:
    return {user: store.graph(dataset.name, user).steps for user in dataset.histories}


def knowledge_of(store: SqliteStore, dataset: Dataset) -> list[tuple[Any, ...]]:
    """All but the use counters."""
    return [(k.key, round(k.score, 9), k.source_user, k.source_position) for k in store.knowledge(dataset.name)]


@pytest.fixture(scope="session")
def contents() -> Callable[[SqliteStore, Dataset], Any]:
    """What a build leaves: every user's steps, and the knowledge base."""
    return lambda store, dataset: (graphs_of(store, dataset), knowledge_of(store, dataset))
