"""Prompts by family, in TOML files: ours, and any that a user adds."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from llmrg.core.errors import ConfigError
from llmrg.recsysllm.config import Family
from llmrg.recsysllm.pieces import Piece, PieceCoder, Tokens, joined

FOLDER = Path(__file__).parent / "templates"
ANSWER = "[?]"
SLOTS = ("user", "history", "item", "about", "stars", "headline", "review", "feature", "candidates", "graph")
_PARTS = re.compile(r"(\{[a-z]+\}|\[\?\])")

Filling = Tokens | Sequence[Piece]
"""What stands in a slot."""


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt with slots, and what kind of answer belongs at [?]."""

    id: str
    family: Family
    kind: str
    """What is asked: `next`, `choose`, `yes_no`, `stars`, `like`, `explain`, `headline`, ... ; each family knows its own."""
    text: str
    unseen: bool = False
    """Held out of training, to see how an unknown wording does."""

    @property
    def slots(self) -> tuple[str, ...]:
        return tuple(part[1:-1] for part in _PARTS.findall(self.text) if part != ANSWER)

    def prompt(self, filled: Mapping[str, Filling], coder: PieceCoder) -> Tokens:
        """The text before [?]. Raises: ConfigError: a slot is not filled."""
        return joined(self._parts(self.text, filled, coder))

    def around(self, slot: str, filled: Mapping[str, Filling], coder: PieceCoder) -> tuple[Tokens, Tokens]:
        """The text before a slot, and between it and [?]."""
        before, after = self.text.split("{" + slot + "}", 1)
        return joined(self._parts(before, filled, coder)), joined(self._parts(after, filled, coder))

    def _parts(self, text: str, filled: Mapping[str, Filling], coder: PieceCoder) -> list[Tokens]:
        found: list[Tokens] = []
        for part in _PARTS.split(text):
            if part == ANSWER or not part:
                continue
            if not _PARTS.fullmatch(part):
                found.append(coder.code([Piece(part)]))
                continue
            if part[1:-1] not in filled:
                raise ConfigError(
                    f"the template {self.id!r} has the slot {part}, which nothing fills; there are: {', '.join(filled)}"
                )
            filling = filled[part[1:-1]]
            found.append(filling if isinstance(filling, Tokens) else coder.code(filling))
        return [tokens for tokens in found if len(tokens)]


@lru_cache(maxsize=32)
def load_templates(family: Family, more: Path | None = None) -> tuple[Template, ...]:
    """Ours of a family, and those of a file of the same form. Raises: ConfigError: the file or a template in it is not right."""
    found = _read(FOLDER / f"{family}.toml", family)
    if more is not None:
        found += _read(more, family)
    names = [template.id for template in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"two templates are called {twice!r}; give each its own id")
    return found


def _read(path: Path, family: Family) -> tuple[Template, ...]:
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8")).get("template", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"the templates in {path} cannot be read ({error}); each is a [[template]] with id, kind and text"
        ) from error
    return tuple(_checked(row, family, path) for row in rows if row.get("family", family) == family)


def _checked(row: Mapping[str, object], family: Family, path: Path) -> Template:
    lacking = [name for name in ("id", "kind", "text") if not isinstance(row.get(name), str)]
    if lacking:
        raise ConfigError(f"a template in {path} lacks {', '.join(lacking)}: {dict(row)!r}")
    text = str(row["text"])
    made = Template(str(row["id"]), family, str(row["kind"]), text, bool(row.get("unseen", False)))
    unknown = [slot for slot in made.slots if slot not in SLOTS]
    if unknown:
        raise ConfigError(f"the template {made.id!r} in {path} has the slot {{{unknown[0]}}}; there are {', '.join(SLOTS)}")
    if not text.endswith(ANSWER) or text.count(ANSWER) > 1:
        raise ConfigError(f"the template {made.id!r} in {path} must end in {ANSWER}, where the answer belongs")
    return made
