"""Text files of a folder, a zip or a gzip, read alike."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from llmrg.core.errors import DataError


@contextmanager
def open_text(path: Path, encoding: str = "utf-8-sig") -> Iterator[io.TextIOBase]:
    """A plain or `.gz` text file; line ends are left as they are.

    Raises:
        DataError: no such file, not a gzip file, or bytes that are not of this encoding.
    """
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding=encoding, newline="") as file:
            yield file  # type: ignore[misc]
    except FileNotFoundError:
        raise DataError(f"no file {path}") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder, not a file") from None
    except (gzip.BadGzipFile, EOFError) as error:
        raise DataError(f"{path} is not a whole gzip file ({error}); fetch it again") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not {encoding} text ({error}); save it as UTF-8") from error


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

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def where(self, name: str) -> str:
        """How messages call a member."""
        return f"{self.path.name}/{name}"

    @contextmanager
    def open(self, name: str, encoding: str = "utf-8-sig") -> Iterator[io.TextIOBase]:
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
