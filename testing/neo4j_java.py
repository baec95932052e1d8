"""What the Neo4j server needs from this machine: a Java that fits, and the server's jars in a cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import platformdirs

from llmrg.core.errors import MissingPackageError, StoreError

DEFAULT_VERSION: Final = "2026.08.1"
"""Newest release the tests run on."""
LTS_VERSION: Final = "5.26.30"
"""Oldest release line the store supports."""
POM: Final = Path(__file__).with_name("neo4j_pom.xml")
JAVA_FOLDERS: Final = (
    "/usr/lib/jvm/*/bin/java",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home/bin/java",
    "/opt/java/*/bin/java",
)


@dataclass(frozen=True, order=True)
class Java:
    """A Java runtime on this machine."""

    major: int
    path: Path

    @property
    def named_options(self) -> tuple[str, ...]:
        """Options that keep newer runtimes quiet about what the server does."""
        native = ("--enable-native-access=ALL-UNNAMED",) if self.major >= 21 else ()
        unsafe = ("--sun-misc-unsafe-memory-access=allow",) if self.major >= 24 else ()
        return native + unsafe

    def archive_options(self, archive: Path, record: bool) -> tuple[str, ...]:
        """Options that write the class archive at a clean stop, or start from it."""
        if self.major >= 25:
            return (f"-XX:{'AOTCacheOutput' if record else 'AOTCache'}={archive}", "-Xlog:aot=off")
        return (f"-XX:{'ArchiveClassesAtExit' if record else 'SharedArchiveFile'}={archive}", "-Xlog:cds=off")


def default_cache() -> Path:
    """The user's cache folder of this project's Neo4j servers."""
    return platformdirs.user_cache_path("llmrg") / "neo4j"


def needed_java(version: str) -> int:
    """Oldest Java that runs this Neo4j."""
    return 17 if version.startswith("5.") else 21


def find_java(version: str) -> Java:
    """The Java to run this Neo4j with: the oldest that fits a 5.x server, the newest for a later one.

    Raises: MissingPackageError: none fits.
    """
    need = needed_java(version)
    fit = [java for java in javas() if java.major >= need]
    if not fit:
        seen = ", ".join(str(java.major) for java in javas()) or "none"
        raise MissingPackageError(
            f"Java {need} (Neo4j {version} needs it; found: {seen})", f"a JDK {need} or newer, on the PATH or in /usr/lib/jvm"
        )
    return min(fit) if need == 17 else max(fit)


def why_no_java_server(version: str = DEFAULT_VERSION, cache_dir: Path | None = None) -> str:
    """Empty if a server of this version can be started from Java and Maven, else what is missing and what to install."""
    if os.name != "posix":
        return "the local Neo4j launcher runs on Linux and macOS only; start a Docker engine instead"
    try:
        find_java(version)
    except MissingPackageError as error:
        return str(error)
    if not is_resolved(version, cache_dir) and shutil.which("mvn") is None:
        return "Maven is not installed; install it (`mvn` on the PATH), it fetches the Neo4j server's jars"
    return ""


@cache
def javas() -> tuple[Java, ...]:
    """All Java runtimes found, oldest first, each once."""
    paths = {Path(folder).resolve() for pattern in JAVA_FOLDERS for folder in Path("/").glob(pattern.lstrip("/"))}
    on_path = shutil.which("java")
    if on_path:
        paths.add(Path(on_path).resolve())
    return tuple(sorted(Java(major, path) for path in paths if (major := _major(path)) is not None))


def _major(java: Path) -> int | None:
    release = java.parent.parent / "release"
    try:
        text = release.read_text(encoding="utf-8")
    except OSError:
        text = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)', text)
    return int(version[1]) if version else None


def jar_folder(version: str, cache_dir: Path | None = None) -> Path:
    return (cache_dir or default_cache()) / version / "lib"


def is_resolved(version: str, cache_dir: Path | None = None) -> bool:
    """Whether the jars are in the cache: the folder appears only when it is complete."""
    return jar_folder(version, cache_dir).is_dir()


def resolve(version: str, cache_dir: Path | None = None) -> Path:
    """Folder with the server's jars, fetched by Maven (about 200 MB) unless it is in the cache.

    Several processes may ask at once: one fetches, the others wait, and the folder appears in one rename.

    Raises:
        MissingPackageError: Maven is not installed.
        StoreError: Maven could not fetch this version.
    """
    folder = jar_folder(version, cache_dir)
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingPackageError("Maven", "your system's package manager (`mvn` on the PATH); it fetches the Neo4j server")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent / "lock"):
        if folder.is_dir():
            return folder
        with tempfile.TemporaryDirectory(prefix="lib-", dir=folder.parent) as part:
            _fetch(maven, version, Path(part) / "lib")
            (Path(part) / "lib").rename(folder)
    return folder


def _fetch(maven: str, version: str, target: Path) -> None:
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}", f"-Dneo4j.version={version}"]
    done = subprocess.run([maven, "-B", "-q", "-f", str(POM), *goal], capture_output=True, text=True, check=False)
    if done.returncode or not list(target.glob(f"neo4j-{version}.jar")):
        output = (done.stdout + done.stderr)[-1500:]
        raise StoreError(f"Maven could not fetch Neo4j {version}; check the version and the network, then try again:\n{output}")


def class_path(jars: Path) -> str:
    """The class path in one order, since a class archive holds for exactly one."""
    return os.pathsep.join(sorted(str(jar) for jar in jars.glob("*.jar")))


def archive_path(jars: Path, java: Java, options: tuple[str, ...]) -> Path:
    """Where the class archive of this server, Java and set of options lies."""
    words = [class_path(jars), str(java.path), str(java.path.stat().st_mtime_ns), *options]
    return jars.parent / f"java{java.major}-{hashlib.sha256(chr(0).join(words).encode()).hexdigest()[:12]}.archive"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl  # POSIX only, like the launcher; not there on Windows, where this module is still imported

    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
