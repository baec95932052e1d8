"""Text files of a folder, a zip or a gzip, read alike. What a file is, its first bytes say, not its name."""

from __future__ import annotations

import gzip
import io
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from llmrg.core.errors import DataError

GZIP, ZIP, PARQUET = b"\x1f\x8b", b"PK\x03\x04", b"PAR1"
OTHER_FORMS = {
    ZIP: "a zip archive or an Excel file: unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel file: save the sheet as CSV",
    b"BZh": "packed with bzip2: unpack it",
    b"\xfd7zXZ": "packed with xz: unpack it",
    b"\x28\xb5\x2f\xfd": "packed with Zstandard: unpack it",
    b"SQLite": "an SQLite database: export its tables as CSV",
    PARQUET: "a Parquet file: name it so (.parquet)",
}
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
UTF_8 = "utf-8-sig"
"""With or without a byte-order mark."""


def starts_with(path: Path, sign: bytes) -> bool:
    """Raises: DataError: no such file, or a folder."""
    return first_bytes(path).startswith(sign)


def first_bytes(path: Path) -> bytes:
    """Raises: DataError: no such file, a folder, or one that may not be read."""
    try:
        with path.open("rb") as file:
            return file.read(8)
    except FileNotFoundError:
        raise DataError(f"no file {path}") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder, not a file") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


@contextmanager
def open_text(path: Path, encoding: str = UTF_8) -> Iterator[io.TextIOBase]:
    """A plain or gzipped text file; line ends are left as they are. Text in UTF-16 is known by its first bytes.

    Raises:
        DataError: no such file, not text, a damaged gzip file, or bytes that are not of this encoding.
    """
    head = first_bytes(path)
    packed = head.startswith(GZIP)
    if not packed:
        _check_form(path, head)
        encoding = "utf-16" if head.startswith(UTF_16) else encoding
        if encoding == UTF_8 and b"\0" in head:
            raise DataError(
                f"{path} begins with NUL characters: it may be UTF-16 text without its mark",
                sdk="say so with `encoding='utf-16-le'`",
                shell="say so with --encoding utf-16-le",
            )
    try:
        with gzip.open(path) if packed else path.open("rb") as raw:
            if packed:
                inner = raw.peek(8) if isinstance(raw, gzip.GzipFile) else b""
                _check_form(path, inner[:8])
                encoding = "utf-16" if inner.startswith(UTF_16) else encoding
            with _text(raw, encoding) as file:
                yield file
    except (gzip.BadGzipFile, EOFError) as error:
        raise DataError(f"{path} is not a whole gzip file ({error}); fetch it again") from error
    except UnicodeError as error:
        raise DataError(
            f"{path} is not {'UTF-8' if encoding == UTF_8 else encoding} text ({error})",
            sdk="say what it is written in, for instance `encoding='latin-1'` or 'cp1252', or save it as UTF-8",
            shell="say what it is written in, for instance --encoding latin-1 or cp1252, or save it as UTF-8",
        ) from error


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """A file as it is, unpacked where it is gzipped. Raises: DataError: no such file."""
    with gzip.open(path) if first_bytes(path).startswith(GZIP) else path.open("rb") as raw:
        yield raw  # type: ignore[misc]


def _check_form(path: Path, head: bytes) -> None:
    what = next((what for sign, what in OTHER_FORMS.items() if head.startswith(sign)), "")
    if what:
        raise DataError(f"{path} is {what}")


def _text(raw: BinaryIO | gzip.GzipFile, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(raw, encoding=encoding, newline="")  # type: ignore[arg-type]


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The one file of a zip archive, or the folder of its files, as long as the context lasts.

    Raises: DataError: it holds nothing, a password guards it, or it is damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, path.name)  # so that messages name the archive
        try:
            with zipfile.ZipFile(path) as archive:
                names = [n for n in archive.namelist() if not n.startswith("__MACOSX/") and not Path(n).name.startswith(".")]
                archive.extractall(place, names)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as error:
            raise DataError(f"{path} cannot be unpacked ({error}); unpack it by hand") from error
        while place.is_dir() and len(inside := list(place.iterdir())) == 1:
            place = inside[0]
        if place.is_dir() and not any(place.iterdir()):
            raise DataError(f"{path}: no files in it")
        yield place


class Bundle:
    """A folder or a zip archive, its files found by their bare names."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            self._members = {entry.name: str(entry) for entry in sorted(path.iterdir()) if entry.is_file()}
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/")]
            self._members = {PurePosixPath(name).name: name for name in reversed(names)}
        else:
            raise DataError(f"{path} is neither a folder nor a zip archive" if path.exists() else f"no file or folder {path}")

    @property
    def names(self) -> Sequence[str]:
        return sorted(self._members)

    @property
    def folder(self) -> str:
        """Name of the folder that holds the files, inside the archive where it is one; "" for none."""
        if self.path.is_dir():
            return self.path.resolve().name
        inner = {PurePosixPath(name).parent.name for name in self._members.values()}
        return inner.pop() if len(inner) == 1 else ""

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def where(self, name: str) -> str:
        """How messages call a member."""
        return f"{self.path.name}/{name}"

    @contextmanager
    def open(self, name: str, encoding: str = UTF_8) -> Iterator[io.TextIOBase]:
        """Raises: DataError: no such member; the message lists what is there."""
        if name not in self._members:
            raise DataError(f"{self.path}: no file {name!r}; there are: {', '.join(self.names[:20]) or 'none'}")
        if self.path.is_dir():
            with open_text(Path(self._members[name]), encoding) as file:
                yield file
            return
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self._members[name]) as raw:
                yield io.TextIOWrapper(raw, encoding=encoding, newline="")
        except (zipfile.BadZipFile, UnicodeDecodeError) as error:
            raise DataError(f"{self.where(name)} cannot be read ({error}); fetch the archive again") from error

    @contextmanager
    def open_bytes(self, name: str) -> Iterator[BinaryIO]:
        """A member as it is, unpacked where it is gzipped."""
        if self.path.is_dir():
            with open_bytes(Path(self._members[name])) as file:
                yield file
        else:
            with zipfile.ZipFile(self.path) as archive, archive.open(self._members[name]) as raw:
                yield raw  # type: ignore[misc]

    def is_utf8(self, name: str) -> bool:
        """Whether all of a member is UTF-8 text."""
        try:
            with self.open(name, "utf-8") as file:
                return all(True for _ in file)
        except DataError:
            return False
