"""Prompts of the chat mind: one file a role in `prompts/`, with a version; their inputs are written here.

Titles, attributes and reasons are data. They stand between « and », cut to `LONGEST_TEXT` characters, on one line, without those
two characters of their own; so no title can end its field and speak to the model as the prompt does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Any, Literal
from unicodedata import category

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from llmrg.agents.chat.replies import ImagineReply, ItemsReply, PickReply, ReasonReply, VerifyReply, read_reply
from llmrg.agents.protocols import Block, Cut
from llmrg.core.errors import ConfigError, ModelReplyError
from llmrg.core.records import stable_key
from llmrg.data.dataset import Catalogue

Role = Literal["reason", "verify", "imagine", "items", "pick"]
ROLES: tuple[Role, ...] = ("reason", "verify", "imagine")
"""What is asked about a user's block."""
ITEM_ROLES: tuple[Role, ...] = ("items", "pick")
"""What is asked once per item: its reasons, and which reasons are its."""
REPLIES: Mapping[Role, Any] = {
    "reason": ReasonReply,
    "verify": VerifyReply,
    "imagine": ImagineReply,
    "items": ItemsReply,
    "pick": PickReply,
}
FOLDER = Path(__file__).parent / "prompts"
LONGEST_TEXT = 120
"""Characters of a title, attribute or reason that a prompt shows."""
_FILE = re.compile(
    r"# version (?P<version>\S+)\n## task\n(?P<task>.+)\n## example input\n(?P<example>.+)\n## example output\n(?P<answer>.+)",
    re.S,
)
_MARKS = str.maketrans({"«": "‹", "»": "›", "《": "‹", "》": "›", "≪": "‹", "≫": "›", "⟪": "‹", "⟫": "›"})


@dataclass(frozen=True)
class Prompt:
    """One prompt file."""

    version: str
    task: str
    """With the placeholders $noun and $count."""
    example: str
    """Example input."""
    answer: str
    """Example output."""

    def messages(self, request: str, noun: str, count: int = 0) -> list[BaseMessage]:
        """Task, example, and what is asked now."""
        return [*_same_for_all(self, noun, count), HumanMessage(request)]


@lru_cache(maxsize=64)
def _same_for_all(prompt: Prompt, noun: str, count: int) -> tuple[BaseMessage, ...]:
    """The messages that every request of a role begins with; making one takes LangChain as long as rendering many lines."""
    task = Template(prompt.task).safe_substitute(noun=one_line(noun), count=count)
    return SystemMessage(task), HumanMessage(prompt.example), AIMessage(prompt.answer)


def load_prompt(role: Role, folder: Path = FOLDER) -> Prompt:
    """Raises: ConfigError: the file is missing, lacks a section, or does not fit its role."""
    path = folder / f"{role}.txt"
    try:
        sections = _FILE.fullmatch(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the prompt {path} cannot be read ({error}); the folder needs {', '.join(r + '.txt' for r in _needed(role))}"
        ) from error
    if sections is None:
        raise ConfigError(
            f"the prompt {path} needs '# version N', '## task', '## example input' and '## example output', in this order"
        )
    prompt = Prompt(**sections.groupdict())
    _check(path, role, prompt)
    return prompt


def _needed(role: Role) -> tuple[Role, ...]:
    return ITEM_ROLES if role in ITEM_ROLES else ROLES


def _check(path: Path, role: Role, prompt: Prompt) -> None:
    """Raises: ConfigError: a placeholder that nobody fills, or an example that is not what the model is asked for."""
    try:
        Template(prompt.task).substitute(noun="", count=0)
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"the prompt {path} has a placeholder that is not known ({error}); known are $noun and $count, and $$ is a dollar"
        ) from error
    try:
        read = read_reply(prompt.answer, REPLIES[role])
    except ModelReplyError as error:
        raise ConfigError(f"the example output of the prompt {path} is not what the role asks for: {error}") from error
    if not any(getattr(read, name) for name in type(read).model_fields):
        raise ConfigError(f"the example output of the prompt {path} is empty; show what a good reply looks like")


def prompt_versions(folder: Path = FOLDER, roles: Sequence[Role] = ROLES) -> dict[str, str]:
    """Role -> version, as a run records them; a text of one's own has a hash in it, so that no edit is taken for another text."""
    return {role: version_of(role, load_prompt(role, folder)) for role in roles}


def version_of(role: Role, prompt: Prompt) -> str:
    """`1` for the text that comes with the package, `1+5f3a09c2` for another text of that version."""
    return prompt.version if prompt == load_prompt(role) else f"{prompt.version}+{stable_key('prompt', prompt)[:8]}"


@lru_cache(maxsize=50_000)
def one_line(text: str, longest: int = LONGEST_TEXT) -> str:
    """Data made safe to stand in a prompt: one line, printable, limited, without « and » and what looks or works like them."""
    text = text[: 4 * longest]
    if not text.isprintable():
        visible = (c for c in text if category(c) != "Cf")  # no marks that turn or hide what follows
        text = "".join(c if c.isprintable() else " " for c in visible)
    line = " ".join(text.translate(_MARKS).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def quoted(text: str) -> str:
    return f"«{one_line(text)}»"


def render_reason(block: Block, catalogue: Catalogue, shown: int, attributes: Sequence[str] = ()) -> str:
    """Input of the reasoner: the last `shown` titles up to the block's end (from the first position asked for on, if that is
    more; none before `block.first`) with these attributes, open chains that end among them, and the positions asked for."""
    lines = []
    if block.history.attributes:
        lines.append("ABOUT THE USER")
        lines += [f"[a{n}] {quoted(name)}: {quoted(value)}" for n, (name, value) in enumerate(block.history.attributes, start=1)]
    first = max(block.first, min(len(block.history) - shown, *block.positions))
    lines += ["HISTORY", *_titles(catalogue, block.history.items, first, attributes)]
    chains = [chain for chain in block.chains if chain.tail_position >= first]
    if chains:
        lines.append("OPEN CHAINS")
        lines += [f"[{c.tail_position + 1}] {quoted(catalogue[c.tail_item].title)}: {quoted(c.reason)}" for c in chains]
    critiques = {p: text for p, text in block.critiques.items() if text}
    if critiques:
        lines.append("REJECTED BEFORE")
        lines += [f"[{p + 1}] {quoted(text)}" for p, text in sorted(critiques.items())]
    return "\n".join([*lines, "EXPLAIN", " ".join(f"[{p + 1}]" for p in block.positions)])


@dataclass(frozen=True)
class Question:
    """One step with a part hidden. `cause` is "" for a root."""

    hidden: Literal["item", "reason"]
    cause: str
    reason: str
    item: str
    options: tuple[str, ...]
    right: int
    """Index of the hidden part among the options."""


def render_verify(questions: Sequence[Question]) -> str:
    """Input of the verifier."""
    lines = ["QUESTIONS"]
    for number, q in enumerate(questions, start=1):
        start = f"from {quoted(q.cause)}" if q.cause else "from the start"
        reason, item = ("???" if q.hidden == part else quoted(text) for part, text in (("reason", q.reason), ("item", q.item)))
        lines.append(f"[q{number}] {start} for the reason {reason} to {item}")
        lines += [f"({n}) {quoted(option)}" for n, option in enumerate(q.options, start=1)]
    return "\n".join(lines)


def render_imagine(cut: Cut, catalogue: Catalogue, shown: int, suggestions: Mapping[int, Iterable[str]]) -> str:
    """Input of the imaginer; chains are numbered from 1 in the order of `cut.chains`."""
    lines = ["HISTORY", *_titles(catalogue, cut.history.items, max(0, len(cut.history) - shown)), "CHAINS"]
    for number, chain in enumerate(cut.chains, start=1):
        lines.append(f"[c{number}] {quoted(catalogue[chain.tail_item].title)}: {quoted(chain.reason)}")
        if hints := [quoted(catalogue[item].title) for item in suggestions.get(chain.number, ())]:
            lines.append(f"often followed by {', '.join(hints)}")
    return "\n".join(lines)


def render_items(
    items: Sequence[str],
    catalogue: Catalogue,
    vocabulary: Sequence[str] = (),
    rejected: Mapping[str, Sequence[str]] | None = None,
    attributes: Sequence[str] = (),
) -> str:
    """Input of whoever says why people take items, which are numbered from 1: the reasons so far, the items, and by item the
    reasons that were not found to fit."""
    lines = ["REASONS SO FAR", " ".join(map(quoted, vocabulary))] if vocabulary else []
    lines += ["ITEMS", *_titles(catalogue, items, 0, attributes)]
    refused = [(number, rejected[item]) for number, item in enumerate(items, start=1) if item in rejected] if rejected else []
    if refused:
        lines += ["REJECTED BEFORE", *(f"[{number}] {' '.join(map(quoted, reasons))}" for number, reasons in refused)]
    return "\n".join(lines)


def render_pick(questions: Sequence[tuple[str, Sequence[str]]], catalogue: Catalogue, attributes: Sequence[str] = ()) -> str:
    """Input of whoever finds an item's reasons among others: (item, reasons shown), both numbered from 1."""
    lines = ["PICK"]
    titles = _titles(catalogue, [item for item, _ in questions], 0, attributes)
    for title, (_, reasons) in zip(titles, questions, strict=True):
        lines += [title, *(f"({number}) {quoted(reason)}" for number, reason in enumerate(reasons, start=1))]
    return "\n".join(lines)


def _titles(catalogue: Catalogue, items: Sequence[str], first: int, attributes: Sequence[str] = ()) -> list[str]:
    lines = []
    for p in range(first, len(items)):
        item = catalogue[items[p]]
        shown = [f"{name}: {', '.join(values)}" for name in attributes if (values := item.values(name))]
        lines.append(f"[{p + 1}] {quoted(item.title or item.id)}" + (f" ({quoted('; '.join(shown))})" if shown else ""))
    return lines
