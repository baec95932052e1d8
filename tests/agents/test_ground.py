"""From what was imagined to an unseen catalogue item."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from llmrg.agents.config import BuildConfig
from llmrg.agents.nodes.ground import find_item, ground, plain_title
from llmrg.agents.protocols import Imagined
from llmrg.agents.usage import Usage
from llmrg.core.records import History, Item
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
    )
    chain = {"number": 4, "tail_item": "pride", "tail_position": 1, "reason": "r", "score": 0.9}
    imagined = [
        said("The Road", chain=4),  # taken, but after the cut: unseen
        said("the road", chain=4),  # said twice
        said("Emma", chain=4),  # seen
        said("Ulysses", chain=4),  # not in the catalogue
        said("The Matrix", chain=9),  # no such chain
        said("Matrix", chain=4),
    ]
    rows = [{"chain": i.chain, "reason": i.reason, "text": i.text, "item": i.item} for i in imagined]
    state = {"user": "u", "blocks": [[0, 2]], "chains": [chain], "imagined": rows}
    done = await ground(state, SimpleNamespace(context=context))  # type: ignore[arg-type, typeddict-item]
    assert [(c["item"], c["cause"], c["cause_position"], c["position"], c["seen"], c["chain"]) for c in done["candidates"]] == [
        ("road", "pride", 1, 2, 2, 4),
        ("matrix", "pride", 1, 2, 2, 4),
    ]
    assert dict(context.usage.counts) == {
        "ground.kept": 2,
        "ground.duplicates": 1,
        "ground.seen": 1,
        "ground.not_in_catalogue": 2,
    }
