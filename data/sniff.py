"""Which loader a path wants: told by its name and by what is in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from llmrg.core.errors import ConfigError, DataError
from llmrg.data.amazon import SEQUENCES, load_amazon_pair, load_amazon_reviews, load_amazon_sequences
from llmrg.data.dataset import Dataset
from llmrg.data.files import Bundle, open_text
from llmrg.data.movielens import is_movielens, load_movielens
from llmrg.data.recbole import load_recbole
from llmrg.data.rows import OnBadRow
from llmrg.data.tables import kind_of, load_tables


def load_path(
    path: Path,
    *,
    name: str = "",
    columns: Mapping[str, str] | None = None,
    on_bad_row: OnBadRow = "error",
    min_interactions: int = 1,
    items: Path | None = None,
    users: Path | None = None,
) -> Dataset:
    """Read a file or folder of any known form.

    Raises:
        DataError: the path is empty or of no known form; else as its loader.
        ConfigError: columns or further tables are named for a form that has its own.
    """
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty")
    said = [word for word, value in (("columns", columns), ("items", items), ("users", users)) if value]
    fixed = None if columns and kind_of(path) else _fixed_form(path)
    if fixed is not None:
        if said:
            raise ConfigError(f"{path} has a form of its own; {' and '.join(said)} cannot be given with it")
        return fixed(name=name, on_bad_row=on_bad_row, min_interactions=min_interactions)
    if path.suffix == ".inter" or (path.is_dir() and any(path.glob("*.inter"))):
        return load_recbole(path, name=name, columns=columns, on_bad_row=on_bad_row, min_interactions=min_interactions)
    return load_tables(path, items, users, name=name, columns=columns, on_bad_row=on_bad_row, min_interactions=min_interactions)


def _fixed_form(path: Path) -> Callable[..., Dataset] | None:
    """The loader of a form whose columns are given: MovieLens, Amazon; None for tables and atomic files."""
    if path.is_dir() or path.suffix == ".zip":
        bundle = Bundle(path)
        if is_movielens(bundle):
            return partial(load_movielens, path)
        if path.is_file():
            raise DataError(
                f"{path}: of zip archives only MovieLens is known; there are: {', '.join(bundle.names[:20])}; unpack it"
            )
        reviews = [file for file in bundle.names if file.startswith("reviews_")]
        return partial(load_amazon_reviews, path / reviews[0]) if len(reviews) == 1 else None
    bare = path.name.removesuffix(".gz")
    if bare.endswith(SEQUENCES):
        return partial(load_amazon_pair, path)
    if bare.endswith(".txt"):
        return partial(load_amazon_sequences, path)
    return partial(load_amazon_reviews, path) if kind_of(path) == ".jsonl" and _are_reviews(path) else None


def _are_reviews(path: Path) -> bool:
    with open_text(path) as file:
        head = file.readline(100_000)
    return '"reviewerID"' in head and '"asin"' in head
