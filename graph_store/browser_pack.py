"""What an analyst loads into Neo4j Browser: saved queries (`browser/*.cypher`) and a style (`browser/llmrg.grass`).

Browser takes one dropped file at a time: a `.zip` of `.cypher` files becomes a folder of favourites, a `.grass` file the style.
A favourite's first line, `// title`, is its name.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from llmrg.core.errors import CallerError

STYLE: Final = "llmrg.grass"
QUERIES: Final = "llmrg-queries.zip"
FOLDER: Final = "LLMRG"
"""Name of the folder among the favourites."""

_PACK: Final = files("llmrg.graph_store") / "browser"


@dataclass(frozen=True)
class SavedQuery:
    """One favourite."""

    name: str
    """Of its file, without `.cypher`."""
    text: str
    """What the file holds: comments, then the Cypher text."""

    @property
    def title(self) -> str:
        return self.text.splitlines()[0].removeprefix("// ")


def saved_queries() -> list[SavedQuery]:
    """The pack, in order of title."""
    files = [file for file in _PACK.iterdir() if file.name.endswith(".cypher")]
    pack = [SavedQuery(file.name.removesuffix(".cypher"), file.read_text(encoding="utf-8")) for file in files]
    return sorted(pack, key=lambda query: query.title)


def style() -> str:
    """Colours, sizes and captions of every label and relation kind, in Browser's GraSS format."""
    return (_PACK / STYLE).read_text(encoding="utf-8")


def write_pack(folder: Path) -> tuple[Path, Path]:
    """Write the two files to drop on Neo4j Browser, (queries, style), and return their paths.

    Raises: CallerError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / QUERIES, "w") as pack:
            for query in saved_queries():
                pack.writestr(f"{FOLDER}/{query.name}.cypher", query.text)
        (folder / STYLE).write_text(style(), encoding="utf-8")
    except OSError as error:
        raise CallerError(f"cannot write into the folder {str(folder)!r} ({error.strerror}); name another one") from error
    return folder / QUERIES, folder / STYLE
