"""How steps and items are named in texts, on hover and in tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from llmrg.core.records import History, Item, Step
from llmrg.data.dataset import Catalogue

_UNFIT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


HIDDEN = "hidden reasons"
"""Name of the part of a score that reasons made which are not wanted (`core.vetoes`)."""
GROUNDS = {
    HIDDEN: "reasons that are not shown",
    "popularity": "how often it is taken",
    "item knn": "what is taken together",
    "ease": "what is taken together",
    "text cosine": "what its text has in common with the history",
    "text": "what its text has in common with the history",
    "attributes": "what its attributes have in common with the history",
    "language model": "what the language model makes of the history",
}
"""Name of a recommender, or of a part of one -> what it looks at; all others look at the order."""


def ground_of(recommender: str) -> str:
    """What the part of a score that no reason stands behind comes from."""
    return GROUNDS.get(recommender, "the order of what was taken")


def count_of(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def clean(text: str) -> str:
    """The text on one line, without the characters that XML forbids."""
    return " ".join(_UNFIT.sub(" ", text).split())


def title_of(catalogue: Catalogue, item: str) -> str:
    """The item's title; its id where it has none or is not in the catalogue."""
    return (clean(catalogue[item].title) if item in catalogue else "") or clean(item) or "(no id)"


SPEAK_FOR_THEMSELVES = {
    *("genre", "genres", "theme", "themes", "tag", "tags", "category", "categories", "subject", "subjects", "shelf", "shelves"),
    *("mood", "moods", "keyword", "keywords", "topic", "topics"),
}
"""Words in names of attributes whose values say alone what they are."""
_WORDS = re.compile("[A-Z]?[a-z]+|[A-Z]+")


def reason_of(step: Step, catalogue: Catalogue) -> str:
    """The step's reason, as `named` tells it."""
    return named(step.reason, (step.item,), catalogue)


def named(reason: str, items: Iterable[str], catalogue: Catalogue) -> str:
    """A reason that is a value of one attribute of these items, with the attribute's name (`colour: Petit Four`).

    Genres, themes and the like are told without, since "genre: drama" says no more than "drama".
    """
    wording = clean(reason)
    pairs = (pair for item in items if item in catalogue for pair in catalogue[item].attributes)
    names = {name for name, value in pairs if clean(value).casefold() == wording.casefold()}
    if len(names) != 1:
        return wording
    name = clean(names.pop())
    words = {word.casefold() for word in _WORDS.findall(name)}
    return wording if words & SPEAK_FOR_THEMSELVES or name.casefold() in wording.casefold() else f"{name}: {wording}"


def cause_of(step: Step, catalogue: Catalogue) -> str:
    """What the step starts from."""
    if step.cause_kind == "item":
        return f"“{title_of(catalogue, step.cause)}”"
    return clean(step.cause) if step.cause_kind == "attribute" else "(start)"


def origin_of(step: Step) -> str:
    return "knowledge base" if step.origin == "knowledge" else "model"


def verdict_of(step: Step) -> str:
    """Accepted, rejected or waiting for a person, with the critique."""
    if step.accepted:
        return "accepted"
    critique = clean(step.why_rejected)
    if step.waits:
        return critique
    return f"rejected: {critique}" if critique else "rejected"


def step_details(step: Step, catalogue: Catalogue) -> str:
    """Title on the first line, then one `name: value` a line."""
    imagined = step.kind == "imagined"
    place = f"imagined from cut {step.position}" if imagined else f"position {step.position}"
    cause = cause_of(step, catalogue)
    if step.cause_position is not None:
        cause += f" (position {step.cause_position})"
    lines = [
        title_of(catalogue, step.item),
        f"Reason: {reason_of(step, catalogue)}",
        f"Because of: {cause}",
        f"Score: {step.score:.2f}, {verdict_of(step)}",
        f"Place: {place}" + (f", chain {step.chain}" if step.accepted else ""),
        f"Origin: {origin_of(step)}",
    ]
    if imagined and step.grounding < 1.0:
        lines.append(f"Match of the imagined text: {step.grounding:.2f}")
    return "\n".join(lines)


def item_details(history: History, position: int, catalogue: Catalogue) -> str:
    """Title, position, date and attributes of one item of the history."""
    item = history.items[position]
    lines = [title_of(catalogue, item), f"Position: {position} of {len(history)}"]
    at = history.at[position] if position < len(history.at) else None
    if at is not None:
        lines.append(f"Taken: {date_of(at)}")
    lines += attribute_lines(catalogue[item]) if item in catalogue else []
    return "\n".join(lines)


def attribute_lines(item: Item, most: int = 6) -> list[str]:
    """`name: value, value` for the item's first attributes."""
    names = list(dict.fromkeys(name for name, _ in item.attributes))[:most]
    return [f"{clean(name)}: {', '.join(clean(value) for value in item.values(name)[:8])}" for name in names]


def date_of(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return f"{at:g} s"
