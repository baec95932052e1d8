"""Cells of a column: each different one is read once, by the rule of one cell (`llmrg.data.rows`), or by a faster equal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llmrg.core.errors import BadRowError
from llmrg.data.cells import EXACT, UNITS
from llmrg.data.rows import ColumnRule, Row

Cells = pa.Array | Sequence[Any]
"""One column: of Arrow where its cells are of one plain kind, else objects as a frame has them."""
COLUMN = "cell"


class IdColumn:
    """Texts that come again and again, as codes over one table for all blocks."""

    def __init__(self, rule: ColumnRule, missing: Collection[str], codes: dict[str, int]) -> None:
        self.rule, self.codes = rule, codes
        self._missing = missing
        self._known: dict[Any, int] = {}

    def of(self, cells: Cells) -> np.ndarray:
        """(n,) int32 codes, -1 for a bad cell."""
        distinct, where = coded(cells)
        return np.array([self._code(cell) for cell in distinct], dtype=np.int32)[where]

    def _code(self, cell: Any) -> int:
        key = cell if type(cell) is str else None
        if key is None:
            return self._read(cell)
        code = self._known.get(key)
        if code is None:
            code = self._known[key] = self._read(cell)
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
    distinct, where, texts = _coded(cells)
    values, left = _of_digits(texts, rule, missing) if texts is not None else (np.empty(len(distinct)), np.arange(len(distinct)))
    values, bad = _each(distinct, values, left, rule, missing)
    return values[where], bad[where]


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


def _of_digits(texts: pa.Array, rule: ColumnRule, missing: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """Values of texts that are digits (with a decimal point, where it is no time), and the numbers of those that are not."""
    plain = np.zeros(len(texts), dtype=bool)
    length = np.asarray(pc.binary_length(pc.fill_null(texts, "")))
    if rule.kind == "time":  # 8 and 14 digits may be a day
        plain = _bools(pc.ascii_is_decimal(texts)) & (length > 0) & (length <= 18) & (length != 8) & (length != 14)
    elif rule.kind == "number":
        plain = _bools(pc.match_substring_regex(texts, r"^\d+(\.\d+)?$")) & (length <= 18)
    plain &= ~_bools(pc.is_in(texts, pa.array(list(missing), texts.type)))
    values = np.full(len(texts), np.nan)
    digits = texts.filter(pa.array(plain))
    if rule.kind == "time":
        values[plain] = _scaled(np.asarray(digits.cast(pa.int64())).astype(np.float64))
    else:
        values[plain] = np.asarray(digits.cast(pa.float64()))
    return values, np.flatnonzero(~plain)


def _of_numbers(cells: pa.Array, rule: ColumnRule, missing: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """Of numbers that are kept as such."""
    values = np.asarray(pc.cast(cells, pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64).copy()
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
    distinct, where, texts = _coded(cells)
    return (distinct if texts is None else texts.to_pylist()), where


def _coded(cells: Cells) -> tuple[Any, np.ndarray, pa.Array | None]:
    """As `coded`, the different ones as an Arrow array of texts too where they are texts."""
    if isinstance(cells, list | tuple):
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
        return distinct, where, None
    encoded = cells.dictionary_encode(null_encoding="encode")
    where = np.asarray(encoded.indices.to_numpy(zero_copy_only=False))
    if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
        return encoded.dictionary, where, encoded.dictionary
    return encoded.dictionary.to_pylist(), where, None


def _bools(array: Any) -> np.ndarray:
    return np.asarray(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=bool)
