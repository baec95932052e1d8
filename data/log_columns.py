"""A log read column by column: what each part's cells mean, which rows are bad, and what is left as `Interactions`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmrg.core.errors import BadRowError
from llmrg.core.records import Interaction
from llmrg.data.cells import MISSING
from llmrg.data.interactions import GrowingLog, Interactions, Words
from llmrg.data.rows import BadRows, ColumnRule, Row

WORDS = ("headline", "text", "title", "kind")
NUMBERS = ("at", "rating", "rank")


@dataclass(frozen=True)
class Block:
    """Some rows that follow each other, in columns."""

    source: str
    """Name of the file or frame, for messages."""
    line: int
    """1-based line of the first; each row has one."""
    cells: Mapping[str, Any]
    """Column -> (n,) cells: an Arrow array, or a list of objects."""
    padded: bool = False
    """Blanks in front of a text do not belong to it."""


@dataclass(frozen=True)
class LogRules:
    """How the rows of a log are read. `row` reads one; `columns` say the same of many."""

    row: Callable[[Row], Interaction]
    """Raises: BadRowError."""
    columns: Mapping[str, ColumnRule]
    """By part: `user`, `item`, `at`, `rating`, `headline`, `text`, `title`, `kind` of event, and `rank`, a place that
    rows are sorted by."""
    missing: Collection[str] = MISSING

    @property
    def wanted(self) -> list[str]:
        """The columns that are read."""
        return list(dict.fromkeys(rule.column for rule in self.columns.values()))

    def title(self, row: Row) -> str:
        rule = self.columns.get("title")
        return rule.read(row, rule.column) if rule else ""

    def kind(self, row: Row) -> str:
        rule = self.columns.get("kind")
        return rule.read(row, rule.column) if rule else ""

    def rank(self, row: Row) -> float:
        rule = self.columns.get("rank")
        return rule.read(row, rule.column) if rule else 0.0


Blocks = Callable[[Sequence[str]], Iterable[Block]]
"""The rows of a source in columns, of the columns that are named. Raises: NotPlainError: when some are read already, maybe."""


class NotPlainError(Exception):
    """The file is left to the reader that looks at each row."""


def read_log(blocks: Blocks | None, rows: Iterable[Row], rules: LogRules, bad_rows: BadRows) -> Interactions:
    """The interactions of a source: column by column where it can tell them so, else row by row.

    Raises: BadRowError: of the first bad row, unless they are skipped.
    """
    if blocks is not None:
        try:
            return _read_blocks(blocks(rules.wanted), rules, bad_rows)
        except NotPlainError:
            pass
    return _read_rows(rows, rules, bad_rows)


def _read_rows(rows: Iterable[Row], rules: LogRules, bad_rows: BadRows) -> Interactions:
    """Row by row: of what no reader has in columns."""
    log, ranks = GrowingLog(), list[float]()

    def read(row: Row) -> None:
        rank, interaction = rules.rank(row), rules.row(row)
        log.add(interaction, rules.title(row), rules.kind(row))
        ranks.append(rank)

    for _ in bad_rows.each(rows, read):
        pass
    return _ranked(log.columns(), np.array(ranks)) if "rank" in rules.columns else log.columns()


def _read_blocks(blocks: Iterable[Block], rules: LogRules, bad_rows: BadRows) -> Interactions:
    """Column by column, to the same end; bad rows are told when all is read. Raises: BadRowError."""
    from llmrg.data.column_cells import IdColumn, numbers_of  # Arrow is loaded where it is used

    users, items = dict[str, int](), dict[str, int]()
    ids = {part: IdColumn(rules.columns[part], rules.missing, codes) for part, codes in (("user", users), ("item", items))}
    words = {
        part: (codes := {"": 0}, IdColumn(rules.columns[part], rules.missing, codes)) for part in WORDS if part in rules.columns
    }
    kept: dict[str, list[np.ndarray]] = {part: [] for part in (*ids, *words, *NUMBERS)}
    errors: list[BadRowError] = []
    for block in blocks:
        values: dict[str, np.ndarray] = {}
        bad = np.zeros(len(next(iter(block.cells.values()))), dtype=bool)
        for part, rule in rules.columns.items():
            cells = block.cells[rule.column]
            if part in NUMBERS:
                values[part], refused = numbers_of(cells, rule, rules.missing)
            else:
                values[part] = (ids[part] if part in ids else words[part][1]).of(cells)
                refused = values[part] < 0
            bad |= refused
        errors += _errors(block, np.flatnonzero(bad), rules)
        for part, column in values.items():
            kept[part].append(column[~bad] if bad.any() else column)
    for error in errors:
        bad_rows.add(error)
    columns = {part: np.concatenate(kept.pop(part)) for part in list(kept) if kept[part]}
    none = np.full(len(columns["user"]), np.nan) if columns else np.zeros(0)
    log = Interactions(
        tuple(users),
        tuple(items),
        columns.get("user", np.zeros(0, np.int32)),
        columns.get("item", np.zeros(0, np.int32)),
        columns.get("at", none),
        _small(columns.pop("rating", none)),
        **{part: Words(columns[part], tuple(codes)) for part, (codes, _) in words.items() if columns and len(codes) > 1},
    )
    log = log.renumbered() if errors else log
    return _ranked(log, columns["rank"]) if "rank" in columns else log


def _small(numbers: np.ndarray) -> np.ndarray:
    """In half the bytes, where nothing is lost."""
    small = numbers.astype(np.float32)
    return small if np.array_equal(small, numbers, equal_nan=True) else numbers


def _errors(block: Block, rows: np.ndarray, rules: LogRules) -> Iterable[BadRowError]:
    """What the rule of one row says of bad ones."""
    for number in rows.tolist():
        cells = {column: cells[number] for column, cells in block.cells.items()}
        values = {column: cell.as_py() if hasattr(cell, "as_py") else cell for column, cell in cells.items()}
        if block.padded:
            values = {column: text.lstrip(" ") for column, text in values.items()}
        row = Row(block.source, block.line + number, values, rules.missing)
        try:
            rules.rank(row), rules.row(row), rules.title(row)
        except BadRowError as error:
            yield error


def _ranked(log: Interactions, rank: np.ndarray) -> Interactions:
    """Sorted stably by the rank."""
    if len(log) and rank.min() >= 0 and rank.max() < 2**15 and not (rank % 1).any():
        rank = rank.astype(np.int16)  # of which NumPy's stable sort is linear
    return log.take(np.argsort(rank, kind="stable")).renumbered()
