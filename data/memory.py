"""Whether a log fits into memory, told by its size before it is read."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import psutil

from llmrg.core.errors import DataError
from llmrg.data.files import GZIP, PARQUET, ZIP, first_bytes, open_bytes

BYTES_A_ROW = 72
"""What a row takes at most while its columns are sorted; texts of reviews come on top (benchmarks/loading.py)."""
HEAD = 1 << 16
"""Bytes from which the length of a line is told."""


def check_memory(path: Path) -> None:
    """Raises: DataError: the rows of a file, or of the largest one of a folder or an archive, need more than is free."""
    rows = _rows(path)
    needed, free = rows * BYTES_A_ROW, psutil.virtual_memory().available
    if needed > free:
        raise DataError(
            f"{path} holds some {rows:,} rows by its size; they need {needed / 1e9:,.1f} GB of memory at least "
            f"({BYTES_A_ROW} bytes a row), and {free / 1e9:,.1f} GB are free: "
            "end other programs, load a part of it, or take a larger machine"
        )


def _rows(path: Path) -> int:
    if path.is_dir():
        return max((_rows(file) for file in path.iterdir() if file.is_file()), default=0)
    head = first_bytes(path)
    if head.startswith(PARQUET):
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return int(pq.ParquetFile(path).metadata.num_rows)
        except (pa.ArrowInvalid, OSError):
            return 0  # its reader tells what it is
    try:
        if head.startswith(ZIP):
            with zipfile.ZipFile(path) as archive:
                largest = max(archive.infolist(), key=lambda member: member.file_size)
                with archive.open(largest) as file:
                    return _by_size(largest.file_size, file.read(HEAD))
        with open_bytes(path) as file:
            return _by_size(_unpacked_size(path, head), file.read(HEAD))
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, RuntimeError):
        return 0  # damaged, empty or with a password: its reader tells


def _by_size(size: int, head: bytes) -> int:
    lines = head.count(b"\n")
    return round(size * lines / len(head)) if lines else 0


def _unpacked_size(path: Path, head: bytes) -> int:
    size = path.stat().st_size
    if not head.startswith(GZIP):
        return size
    with path.open("rb") as file:  # gzip ends with the size, of which it keeps the last four bytes
        file.seek(-4, 2)
        stated = int.from_bytes(file.read(4), "little")
    return stated if stated >= size else 2**32 * (size // 2**32) + stated
