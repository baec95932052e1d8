"""Reasons that are not wanted become no steps, whoever proposes them, and items get others."""

from __future__ import annotations

from typing import Any

import pytest

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.minds.attributes import AttributesMind
from llmrg.agents.minds.item_chat import ItemChatMind
from llmrg.agents.minds.profiles import ProfilesMind
from llmrg.agents.minds.reason_bank import reason_bank
from llmrg.agents.protocols import Block, Candidate, Cut, Imagined, Verdict
from llmrg.core.errors import ConfigError
from llmrg.core.themes import Appeal, Profile, ProfileSource
from llmrg.core.vetoes import Vetoes
from llmrg.testing.planted_items import planted_items
from llmrg.testing.scripted_chat import ScriptedChatModel

CONFIG = BuildConfig(block_size=4, wave=1, concurrency=1, tau=0.0, retry_wait_s=0)
SEA = ("the sea", "grief")


@pytest.fixture
def books(shelf) -> Any:
    """Every book has a reason that is denied below; all but one have another too."""
    titles = {f"Book {n}": SEA for n in range(6)}
    return shelf({**titles, "Alone": ("Grief", "money"), "Other": ("money",)}, {"u": [f"book-{n}" for n in range(6)]})


class Stubborn:
    """Says what is denied as long as it is not told so."""

    name, default_tau = "stubborn", 0.5

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def reason(self, block: Block) -> list[Candidate]:
        self.heard += block.critiques.values()
        items, words = block.history.items, block.critiques
        return [
            Candidate(p, "root", "", None, "a friend's Grief" if p not in words else "the sea", items[p], None, p + 1)
            for p in block.positions
        ]

    async def verify(self, block: Block, candidates: Any) -> list[Verdict]:
        return [Verdict(1.0) for _ in candidates]

    async def imagine(self, cut: Cut) -> list[Imagined]:
        said = ("grief", "alone"), ("money", "other")
        return [Imagined(chain.number, reason, "", item) for chain in cut.chains for reason, item in said]


def reasons(store: Any, dataset: Any) -> set[str]:
    return {step.reason for user in dataset.histories for step in store.graph(dataset.name, user).steps}


async def test_a_reasoner_is_told_and_finds_another_and_what_is_imagined_is_left_out(books, build_with, store) -> None:
    mind = Stubborn()
    report = await build_with(books, mind, CONFIG, vetoes=Vetoes(("grief",)))
    graph = store.graph("shelf", "u")
    assert {step.reason for step in graph.steps} == {"the sea", "money"}
    assert [step.item for step in graph.reasoned()] == [f"book-{n}" for n in range(6)]
    assert {step.item for step in graph.imagined()} == {"other"}
    assert all("Grief" in told for told in mind.heard)
    assert report.counts["verify.why.vetoed"] > 6


def chat_once(dataset: Any, vetoes: Vetoes) -> Any:
    answers = planted_items(dataset, 0.0, verifier_error_rate=0.0)
    return ItemChatMind(ScriptedChatModel(answers), dataset, vetoes=vetoes)


def recorded(dataset: Any, vetoes: Vetoes) -> Any:
    told = tuple(Appeal(item.id, theme) for item in dataset.catalogue for theme in item.values("theme"))
    return ProfilesMind(dataset, Profile(ProfileSource("x"), told), vetoes=vetoes)


@pytest.mark.parametrize("make", [lambda d, v: AttributesMind(d, vetoes=v), recorded, chat_once], ids=["own", "stored", "chat"])
async def test_minds_over_profiles_choose_other_reasons_of_their_items(make, world, build_with, store) -> None:
    dataset = world.dataset
    await build_with(dataset, make(dataset, Vetoes()), CONFIG)
    before = {user: store.graph(dataset.name, user) for user in dataset.histories}
    common = sorted({step.reason for graph in before.values() for step in graph.reasoned()})[::2]
    vetoes = Vetoes(tuple(common))
    await build_with(dataset, make(dataset, vetoes), CONFIG, vetoes=vetoes)
    assert not [reason for reason in reasons(store, dataset) if vetoes.refuse(reason)]
    with_others = {item.id for item in dataset.catalogue if any(not vetoes.refuse(theme) for theme in item.values("theme"))}
    for user, graph in before.items():
        now = {step.item for step in store.graph(dataset.name, user).reasoned()}
        assert now >= {step.item for step in graph.reasoned()} & with_others


async def test_what_is_known_is_not_recalled_where_it_is_denied(books, build_with, store, with_items) -> None:
    dataset = with_items(books, {user: [f"book-{n}" for n in range(6)] for user in ("u", "v", "w")})
    free = AttributesMind(dataset)
    config = CONFIG.model_copy(update={"held_out": 0})
    await build_with(dataset, free, config)
    assert "grief" in {entry.reason for entry in store.knowledge("shelf")}
    await build_with(dataset, free, config, vetoes=Vetoes(("grief",)), resume=False)
    assert reasons(store, dataset) == {"the sea"}


async def test_lists_name_a_run_and_no_list_names_none(books, build_with) -> None:
    def named(*lists: Vetoes | None) -> Any:
        return [build_with(books, AttributesMind(books), CONFIG, vetoes=one) for one in lists]

    lists = (None, Vetoes(), Vetoes(("grief", "war")), Vetoes(("WAR", "grief")), Vetoes(("war",)), Vetoes((), ("grief",)))
    none, empty, both, turned, one, allowed = [(await report).run for report in named(*lists)]
    assert none == empty
    assert both == turned
    assert len({none, both, one, allowed}) == 4


async def test_minds_may_be_given_without_the_lists(books, build_with, store) -> None:
    mind = AttributesMind(books)
    await build_with(books, Minds(mind, mind, mind), CONFIG, vetoes=Vetoes((), ("THE SEA",)))
    assert reasons(store, books) == {"the sea"}


def test_the_bank_leaves_out_what_is_denied_before_it_is_cut(books) -> None:
    assert set(reason_bank(books, 3)) > {"grief"}
    assert reason_bank(books, 2, Vetoes(("grief",))) == ("money", "the sea")
    with pytest.raises(ConfigError, match="leave 1, and the mind needs two"):
        reason_bank(books, 9, Vetoes(("grief", "money")))
