"""Cells of a column: each different one is read once, by the rule of one cell (`llmrg.data.rows`), or by a faster equal."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llmrg.core.errors import BadRowError
from llmrg.data.cells import EXACT, UNITS
from llmrg.data.rows import ColumnRule, Row

Cells = Any
"""One column, a `pyarrow.Array` or a list: of Arrow where its cells are of one plain kind, else objects as a frame has them."""
COLUMN = "cell"


class IdColumn:
    """Texts that come again and again, as codes over one table for all blocks."""

    def __init__(self, rule: ColumnRule, missing: Collection[str], codes: dict[str, int]) -> None:
        self.rule, self.codes = rule, codes
        self._missing = missing
        self._known: dict[str, int] = {}

    def of(self, cells: Cells) -> np.ndarray:
        """(n,) int32 codes, -1 for a bad cell."""
        distinct, where = coded(cells)
        codes = np.array([self._code(cell) for cell in distinct], dtype=np.int32)
        return np.asarray(codes[where])

    def _code(self, cell: Any) -> int:
        if type(cell) is not str:
            return self._read(cell)
        code = self._known.get(cell)
        if code is None:
            code = self._known[cell] = self._read(cell)
        return code

    def _read(self, cell: Any) -> int:
        try:
            text = self.rule.read(Row("", 0, {COLUMN: cell}, self._missing), COLUMN)
        except BadRowError:
            return -1
        return self.codes.setdefault(text, len(self.codes))


def numbers_of(cells: Cells, rule: ColumnRule, missing: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """(n,) float64 with NaN for none, and (n,) bool: whether the cell is bad."""
    if not isinstance(cells, list | tuple) and (pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)):
        return _of_numbers(cells, rule, missing)
    is_text = not isinstance(cells, list | tuple) and (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type))
    if not (rule.kind and is_text):
        distinct, where = coded(cells)
        values, bad = _each(distinct, np.empty(len(distinct)), np.arange(len(distinct)), rule, missing)
        return values[where], bad[where]
    texts = pc.fill_null(cells, "") if cells.null_count else cells
    plain = _digits(texts, rule, missing)
    values, bad = np.full(len(texts), np.nan), np.zeros(len(texts), dtype=bool)
    values[plain] = _numpy(_where(texts, plain).cast(pa.int64()))
    if rule.kind == "time":
        values = _scaled(values)
    if not plain.all():
        encoded = (_where(texts, ~plain) if plain.any() else texts).dictionary_encode()
        where = _numpy(encoded.indices)
        values[~plain], bad[~plain] = (of[where] for of in _of_texts(encoded.dictionary, rule, missing))
    return values, bad


def _digits(texts: pa.Array, rule: ColumnRule, missing: Collection[str]) -> np.ndarray:
    """(n,) bool: whether a text is digits alone, which mean a number and nothing else."""
    length = _numpy(pc.binary_length(texts))
    plain = _truths(pc.ascii_is_decimal(texts)) & (length > 0) & (length <= 18)
    if rule.kind == "time":
        plain &= (length != 8) & (length != 14)  # that may be a day
    for word in missing:
        if word.isdigit():
            plain &= ~_truths(pc.equal(texts, word))
    return plain


def _of_texts(texts: pa.Array, rule: ColumnRule, missing: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """Values of different texts, and which are bad."""
    values, plain = np.full(len(texts), np.nan), np.zeros(len(texts), dtype=bool)
    if rule.kind == "number":
        plain = _truths(pc.match_substring_regex(texts, r"^\d{1,18}\.\d{1,18}$"))
        for word in missing:
            if word.replace(".", "", 1).isdigit():
                plain &= ~_truths(pc.equal(texts, word))
        values[plain] = _numpy(_where(texts, plain).cast(pa.float64()))
    return _each(texts, values, np.flatnonzero(~plain), rule, missing)


def _each(
    distinct: Any, values: np.ndarray, left: np.ndarray, rule: ColumnRule, missing: Collection[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Values of the cells that are left to the rule, and which of all are bad."""
    bad = np.zeros(len(values), dtype=bool)
    for n in left.tolist():
        cell = distinct[n].as_py() if isinstance(distinct, pa.Array) else distinct[n]
        try:
            value = rule.read(Row("", 0, {COLUMN: cell}, missing), COLUMN)
        except BadRowError:
            bad[n] = True
            value = None
        values[n] = np.nan if value is None else value
    return values, bad


def _of_numbers(cells: pa.Array, rule: ColumnRule, missing: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """Of numbers that are kept as such."""
    values = _numpy(pc.fill_null(pc.cast(cells, pa.float64(), safe=False), np.nan)).copy()
    whole = np.isfinite(values) & (values == np.trunc(values))
    size = np.abs(values)
    slow = ~np.isfinite(values) if rule.kind == "time" else np.isinf(values)
    if pa.types.is_floating(cells.type):
        slow |= whole & (size > EXACT)
    if rule.kind == "time":  # 8 and 14 digits may be a day
        slow |= whole & (((values >= 1e7) & (values < 1e8)) | ((values >= 1e13) & (values < 1e14)))
        values = np.where(slow, np.nan, _scaled(values))
    slow = slow if rule.kind else np.ones(len(values), dtype=bool)
    return _each(cells, values, np.flatnonzero(slow), rule, missing)


def _scaled(values: np.ndarray) -> np.ndarray:
    """Seconds of numbers that may count thousandths, millionths or billionths: as `cells.seconds`."""
    size = np.abs(values)
    parts = np.select([size >= least for least, _ in UNITS], [parts for _, parts in UNITS], 1.0)
    return np.asarray(values / parts)


def as_cells(array: pa.Array) -> Cells:
    """An Arrow column: as it is where its cells are texts, numbers or truths, else as objects."""
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kinds = ("is_string", "is_large_string", "is_integer", "is_float32", "is_float64", "is_boolean")
    return array if any(getattr(pa.types, kind)(array.type) for kind in kinds) else array.to_pylist()


def coded(cells: Cells) -> tuple[list[Any], np.ndarray]:
    """The different cells, by first appearance, and (n,) which of them stands where."""
    if not isinstance(cells, list | tuple):
        encoded = cells.dictionary_encode(null_encoding="encode")
        return encoded.dictionary.to_pylist(), _numpy(encoded.indices)
    numbers: dict[Any, int] = {}
    distinct: list[Any] = []
    where = np.empty(len(cells), dtype=np.int32)
    for n, cell in enumerate(cells):
        try:
            code = numbers.setdefault((type(cell), cell), len(distinct))
        except TypeError:  # lists and records have no hash
            code = len(distinct)
        where[n] = code
        if code == len(distinct):
            distinct.append(cell)
    return distinct, where


def _where(texts: pa.Array, mask: np.ndarray) -> pa.Array:
    """The texts at which (n,) a mask is true."""
    bits = pa.py_buffer(np.packbits(mask, bitorder="little"))
    return texts.filter(pa.BooleanArray.from_buffers(pa.bool_(), len(mask), [None, bits]))


def _numpy(array: pa.Array) -> np.ndarray:
    """An array of numbers without nulls. (Arrow's own way loads pandas, which takes as long as a million rows.)"""
    return np.from_dlpack(array)


def _truths(array: pa.Array) -> np.ndarray:
    return _numpy(array.cast(pa.uint8())).astype(bool)
