"""From what was imagined to an unseen catalogue item."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from llmrg.agents.accounting.usage import Usage
from llmrg.agents.config import BuildConfig
from llmrg.agents.machine.nodes.ground import find_item, ground
from llmrg.agents.machine.nodes.titles import plain_title
from llmrg.agents.machine.state import OpenCut, State
from llmrg.agents.protocols import Imagined, OpenChain
from llmrg.core.records import History, Item
from llmrg.core.vetoes import Vetoes
from llmrg.data.dataset import Catalogue

TITLES = {
    "road": "The Road",
    "matrix": "Matrix, The (1999)",
    "emma": "Emma",
    "EMMA": "EMMA",
    "pride": "Pride and Prejudice",
    "a": "A",
    "blank": "",
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(Item(key, title) for key, title in TITLES.items())


def said(text: str = "", item: str | None = None, chain: int = 0) -> Imagined:
    return Imagined(chain, "a reason", text, item)


@pytest.mark.parametrize(
    ("text", "item", "similarity"),
    [
        ("The Road", "road", 1.0),
        ("the road", "road", 1.0),
        ("Road", "road", 1.0),
        ("The Matrix", "matrix", 1.0),
        ("The Matrix (1999)", "matrix", 1.0),
        ("EMMA", "EMMA", 1.0),
        ("Emma (1815)", "emma", 1.0),
        ("A", "a", 1.0),
        ("Pride & Prejudice", "pride", pytest.approx(0.88, abs=0.02)),
        ("Pride and Prejudise", "pride", pytest.approx(0.95, abs=0.03)),
    ],
)
def test_titles_are_found(text, item, similarity, catalogue) -> None:
    assert find_item(catalogue, said(text), None) == (item, similarity)


@pytest.mark.parametrize("text", ["On the Road", "Pride", "Zyxwv", "The", "Road to Perdition and back again"])
def test_other_titles_are_not_near_enough(text, catalogue) -> None:
    found = find_item(catalogue, said(text), None)
    assert found is None or found[1] < BuildConfig().grounding_tau


SEQUELS = {
    "rocky3": "Rocky III",
    "toy": "Toy Story",
    "karate2": "Karate Kid, Part II, The",
    "hp2": "Harry Potter and the Deathly Hallows: Part 2",
    "oceans": "Ocean's Eleven (a.k.a. Ocean's 11)",
    "pelham": "Taking of Pelham One Two Three, The",
    "henry5": "Henry V",
    "robot": "I, Robot",
    "xmen": "X-Men",
    "odyssey": "2001: A Space Odyssey",
}


def numbers(title: str) -> set[int]:
    """By hand, for the titles above and below."""
    values = {"II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "One": 1, "Two": 2, "Three": 3, "Eleven": 11, "Twelve": 12}
    values |= {"Four": 4, "Five": 5, "Six": 6} | {str(n): n for n in (1, 2, 3, 11, 2001, 2010)}
    return {values[word] for word in title.translate(str.maketrans(",:()", "    ")).split() if word in values}


@pytest.mark.parametrize(
    "text",
    [
        *("Rocky II", "Rocky", "Rocky IV", "Toy Story 2", "Toy Story 3", "The Karate Kid, Part III", "The Karate Kid"),
        *("Harry Potter and the Deathly Hallows: Part 1", "Harry Potter and the Deathly Hallows: Part One", "Ocean's Twelve"),
        *("The Taking of Pelham Four Five Six", "Henry IV", "Henry VI", "2010: A Space Odyssey"),
    ],
)
def test_a_sequel_is_not_grounded_to_another_part(text) -> None:
    """However near letters and vectors are."""
    films = Catalogue(Item(key, title) for key, title in SEQUELS.items())
    alike = np.ones((len(films) + 1, 1), dtype=np.float32)
    for embed in (None, lambda texts: alike[: len(texts)]):
        found = find_item(films, said(text), embed)
        assert found is None or numbers(text) == numbers(SEQUELS[found[0]]), found


@pytest.mark.parametrize(
    ("text", "item"),
    [
        *(("Rocky 3", "rocky3"), ("Rocky Three", "rocky3"), ("The Karate Kid Part 2", "karate2"), ("Henry 5", "henry5")),
        *(("Harry Potter and the Deathly Hallows, Part II", "hp2"), ("The Taking of Pelham 1 2 3", "pelham")),
        *(("X Men", "xmen"), ("I Robot", "robot"), ("2001 A Space Odissey", "odyssey"), ("Toy Stroy", "toy")),
    ],
)
def test_a_numeral_may_be_written_in_another_way(text, item) -> None:
    found = find_item(Catalogue(Item(key, title) for key, title in SEQUELS.items()), said(text), None)
    assert found is not None
    assert found[0] == item


def test_letters_and_vectors_have_thresholds_of_their_own(catalogue) -> None:
    """The cosine of "Die Straße" and "The Road" is 0.8 here; their letters have little in common."""

    def embed(texts):
        known = {"Die Straße": (0.8, 0.6), "The Road": (1.0, 0.0), "Pride & Prejudice": (0.0, 1.0)}
        return np.array([known.get(text, (0.0, -1.0)) for text in texts], dtype=np.float32)

    strict, lenient = BuildConfig(grounding_cosine=0.9), BuildConfig(grounding_cosine=0.7)
    assert find_item(catalogue, said("Die Straße"), embed, strict) is None
    assert find_item(catalogue, said("Die Straße"), embed, lenient) == ("road", pytest.approx(0.8))
    assert find_item(catalogue, said("Pride & Prejudice"), embed, BuildConfig(grounding_tau=0.95, grounding_cosine=1.0)) is None
    near = find_item(catalogue, said("Pride & Prejudice"), embed, BuildConfig(grounding_cosine=1.0))
    assert near == ("pride", pytest.approx(0.88, abs=0.02))


@pytest.mark.parametrize("text", ["", "   ", "?", "\n"])
def test_no_title_no_item(text, catalogue) -> None:
    assert find_item(catalogue, said(text), None) is None


def test_a_very_long_text_is_looked_at_in_part(catalogue) -> None:
    assert (find_item(catalogue, said("The Road " * 200_000), None) or ("", 0.0))[1] < 0.85


def test_an_empty_catalogue_has_nothing() -> None:
    assert find_item(Catalogue([]), said("Emma"), None) is None


def test_a_chosen_item_needs_no_title(catalogue) -> None:
    assert find_item(catalogue, said(item="emma"), None) == ("emma", 1.0)
    assert find_item(catalogue, said(item="gone"), None) is None


def test_vectors_find_what_letters_do_not(catalogue) -> None:
    def embed(texts):
        rows = [(1.0, 0.0) if "Road" in text or "Straße" in text else (0.0, 1.0) for text in texts]
        return np.array(rows, dtype=np.float32)

    assert find_item(catalogue, said("Die Straße"), embed) == ("road", 1.0)


@pytest.mark.parametrize(
    ("title", "plain"), [("The Road", "road"), ("Matrix, The (1999)", "matrix"), ("The", "the"), ("(2001)", "")]
)
def test_what_is_set_aside(title, plain) -> None:
    assert plain_title(title) == plain


async def test_the_node_drops_and_counts(catalogue) -> None:
    history = History("u", ("emma", "pride", "road"))
    context = SimpleNamespace(
        history=lambda user: history,
        dataset=SimpleNamespace(catalogue=catalogue),
        config=BuildConfig(),
        embed=None,
        usage=Usage(),
        vetoes=Vetoes(("grief",)),
    )
    chain = OpenChain(4, "pride", 1, "r", 0.9)
    imagined = [
        said("The Road", chain=4),  # taken, but after the cut: unseen
        said("the road", chain=4),  # said twice
        said("Emma", chain=4),  # seen
        said("Ulysses", chain=4),  # not in the catalogue
        said("The Matrix", chain=9),  # no such chain
        said("Matrix", chain=4),
        replace(said("The Road", chain=4), reason="Grief"),  # denied
    ]
    state: State = {"user": "u", "cuts": [OpenCut(2, (chain,))], "imagined": [(2, continuation) for continuation in imagined]}
    done = await ground(state, SimpleNamespace(context=context))  # type: ignore[arg-type]
    assert [(c.item, c.cause, c.cause_position, c.position, c.seen, c.chain) for c in done["candidates"]] == [
        ("road", "pride", 1, 2, 2, 4),
        ("matrix", "pride", 1, 2, 2, 4),
    ]
    assert dict(context.usage.counts) == {
        "ground.kept": 2,
        "ground.duplicates": 1,
        "ground.seen": 1,
        "ground.not_in_catalogue": 2,
        "verify.why.vetoed": 1,
    }
