"""Where files are written: what goes wrong there names the place and the way out."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from llmrg.core.errors import PlaceError

HOME: Final = "take another folder with --home or LLMRG_HOME, or change its permissions"
CACHE: Final = "set LLMRG_CACHE_DIR to a folder that you can write, or change its permissions"
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def writing(path: Path, way_out: str = "") -> Iterator[Path]:
    """For a block that writes the file `path`, whose folder is made.

    Raises: PlaceError: it cannot be written; `way_out` says what to do about a lack of permission.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path
    except OSError as error:
        raise place_error(error, path, way_out) from error


def written(path: Path, text: str, way_out: str = "") -> Path:
    """Write a text file, whose folder is made. Raises: PlaceError: it cannot be written."""
    with writing(path, way_out):
        path.write_text(text, encoding="utf-8")
    return path


def usable_folder(folder: Path, way_out: str = "") -> Path:
    """Make a folder that will be written into, before the work whose result goes there. Raises: PlaceError: it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    except OSError as error:
        raise place_error(error, folder, way_out) from error
    return folder


def place_error(error: OSError, path: Path | str = "", way_out: str = "") -> PlaceError:
    """What the operating system said of a file or folder; `path` where it does not name one itself."""
    place = error.filename or path or "a file"
    if isinstance(place, bytes | int):
        place = str(place)
    way_out = way_out or "name another place, or change its permissions"
    known = {
        errno.EISDIR: "it is a folder; name a file",
        errno.ENOTDIR: f"a file stands where a folder is needed; {way_out}",
        errno.EEXIST: f"a file stands where a folder is needed; {way_out}",
        errno.ENAMETOOLONG: "name a shorter one",
    }
    advice = "free some space, or name another place" if error.errno in _FULL else known.get(error.errno or 0, way_out)
    return PlaceError(f"{place}: {error.strerror or error}; {advice}")
