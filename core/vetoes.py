"""Which reasons a shop does not want: a list of words that are denied, a list of reasons that alone are allowed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from llmrg.core.errors import ConfigError
from llmrg.core.places import place_error
from llmrg.core.records import ReasoningGraph
from llmrg.core.settings import Settings

SENSITIVE: Final = Path(__file__).with_name("sensitive_words.txt")
"""Words for what people may not want to be told about themselves."""
_BETWEEN: Final = r"[\W_]+"
"""What stands between the words of a phrase: `mental health` is found in `mental-health` too."""
_NO_WORD: Final = re.compile(r"[\W_]*")
_LETTER: Final = r"(?:[^\W_]|[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0900-\u0963\u0966-\u109f])"
"""A letter, a digit, or a sign that belongs to a letter (accents, vowels of Hebrew, Arabic, Indian scripts)."""


@dataclass(frozen=True)
class Vetoes:
    """A reason is refused where a denied word or phrase stands in it, or where it is on no list of allowed ones.

    Whole words are compared, without regard to case; a `*` at the end stands for any further letters of the word. A denied
    phrase may stand anywhere in a reason, an allowed one must be the whole reason.
    """

    denied: tuple[str, ...] = ()
    allowed: tuple[str, ...] | None = None
    """None: all that is not denied."""

    def __bool__(self) -> bool:
        return bool(self.denied) or self.allowed is not None

    def refuse(self, reason: str) -> bool:
        return self.deny(reason) or (self._allowed is not None and not self._allowed.fullmatch(_folded(reason).strip()))

    def deny(self, text: str) -> bool:
        """Whether a denied word or phrase stands in a text that need not be a reason."""
        return self._denied is not None and self._denied.search(_folded(text)) is not None

    def shown(self, graph: ReasoningGraph) -> ReasoningGraph:
        """The graph without the steps whose reason is refused."""
        return replace(graph, steps=tuple(step for step in graph.steps if not self.refuse(step.reason))) if self else graph

    def identity(self) -> dict[str, list[str]]:
        """The words that count, each once, whatever file they came from and in whatever order; for the name of a run."""
        lists = {"denied": self.denied, "allowed": self.allowed}
        return {name: sorted({_folded(word) for word in words}) for name, words in lists.items() if words is not None and words}

    @cached_property
    def _denied(self) -> re.Pattern[str] | None:
        return _any_of(self.denied, f"(?<!{_LETTER})(?:{{}})(?!{_LETTER})") if self.denied else None

    @cached_property
    def _allowed(self) -> re.Pattern[str] | None:
        return None if self.allowed is None else _any_of(self.allowed, "(?:{})")


def load_vetoes(settings: Settings) -> Vetoes:
    """The lists that the settings name. Raises: ConfigError: a line that cannot be used; PlaceError: a file cannot be read."""
    denied = read_words(settings.deny_reasons, "--deny or LLMRG_DENY_REASONS") if settings.deny_reasons else ()
    sensitive = read_words(SENSITIVE) if settings.deny_sensitive else ()
    allowed = read_words(settings.allow_reasons, "--allow or LLMRG_ALLOW_REASONS") if settings.allow_reasons else None
    if allowed is not None and not allowed:
        raise ConfigError(f"{settings.allow_reasons} allows no reason at all; write one a line, or leave out --allow")
    return Vetoes((*denied, *sensitive), allowed)


def read_words(path: Path, named_by: str = "") -> tuple[str, ...]:
    """One word or phrase a line; lines that are empty or begin with `#` are passed over.

    Raises: ConfigError: a line that cannot be used; PlaceError: the file cannot be read. Both name the file.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise place_error(error, path, f"name another file with {named_by}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        where = f"byte {error.object[error.start]:#04x} in line {line}"
        raise ConfigError(f"{path} is not UTF-8 text ({where}); save it as UTF-8") from error
    numbered = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return tuple(_checked(line, f"{path}, line {number}") for number, line in numbered if line and not line.startswith("#"))


def _checked(word: str, place: str) -> str:
    """Raises: ConfigError: a `*` that is not at the end, or no letter or digit."""
    if "\0" in word:
        raise ConfigError(f"{place}: there is a NUL character; save the file as UTF-8 text")
    if "*" in word[:-1] or word.endswith(" *"):
        raise ConfigError(f"{place}: {word!r} has a * that does not end its last word, as in depress* for all that begin so")
    if _NO_WORD.fullmatch(word):
        raise ConfigError(f"{place}: {word!r} has no letter or digit, so it names no reason; write a word, or take the line out")
    return word


def _any_of(words: Iterable[str], frame: str) -> re.Pattern[str]:
    return re.compile(frame.replace("{}", "|".join(_pattern(_folded(word)) for word in words)))


def _pattern(word: str) -> str:
    stem = word.removesuffix("*")
    words = _BETWEEN.join(re.escape(part) for part in stem.replace("_", " ").replace("-", " ").split())
    return words + (f"{_LETTER}*" if stem != word else "")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
