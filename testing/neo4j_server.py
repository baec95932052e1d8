"""A true Neo4j Community server on this machine without Docker, for tests and for developers.

    with LocalNeo4j() as server, server.get_driver() as driver:
        driver.verify_connectivity()

The jars come from Maven once and stay in a cache. The server listens on 127.0.0.1 only, in a fresh home that is removed at the
end, and dies with the process that started it. `python -m llmrg.testing.neo4j_command` starts one to work with, Browser included.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from llmrg.core.errors import StoreError
from llmrg.testing import neo4j_java, neo4j_ports
from llmrg.testing.neo4j_ports import HOST

if TYPE_CHECKING:
    from neo4j import Driver

USER: Final = "neo4j"
FIRST_PASSWORD: Final = "neo4j"
"""What a fresh server with authentication accepts, only to have it changed."""
OPENED: Final = tuple(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in ("java.nio", "java.io", "sun.nio.ch"))
OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "test": ("-Xms256m", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    "work": ("-Xms512m", "-Xmx2g", "-XX:+UseG1GC", "--add-modules=jdk.incubator.vector"),
}
LEASH: Final = """exec 3<&0
"$@" 3<&- & server=$!
(read -r how <&3; kill -"${how:-KILL}" "$server") & watch=$!
exec 3<&-
wait "$server"; code=$?
kill "$watch" 2>/dev/null
exit "$code"
"""
"""Runs the server under a shell that holds a pipe to us: a signal's name written there is sent on, and the end of the pipe, which
comes also when our process is killed, kills the server."""


class LocalNeo4j:
    """One server, with the names that testcontainers' `Neo4jContainer` gives a test.

    Args:
        version: a release of Neo4j from 5.26 on.
        password: of the user `neo4j`, 8 characters or more; "" runs without authentication.
        home: folder of the database, kept at the end; None takes a fresh one and removes it.
        bolt_port, http_port: 0 picks a free one; http_port None runs without HTTP and Browser.
        profile: "test" starts fast and stays small, "work" is for a server that lives longer.
        settings: further lines of neo4j.conf.
        cache_dir: where jars and class archives are kept; None is the user's cache folder.
        timeout_s: how long a start may take.
    """

    username = USER

    def __init__(
        self,
        version: str = neo4j_java.DEFAULT_VERSION,
        *,
        password: str = "",
        home: Path | None = None,
        bolt_port: int = 0,
        http_port: int | None = None,
        profile: Literal["test", "work"] = "test",
        settings: Mapping[str, str] | None = None,
        cache_dir: Path | None = None,
        timeout_s: float = 120.0,
    ) -> None:
        self.version, self.password, self.profile = version, password, profile
        self.home, self.bolt_port, self.http_port = home, bolt_port, http_port
        self.settings = dict(settings or {})
        self._wanted_ports = bolt_port, http_port
        self._cache_dir, self._timeout_s = cache_dir, timeout_s
        self._own_home = home is None
        self._process: subprocess.Popen[bytes] | None = None
        self._archive: tuple[Path, Path] | None = None  # (being recorded, its final place)

    def __repr__(self) -> str:
        return f"LocalNeo4j({self.version!r}, bolt_port={self.bolt_port})"

    def __enter__(self) -> LocalNeo4j:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def get_connection_url(self) -> str:
        return f"bolt://{HOST}:{self.bolt_port}"

    def get_driver(self, **options: Any) -> Driver:
        """An open driver, to be closed by the caller."""
        from neo4j import GraphDatabase

        return GraphDatabase.driver(self.get_connection_url(), auth=self.auth, **options)

    @property
    def auth(self) -> tuple[str, str] | None:
        return (USER, self.password) if self.password else None

    @property
    def browser_url(self) -> str:
        return f"http://{HOST}:{self.http_port}/browser/" if self.http_port else ""

    # -- life -------------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Start, and return when the database can be asked.

        Raises:
            MissingPackageError: no Java that fits, or no Maven.
            StoreError: it did not start; the message holds the end of its log.
        """
        jars = neo4j_java.resolve(self.version, self._cache_dir)
        java = neo4j_java.find_java(self.version)
        if self.home is None:
            self.home = Path(tempfile.mkdtemp(prefix="llmrg-neo4j-"))
        for attempt in range(3):
            self._choose_ports()
            self._launch(jars, java, self.home)
            problem = self._wait(self.home)
            if not problem:
                break
            self._end("KILL")
            self._end_recording(keep=False)
            taken = "already in use" in problem
            if not taken or attempt == 2 or 0 not in self._wanted_ports:
                self._remove_home()
                raise StoreError(f"Neo4j {self.version} did not start; the end of its log:\n{problem}")
        if self.password:
            self._set_password()
        self._wait_for_database()

    def stop(self, clean: bool | None = None) -> None:
        """Stop the server; a home of its own is removed.

        Args: clean: True lets it shut down in order; False kills it; None kills it where nothing is lost by that.
        """
        recording = self._archive is not None
        clean = (recording or not self._own_home) if clean is None else clean
        self._end("TERM" if clean else "KILL")
        self._end_recording(keep=clean)
        self._remove_home()

    def wait(self) -> int:
        """Wait until the server ends by itself; returns its exit code."""
        return self._process.wait() if self._process else 0

    # -- parts of a start -------------------------------------------------------------------------------------------------
    def _choose_ports(self) -> None:
        bolt, http = self._wanted_ports
        self.bolt_port = bolt or neo4j_ports.free_port()
        self.http_port = neo4j_ports.free_port() if http == 0 else http

    def _launch(self, jars: Path, java: neo4j_java.Java, home: Path) -> None:
        conf = home / "conf"
        conf.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{name}={value}\n" for name, value in self._configuration().items())
        (conf / "neo4j.conf").write_text(lines, encoding="utf-8")
        options = (*OPTIONS[self.profile], *OPENED, "-Dlog4j2.disable.jmx=true", *java.named_options)
        archive = neo4j_java.archive_path(jars, java, options)
        if archive.is_file():
            options += java.archive_options(archive, record=False)
        else:
            part = archive.with_name(f"{archive.name}.{home.name}.part")
            self._archive = part, archive
            options += java.archive_options(part, record=True)
        main = "org.neo4j.server.CommunityEntryPoint" if self.version.startswith("5.") else "org.neo4j.server.Neo4jCommunity"
        server = [main, f"--home-dir={home}", f"--config-dir={conf}", "--console-mode"]
        command = ["sh", "-c", LEASH, "neo4j", str(java.path), *options, "-cp", neo4j_java.class_path(jars), *server]
        with (home / "console.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, cwd=home
            )

    def _configuration(self) -> dict[str, str]:
        conf = {
            "server.default_listen_address": HOST,
            "server.bolt.listen_address": f"{HOST}:{self.bolt_port}",
            "server.bolt.advertised_address": f"{HOST}:{self.bolt_port}",
            "server.http.enabled": "true" if self.http_port else "false",
            "server.https.enabled": "false",
            "dbms.security.auth_enabled": "true" if self.password else "false",
            "dbms.usage_report.enabled": "false",
            "client.allow_telemetry": "false",
            "server.memory.pagecache.size": "256m",
            "db.tx_log.preallocate": "false",
            "db.tx_log.rotation.size": "8m",
            "db.tx_log.rotation.retention_policy": "64M size",
        }
        if self.http_port:
            conf["server.http.listen_address"] = conf["server.http.advertised_address"] = f"{HOST}:{self.http_port}"
        if self.version.startswith("5."):
            conf["internal.dbms.bolt.netty_server_shutdown_quiet_period"] = "0"
        else:
            conf["internal.dbms.bolt.netty_server_shutdown_quiet_period_duration"] = "0s"
            conf["server.fleet_discovery.enabled"] = "false"
            conf["dbms.fleet_manager.enabled"] = "false"
            conf["server.http.x_forward.enabled"] = "false"
        return conf | self.settings

    def _wait(self, home: Path) -> str:
        """Empty when the server answers, else the end of its log."""
        end = time.monotonic() + self._timeout_s
        while self._process is not None and self._process.poll() is None and time.monotonic() < end:
            if neo4j_ports.bolt_answers(self.bolt_port) and (not self.http_port or neo4j_ports.port_is_open(self.http_port)):
                return ""
            time.sleep(0.05)
        log = (home / "console.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(line[:300] for line in log.splitlines()[-40:]) or f"(empty after {self._timeout_s:.0f} s)"

    def _set_password(self) -> None:
        from neo4j import GraphDatabase
        from neo4j.exceptions import AuthError

        with GraphDatabase.driver(self.get_connection_url(), auth=(USER, FIRST_PASSWORD)) as driver:
            try:
                driver.execute_query(
                    "ALTER CURRENT USER SET PASSWORD FROM $first TO $password",
                    first=FIRST_PASSWORD,
                    password=self.password,
                    database_="system",
                )
            except AuthError:
                return  # a kept home, whose password was set by an earlier start

    def _wait_for_database(self) -> None:
        """A server answers before its database has recovered from a kill."""
        from neo4j.exceptions import ServiceUnavailable, TransientError

        end = time.monotonic() + self._timeout_s
        with self.get_driver(max_transaction_retry_time=0) as driver:
            while True:
                try:
                    driver.execute_query("RETURN 1")
                    return
                except (ServiceUnavailable, TransientError) as error:
                    if time.monotonic() > end:
                        raise StoreError(f"Neo4j {self.version} answers, but its database does not: {error}") from error
                    time.sleep(0.05)

    def _end_recording(self, keep: bool) -> None:
        if self._archive is None:
            return
        part, final = self._archive
        if keep and part.is_file():
            part.replace(final)
        for left in part.parent.glob(f"{part.name}*"):  # Java writes a second file beside it while it records
            left.unlink(missing_ok=True)
        self._archive = None

    def _end(self, how: Literal["TERM", "KILL"]) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):  # it may have ended by itself
            if process.stdin:
                process.stdin.write(how.encode() + b"\n")
                process.stdin.close()
        process.wait()

    def _remove_home(self) -> None:
        if self._own_home and self.home is not None:
            shutil.rmtree(self.home, ignore_errors=True)
            self.home = None
