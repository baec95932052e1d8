"""A namespace as a folder of open files: ten tables in Parquet or JSONL, and `manifest.json`.

While an export is under way the manifest is called `manifest.json.part`: nothing reads such a folder, and the next export into it
starts anew.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, NonNegativeInt

from llmrg.core.errors import NotAStoreError, StoreError, StoreFullError, StoreVersionError
from llmrg.core.records import Item, Knowledge, VectorSpace
from llmrg.core.themes import Themes
from llmrg.graph_store import folder_rows
from llmrg.graph_store.contents import PAGE, Contents, Counted, Progress, RunContents, UserContents, followed
from llmrg.graph_store.folder_files import FileFormat, TableWriter, count_rows, read_records
from llmrg.graph_store.folder_rows import COLUMNS, Row, Table, columns_of

FORMAT_VERSION = 3
MANIFEST, UNFINISHED = "manifest.json", "manifest.json.part"
T = TypeVar("T")


class Manifest(BaseModel, frozen=True):
    """What a folder holds."""

    format: Literal["llmrg graph store"] = "llmrg graph store"
    format_version: int = FORMAT_VERSION
    created_by: str
    namespace: str
    files: FileFormat
    rows: dict[Table, NonNegativeInt]
    """Rows of each table."""
    vectors: VectorSpace | None = None
    """What makes the vectors of the knowledge base."""


def export_folder(contents: Contents, folder: Path, files: FileFormat = "parquet", progress: Progress | None = None) -> Manifest:
    """Write everything into a new or empty folder, or into one that an export left unfinished.

    Raises:
        NotAStoreError: the folder holds something else, or a whole export; nothing of it was changed.
        StoreFullError: no space left. StoreError: the folder cannot be written, or the contents not read.
    """
    with _as_store_errors(folder):
        _prepare(folder)
        with ExitStack() as stack:
            writers = {t: stack.enter_context(TableWriter(folder / f"{t}.{files}", COLUMNS[t])) for t in COLUMNS}
            _write(contents, writers, progress)
        rows = {table: writer.rows for table, writer in writers.items()}
        manifest = Manifest(
            created_by=f"llmrg {version('llmrg')}",
            namespace=contents.namespace,
            files=files,
            rows=rows,
            vectors=contents.vector_space(),
        )
        (folder / UNFINISHED).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (folder / UNFINISHED).rename(folder / MANIFEST)
    return manifest


def open_folder(folder: Path) -> FolderContents:
    """The contents of a finished export, for `copy_contents`.

    Raises:
        NotAStoreError: not an export, an unfinished one, or one with a table that is missing, damaged or of another length.
        StoreVersionError: a newer release wrote it.
    """
    manifest = _manifest(folder)
    for table in columns_of(manifest.format_version):
        path = folder / f"{table}.{manifest.files}"
        counted, stated = count_rows(path), manifest.rows.get(table)
        if counted != stated:
            raise NotAStoreError(
                f"{path} has {counted} rows where the manifest says {stated}: it was cut short or changed; export again"
            )
    return FolderContents(folder, manifest)


class FolderContents:
    """`Contents` of a folder. What its methods read may raise NotAStoreError."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest, self.namespace = folder, manifest, manifest.namespace

    def total(self, what: Counted) -> int:
        return self.manifest.rows[what]

    def items(self) -> Iterator[Item]:
        return self._read("items", folder_rows.item_from)

    def users(self) -> Iterator[Sequence[UserContents]]:
        steps = self._read("steps", folder_rows.step_from)
        if "graphs" in columns_of(self.manifest.format_version):
            graphs = self._read("graphs", lambda row: folder_rows.graph_from(row, steps))
            yield from _pages(self._read("users", lambda row: folder_rows.user_from(row, graphs)))
            self._check_spent("graphs", graphs)
        else:
            yield from _pages(self._read("users", lambda row: folder_rows.user_of_one_graph(row, steps)))
        self._check_spent("steps", steps)

    def vector_space(self) -> VectorSpace | None:
        return self.manifest.vectors

    def knowledge(self) -> Iterator[Sequence[Knowledge]]:
        yield from _pages(self._read("knowledge", folder_rows.knowledge_from))

    def themes(self) -> Themes:
        if "theme_texts" not in columns_of(self.manifest.format_version):
            return Themes()
        appeals = self._read("appeals", dict)
        profiles = tuple(self._read("profiles", lambda row: folder_rows.profile_from(row, appeals)))
        self._check_spent("appeals", appeals)
        return Themes({row["text"]: row["theme"] for row in self._read("theme_texts", dict)}, profiles)

    def runs(self) -> Iterator[RunContents]:
        statuses = self._read("statuses", dict)
        yield from self._read("runs", lambda row: folder_rows.run_from(row, statuses))
        self._check_spent("statuses", statuses)

    def _read(self, table: Table, make: Callable[[Row], T]) -> Iterator[T]:
        columns = columns_of(self.manifest.format_version)[table]
        return read_records(self.folder / f"{table}.{self.manifest.files}", columns, make)

    def _check_spent(self, table: Table, rest: Iterator[object]) -> None:
        if next(rest, None) is not None:
            raise NotAStoreError(f"{self.folder} has {table} that belong to no row of the others: it was changed; export again")


def _prepare(folder: Path) -> None:
    """An existing file is touched only in a folder that an export marked as its own."""
    if folder.exists() and not folder.is_dir():
        raise NotAStoreError(f"{folder} is a file; name a folder to export into")
    folder.mkdir(parents=True, exist_ok=True)
    there = {path.name for path in folder.iterdir()}
    if MANIFEST in there:
        raise NotAStoreError(f"{folder} holds a whole export already; name another folder, or remove this one first")
    if there and UNFINISHED not in there:
        raise NotAStoreError(f"{folder} holds something else ({min(there)!r}); name a new or an empty folder to export into")
    (folder / UNFINISHED).touch()
    for name in there - {UNFINISHED}:
        (folder / name).unlink()


def _write(contents: Contents, writers: Mapping[Table, TableWriter], progress: Progress | None) -> None:
    """Items come last: what a builder adds meanwhile can only speak of items that are then written too."""
    for users in followed(contents.users(), "users", contents, progress):
        writers["users"].write([folder_rows.user_row(history, len(graphs)) for history, graphs in users])
        writers["graphs"].write([folder_rows.graph_row(graph) for _, graphs in users for graph in graphs])
        writers["steps"].write([folder_rows.step_row(step) for _, graphs in users for graph in graphs for step in graph.steps])
    for entries in followed(contents.knowledge(), "knowledge", contents, progress):
        writers["knowledge"].write([folder_rows.knowledge_row(entry) for entry in entries])
    themes = contents.themes()
    writers["theme_texts"].write([folder_rows.theme_text_row(*pair) for pair in themes.of_text.items()])
    for profile in themes.profiles:
        writers["profiles"].write([folder_rows.profile_row(profile)])
        writers["appeals"].write([folder_rows.appeal_row(profile.source, appeal) for appeal in profile.appeals])
    for run, statuses in contents.runs():
        writers["runs"].write([folder_rows.run_row(run, len(statuses))])
        writers["statuses"].write([folder_rows.status_row(run, user, *status) for user, status in statuses.items()])
    writers["items"].write([folder_rows.item_row(item) for item in contents.items()])


def _manifest(folder: Path) -> Manifest:
    if not folder.is_dir():
        raise NotAStoreError(f"there is no folder {folder}; name one that `llmrg export` made, or a store URL")
    if (folder / UNFINISHED).exists():
        raise NotAStoreError(f"the export into {folder} did not finish; repeat it")
    if not (folder / MANIFEST).exists():
        raise NotAStoreError(f"{folder} has no {MANIFEST}, so it is not an export; name a folder that `llmrg export` made")
    try:
        content = json.loads((folder / MANIFEST).read_bytes())
        written = content["format_version"]
        newer = content["format"] == "llmrg graph store" and written > FORMAT_VERSION
        if not newer:
            return Manifest.model_validate(content)
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise NotAStoreError(f"{folder / MANIFEST} is damaged or not of an export ({error}); export again") from error
    raise StoreVersionError(f"{folder} has format {written}, this release reads up to {FORMAT_VERSION}; update llmrg")


def _pages(records: Iterator[T]) -> Iterator[Sequence[T]]:
    while page := list(islice(records, PAGE)):
        yield page


@contextmanager
def _as_store_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFullError(f"no space left for the export into {folder}; free some and repeat the export") from error
        raise StoreError(f"cannot export into {folder}: {error}") from error
