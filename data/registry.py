"""Data sets by name: which are known, where they lie, how to get one; and `load_data`, the one way in for any source."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmrg.core.errors import ConfigError, DataError
from llmrg.data.cells import MISSING
from llmrg.data.dataset import Dataset
from llmrg.data.demo_set import load_demo
from llmrg.data.download import Progress, download
from llmrg.data.files import UTF_8
from llmrg.data.known_sets import KNOWN, KnownSet
from llmrg.data.options import ReadOptions
from llmrg.data.rows import OnBadRow
from llmrg.data.sniff import load_path
from llmrg.data.summary import DatasetSummary, inspect

__all__ = ["DatasetSummary", "SetStatus", "checksums", "find", "get", "inspect", "known_sets", "load_data", "terms"]


@dataclass(frozen=True)
class SetStatus:
    """One line of `llmrg data list`."""

    name: str
    what: str
    publisher: str
    licence: str
    size: str
    here: str
    """Path of the files, `bundled`, or "" if they are not here."""


def known_sets(data_dir: Path, extra_dirs: Sequence[Path] = ()) -> list[SetStatus]:
    """All known data sets, and which of them are here."""
    return [SetStatus(k.name, k.about, k.publisher, k.terms, k.size, _here(k, data_dir, extra_dirs)) for k in KNOWN.values()]


def terms(name: str) -> str:
    """What to show before a download. Raises: DataError: no known data set."""
    data_set = _known(name)
    return f"{data_set.name}: {data_set.about}\n{data_set.publisher}\n{data_set.terms}\nDownload: {data_set.size}".replace(
        "\n\n", "\n"
    )


def find(name_or_path: str | Path, data_dir: Path, extra_dirs: Sequence[Path] = ()) -> Path:
    """The file or folder of a known data set or of a path.

    Raises:
        DataError: not there; the message says how to get it.
    """
    name = str(name_or_path)
    if not name.strip():
        raise DataError("no data set is named: an empty text was given")
    located = _located(KNOWN[name], data_dir, extra_dirs) if name in KNOWN else None
    if located is not None:
        return located
    path = Path(name_or_path).expanduser()
    if path.exists():
        return path
    if name in KNOWN:
        raise DataError(f"data set {name!r} is not in {data_dir}; get it with `llmrg data get {name}`")
    raise DataError(f"no file, folder or known data set {name!r}; known are: {', '.join(KNOWN)}")


def get(name: str, data_dir: Path, progress: Progress | None = None) -> Path:
    """Download a data set into `data_dir/name` and return that folder. The demo set is bundled: its own folder.

    Raises:
        DataError: unknown name, no network (the message says what to put where), or a checksum that differs.
    """
    data_set = _known(name)
    if data_set.reader == "demo":
        return Path(__file__).parent / "demo"
    download(data_set, data_dir / name, progress)
    return data_dir / name


def checksums(name: str, data_dir: Path) -> dict[str, str]:
    """What there is to say of the checksums of files that `get` has put there. Raises: DataError: see `get`."""
    return download(_known(name), data_dir / name)


def load_data(
    source: Any,
    *,
    data_dir: Path | None = None,
    items: Any = None,
    users: Any = None,
    columns: Mapping[str, str | int] | None = None,
    separator: str = "",
    header: bool = True,
    list_separator: str | Mapping[str, str] = "",
    missing: Collection[str] = MISSING,
    time_format: str = "",
    on_bad_row: OnBadRow = "error",
    min_interactions: int = 1,
    name: str = "",
    encoding: str = UTF_8,
) -> Dataset:
    """Read a data set from anywhere.

    Args:
        source: `demo`, the name of a known data set, a file or folder, or a pandas or Polars frame of interactions.
        data_dir: where known data sets lie; by default the setting `data_dir`.
        items, users: tables or frames (as `source` is) with a row per item or user, whose columns become attributes.
        columns: role -> column for tables, frames and RecBole files; the roles are user, item, time, rating, title,
            headline, text; `items.title`, `users.user` and so on mean the one of that table.
        separator: between the columns of a text table, where its name and first line do not say it.
        header: False where a text table has no line of names; its columns are then called 1, 2, 3.
        list_separator: between the values of one cell, for all columns or by column (lists and `|` are known anyhow).
        missing: words that stand for a missing value; () for none.
        time_format: of times that are neither Unix times nor ISO dates, as `datetime.strptime` takes it.
        min_interactions: k-core: users and items with fewer interactions are taken out; 1 keeps everything.
        name: what to call the data set, also its namespace in the store; by default the known name, the file's or folder's, or
            for frames one that is made of their content.
        encoding: of text tables that are neither UTF-8 nor UTF-16.
    Raises:
        DataError: the source cannot be found or read, or it is not clear what a column means.
        BadRowError: a row cannot be read, and bad rows are not skipped. ConfigError: an option is off.
    """
    options = ReadOptions(
        columns or {}, separator, header, list_separator, missing, time_format, on_bad_row, min_interactions, name, encoding
    )  # fmt: skip
    if not isinstance(source, str | Path):
        from llmrg.data.frames import load_frames

        return load_frames(source, items, users, options)
    if str(source) == "demo":
        given = [word for word, value in (("columns", columns or None), ("items", items), ("users", users)) if value is not None]
        if given:
            raise ConfigError(f"the demo set has a form of its own; {' and '.join(given)} cannot be given with it")
        default = "demo" if min_interactions == 1 else f"demo-{min_interactions}core"
        return replace(load_demo(min_interactions), name=name or default)
    if data_dir is None:
        from llmrg.core.settings import load_settings

        data_dir = load_settings().data_dir.expanduser()
    listed = str(source) if str(source) in KNOWN else ""
    beside = {"items": items, "users": users}
    frames = [word for word, table in beside.items() if table is not None and not isinstance(table, str | Path)]
    if frames:
        raise ConfigError(
            f"{frames[0]} must be a file where the interactions are one; give all of them as files, or all as frames"
        )
    paths = {word: Path(path).expanduser() for word, path in beside.items() if path is not None}
    dataset = load_path(find(source, data_dir), replace(options, name=name or listed), **paths)
    return dataset if name or min_interactions == 1 else replace(dataset, name=f"{dataset.name}-{min_interactions}core")


def _known(name: str) -> KnownSet:
    if name not in KNOWN:
        raise DataError(f"no known data set {name!r}; known are: {', '.join(KNOWN)}")
    return KNOWN[name]


def _here(data_set: KnownSet, data_dir: Path, extra_dirs: Sequence[Path]) -> str:
    return "bundled" if data_set.reader == "demo" else str(_located(data_set, data_dir, extra_dirs) or "")


def _located(data_set: KnownSet, data_dir: Path, extra_dirs: Sequence[Path]) -> Path | None:
    places = (folder / place for folder in (data_dir, *extra_dirs) for place in data_set.places)
    return next((place for place in places if place.exists()), None)
