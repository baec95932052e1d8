"""Delimited text that is plain is split by Arrow, a block of lines at a time; all other text is left to `llmrg.data.delimited`.

Plain is UTF-8 without quotes, blank lines, NUL characters or bare carriage returns, with the same number of fields in each line.
There the careful reader and Arrow cannot differ. Of the rest they read much in another way (a quote within a field, a row that is
too short, a line of blanks, a separator behind the last column), and the careful reader's way is the one that messages, line
numbers and tests speak of: so one such line gives the whole file to it.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO

from llmrg.data.log_columns import Block, NotPlainError

BLOCK = 1 << 24
"""Bytes read at once."""
HEAD = 1 << 16
"""Bytes in which the first two lines are looked for."""
ONE_SIGN = "\x1f"
"""Stands for a separator of several characters, since Arrow takes one."""


@dataclass(frozen=True)
class PlainText:
    """A text table that may be plain."""

    source: str
    """Name of the file, for messages."""
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    """Its bytes, unpacked."""
    delimiter: str
    names: Sequence[str] = ()
    """Of its columns; () where the first line says them, or where nobody does: they are called 1, 2, 3 then."""
    header: bool = True
    """Whether the first line names the columns."""
    letters: bool = False
    """Quotes are letters like others."""

    def first_fields(self) -> list[str]:
        """The columns' names. Raises: NotPlainError: the first two lines have other numbers of fields, or are not there."""
        with self.open() as file:
            head = _read(file, HEAD)
        lines = self._text(_without_mark(head).rpartition(b"\n")[0] or head).split("\n")[:2]
        first, second = (line.rstrip("\r").split(self.delimiter) for line in ([*lines, ""][:2]))
        if not any(first):
            raise NotPlainError
        if self.header and (len(first) != len(second) or (not self.letters and any("'" in name for name in first))):
            raise NotPlainError
        if self.names:
            return list(self.names)
        return [name.strip() for name in first] if self.header else [str(n + 1) for n in range(len(first))]

    def check(self) -> None:
        """Raises: NotPlainError: a look at all bytes shows that it is not plain."""
        with self.open() as file:
            for block in _whole_lines(file):
                self._check(block)

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        """The cells of some columns. Raises: NotPlainError."""
        import pyarrow as pa
        from pyarrow import csv

        names, line = self.first_fields(), 1
        if any(names.count(column) != 1 for column in columns):
            raise NotPlainError
        numbers = {column: str(names.index(column)) for column in columns}
        delimiter = self.delimiter if len(self.delimiter) == 1 else ONE_SIGN
        parse = csv.ParseOptions(delimiter=delimiter, quote_char=False, double_quote=False, escape_char=False)
        read = csv.ReadOptions(
            use_threads=False, block_size=BLOCK * 2, column_names=[str(number) for number in range(len(names))]
        )
        text = csv.ConvertOptions(
            column_types={number: pa.string() for number in read.column_names},
            include_columns=list(numbers.values()),
            strings_can_be_null=False,
        )
        with self.open() as file:
            for block in _whole_lines(file):
                self._check(block)
                if line == 1 and self.header:
                    block, line = block.partition(b"\n")[2], 2
                    if not block:
                        continue
                if delimiter != self.delimiter:
                    if ONE_SIGN.encode() in block:
                        raise NotPlainError
                    block = block.replace(self.delimiter.encode(), delimiter.encode())
                try:
                    table = csv.read_csv(pa.BufferReader(block), read, parse, text)
                except pa.ArrowInvalid:
                    raise NotPlainError from None
                if table.num_rows != block.count(b"\n") + (not block.endswith(b"\n")):
                    raise NotPlainError  # a blank line
                cells = {column: table.column(number).combine_chunks() for column, number in numbers.items()}
                yield Block(self.source, line, cells, padded=not self.letters)
                line += table.num_rows

    def _check(self, block: bytes) -> None:
        if not block.isascii():
            self._text(block)
        quoted = b'"' in block and not self.letters
        if quoted or b"\0" in block or (b"\r" in block and block.count(b"\r") != block.count(b"\r\n")):
            raise NotPlainError

    def _text(self, block: bytes) -> str:
        try:
            return block.decode()
        except UnicodeDecodeError:
            raise NotPlainError from None


def _whole_lines(file: IO[bytes]) -> Iterator[bytes]:
    """The file in blocks that end with a line, without a byte-order mark."""
    rest = b""
    first = True
    while piece := _read(file, BLOCK):
        piece = rest + piece
        if first:
            piece, first = _without_mark(piece), False
        lines, end, rest = piece.rpartition(b"\n")
        if end:
            yield lines + end
    if rest:
        yield rest


def _read(file: IO[bytes], size: int) -> bytes:
    try:
        return file.read(size)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile):
        raise NotPlainError from None  # a damaged archive, of which the careful reader tells


def _without_mark(block: bytes) -> bytes:
    return block.removeprefix(b"\xef\xbb\xbf")
