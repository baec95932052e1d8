"""Which loader a path wants: told by its name and by what is in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from llmrg.core.errors import ConfigError, DataError
from llmrg.data.amazon import SEQUENCES, is_sequences, load_amazon_pair, load_amazon_sequences
from llmrg.data.dataset import Dataset
from llmrg.data.files import UTF_8, Bundle, first_bytes, unpacked
from llmrg.data.lastfm import is_hetrec, is_log, load_hetrec, load_log
from llmrg.data.memory import check_memory
from llmrg.data.movielens import is_movielens, load_movielens
from llmrg.data.options import ReadOptions
from llmrg.data.recbole import load_recbole
from llmrg.data.review_layouts import LAYOUTS
from llmrg.data.reviews import layout_of, load_reviews
from llmrg.data.tables import kind_of, load_tables


def load_path(path: Path, options: ReadOptions | None = None, *, items: Path | None = None, users: Path | None = None) -> Dataset:
    """Read a file or folder of any known form.

    Raises:
        DataError: the path is empty or of no known form; else as its loader.
        ConfigError: columns or further tables are named for a form that has its own.
    """
    options = options or ReadOptions()
    check_memory(path)
    if path.suffix.lower() == ".zip" and path.is_file() and not _known_archive(path):
        with unpacked(path) as inside:
            packed = str(inside.parent if inside.is_file() else inside)
            dataset = load_path(inside, replace(options, name=options.name or path.stem), items=items, users=users)
        report = dataset.report
        notes = tuple(note.replace(packed, str(path)) for note in report.notes)
        return replace(dataset, report=replace(report, source=report.source.replace(packed, str(path)), notes=notes))
    if path.is_file() and not first_bytes(path):
        raise DataError(f"{path}: the file is empty")
    given = [word for word, value in (("columns", options.columns), ("items", items), ("users", users)) if value]
    as_table = bool(given or not options.header or options.separator) and (kind_of(path) or options.separator)
    fixed = None if as_table and path.is_file() else _fixed_form(path)
    if fixed is not None:
        given += ["encoding"] if options.encoding != UTF_8 else []
        if given:
            raise ConfigError(f"{path} has a form of its own; {' and '.join(given)} cannot be given with it")
        return fixed(name=options.name, on_bad_row=options.on_bad_row, min_interactions=options.min_interactions)
    if path.suffix == ".inter" or (path.is_dir() and any(path.glob("*.inter"))):
        return load_recbole(path, options)
    return load_tables(path, items, users, options)


def _known_archive(path: Path) -> bool:
    """Whether it holds what is read without unpacking. Raises: DataError: a damaged archive."""
    bundle = Bundle(path)
    return is_movielens(bundle) or is_hetrec(bundle)


def _fixed_form(path: Path) -> Callable[..., Dataset] | None:
    """The loader of a form whose columns are given; None for tables and atomic files."""
    if path.is_dir() or path.suffix.lower() == ".zip":
        bundle = Bundle(path)
        if is_movielens(bundle):
            return partial(load_movielens, path)
        if is_hetrec(bundle):
            return partial(load_hetrec, path)
        return _reviews_in(path)
    bare = path.name.removesuffix(".gz")
    if bare.endswith(SEQUENCES):
        return partial(load_amazon_pair, path)
    if is_log(path):
        return partial(load_log, path)
    if bare.endswith(".txt") and is_sequences(path):
        return partial(load_amazon_sequences, path)
    layout = layout_of(path, LAYOUTS)
    return partial(load_reviews, path, layout) if layout else None


def _reviews_in(folder: Path) -> Callable[..., Dataset] | None:
    """Raises: DataError: several files of a folder are reviews."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name.split(".")[0] not in ("items", "users")]
    if any(path.name.split(".")[0] == "interactions" for path in files):
        return None
    reviews = [(path, layout) for path in files if first_bytes(path) and (layout := layout_of(path, LAYOUTS))]
    if len(reviews) > 1:
        raise DataError(f"{folder}: more than one file of reviews ({', '.join(p.name for p, _ in reviews)}); name the file")
    return partial(load_reviews, *reviews[0]) if reviews else None
