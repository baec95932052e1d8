"""Prompts by family, in TOML files: ours, and any that a user adds."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from llmrg.core.errors import ConfigError
from llmrg.recsysllm.config import FAMILIES, Family
from llmrg.recsysllm.pieces import Piece, PieceCoder, Tokens, joined

FOLDER = Path(__file__).parent / "templates"
ANSWER = "[?]"
_PARTS = re.compile(r"(\{[^{}]*\}|\[\?\])")
_KEYS = {"id", "kind", "text", "family", "unseen"}

Filling = Tokens | Sequence[Piece]
"""What stands in a slot, its leading blank included."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What may be asked, and which slots its wording has: all of `needs`, and any of `may`."""

    needs: tuple[str, ...]
    may: tuple[str, ...]


_WHO = ("user", "history")
_CHOOSE, _YES_NO, _NEXT = Kind(("candidates",), _WHO), Kind(("item",), (*_WHO, "about")), Kind(("history",), ("user",))
KINDS: Mapping[Family, Mapping[str, Kind]] = {
    "rating": {
        "stars": Kind(("item",), (*_WHO, "about")),
        "yes_no": Kind(("item", "stars"), (*_WHO, "about")),
        "like": Kind(("item",), (*_WHO, "about")),
    },
    "sequential": {"next": _NEXT, "choose": _CHOOSE, "yes_no": _YES_NO},
    "explanation": {"explain": Kind(("item",), (*_WHO, "about", "feature", "stars"))},
    "review": {
        "headline": Kind(("review",), ("user", "item", "about", "stars")),
        "stars": Kind(("review",), ("user", "item", "about", "headline")),
    },
    "direct": {"next": _NEXT, "choose": _CHOOSE, "yes_no": _YES_NO},
}
"""By family. No wording shows what it asks for: stars, a headline, or what was written of the item that it speaks of."""


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt with slots, and what kind of answer belongs at [?]."""

    id: str
    family: Family
    kind: str
    """What is asked: a key of `KINDS[family]`."""
    text: str
    unseen: bool = False
    """Held out of training, to see how an unknown wording does."""

    def __post_init__(self) -> None:
        """Raises: ConfigError: a kind or slot that is unknown, lacking or standing twice, or [?] elsewhere than at the end."""
        if problem := self._problem():
            raise ConfigError(f"the template {self.id!r} {problem}")

    def _problem(self) -> str:
        kinds = KINDS[self.family]
        if self.kind not in kinds:
            return f"has the kind {self.kind!r}; the family {self.family!r} has {', '.join(kinds)}"
        kind, slots = kinds[self.kind], self.slots
        allowed = (*kind.needs, *kind.may)
        if wrong := [slot for slot in slots if slot not in allowed]:
            return f"has the slot {{{wrong[0]}}}; to ask for {self.kind!r} there are {', '.join(allowed)}"
        if lacking := [slot for slot in kind.needs if slot not in slots]:
            return f"lacks the slot {{{lacking[0]}}}, without which {self.kind!r} cannot be asked"
        if twice := [slot for slot in slots if slots.count(slot) > 1]:
            return f"has the slot {{{twice[0]}}} twice"
        if not self.text.endswith(ANSWER) or self.text.count(ANSWER) > 1:
            return f"must end in {ANSWER}, where the answer belongs"
        return ""

    @property
    def slots(self) -> tuple[str, ...]:
        return tuple(part[1:-1] for part in _PARTS.findall(self.text) if part != ANSWER)

    def prompt(self, filled: Mapping[str, Filling], coder: PieceCoder) -> Tokens:
        """The text before [?]. Raises: ConfigError: a slot is not filled."""
        return joined(self._parts(self.text, filled, coder))

    def around(self, slot: str, filled: Mapping[str, Filling], coder: PieceCoder) -> tuple[Tokens, Tokens]:
        """The text before a slot, and between it and [?]. Raises: ConfigError: another slot is not filled."""
        before, after = self.text.split("{" + slot + "}", 1)
        return joined(self._parts(before, filled, coder)), joined(self._parts(after, filled, coder))

    def _parts(self, text: str, filled: Mapping[str, Filling], coder: PieceCoder) -> list[Tokens]:
        parts: list[Tokens] = []
        for part in _PARTS.split(text):
            if part == ANSWER or not part:
                continue
            if not _PARTS.fullmatch(part):
                parts.append(coder.code([Piece(part)]))
                continue
            if part[1:-1] not in filled:
                raise ConfigError(
                    f"the template {self.id!r} has the slot {part}, which nothing fills; there are: {', '.join(filled)}"
                )
            filling = filled[part[1:-1]]
            parts.append(filling if isinstance(filling, Tokens) else coder.code(filling))
        return [tokens for tokens in parts if len(tokens)]


@lru_cache(maxsize=32)
def load_templates(family: Family, more: Path | None = None) -> tuple[Template, ...]:
    """Ours of a family, and those of a user's file, each of which names its family.

    Raises: ConfigError: the file or a template in it is not right, or two have the same id.
    """
    templates = _read(FOLDER / f"{family}.toml", family, {"family": family})
    if more is not None:
        templates += _read(more, family, {})
    names = [template.id for template in templates]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"two templates are called {twice!r}; give each its own id")
    return templates


def _read(path: Path, family: Family, implied: Mapping[str, object]) -> tuple[Template, ...]:
    form = "each is a [[template]] with id, family, kind and text"
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8")).get("template", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the templates in {path} cannot be read ({error}); {form}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"the templates in {path} cannot be read; {form}")
    checked = [_checked({**implied, **row}, path) for row in rows]
    return tuple(template for template in checked if template.family == family)


def _checked(row: Mapping[str, object], path: Path) -> Template:
    lacking = [name for name in ("id", "family", "kind", "text") if not isinstance(row.get(name), str)]
    if lacking:
        raise ConfigError(f"a template in {path} lacks {', '.join(lacking)}: {dict(row)!r}")
    family, unseen = row["family"], row.get("unseen", False)
    if family not in FAMILIES:
        raise ConfigError(f"the template {row['id']!r} in {path} has the family {family!r}; there are {', '.join(FAMILIES)}")
    if unknown := sorted(set(row) - _KEYS) or ([] if isinstance(unseen, bool) else ["unseen"]):
        raise ConfigError(f"the template {row['id']!r} in {path} has an unknown {unknown[0]!r}; unseen is true or false")
    try:
        return Template(str(row["id"]), family, str(row["kind"]), str(row["text"]), bool(unseen))  # type: ignore[arg-type]
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
