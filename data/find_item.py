"""An item as people name it: by its id, or by its title."""

from __future__ import annotations

from llmrg.core.errors import CallerError, UnknownItemError
from llmrg.core.records import Item
from llmrg.data.dataset import Catalogue

SHOWN = 5
"""Ids that an error names."""
NEAR = 60
"""Letters in common, in per cent, from which another item is named."""


def find_item(catalogue: Catalogue, name: str) -> Item:
    """The item of this id, or else of this title (letter case and spaces do not count).

    Raises: UnknownItemError: there is none, with the nearest; CallerError: several items have this title.
    """
    if name in catalogue:
        return catalogue[name]
    wanted = _plain(name)
    items = [item for item in catalogue if _plain(item.title) == wanted] if wanted else []
    if len(items) == 1:
        return items[0]
    if items:
        more = f" and {len(items) - SHOWN:,} more" if len(items) > SHOWN else ""
        ids = ", ".join(item.id for item in items[:SHOWN])
        raise CallerError(f"{len(items):,} items have the title {name!r}; name one by its id: {ids}{more}")
    from rapidfuzz import fuzz, process

    names = {_plain(text): item for item in catalogue for text in (item.id, item.title)}
    nearest = process.extractOne(wanted, list(names), scorer=fuzz.ratio, score_cutoff=NEAR)
    raise UnknownItemError(name, names[nearest[0]].id if nearest else "")


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
