"""The connection of the Neo4j store: opened late, managed transactions only, errors in our own words."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, LiteralString, TypeVar

from pydantic import SecretStr

from llmrg.core.errors import MissingPackageError, StoreError, StoreVersionError
from llmrg.graph_store import neo4j_cypher as cypher
from llmrg.graph_store import neo4j_rows
from llmrg.graph_store.neo4j_errors import explain
from llmrg.graph_store.neo4j_url import Neo4jUrl

if TYPE_CHECKING:
    from neo4j import BookmarkManager, Driver, ManagedTransaction, Session

R = TypeVar("R")
T = TypeVar("T")

OLDEST: Final = (5, 26)
"""Oldest server that runs every text of `neo4j_cypher`."""
_THERE: Final = frozenset(
    {"Neo.ClientError.Schema.EquivalentSchemaRuleAlreadyExists", "Neo.ClientError.Schema.ConstraintAlreadyExists"}
)
"""Two clients made the same index at once: it is there, which is what was asked."""


class Neo4jLink:
    """One driver and how it is used: each call is one managed transaction, which the driver repeats after a passing fault."""

    def __init__(self, url: Neo4jUrl, auth: tuple[str, str] | None, database: str, timeout_s: float, pool_size: int) -> None:
        self._url, self.place = url, url.place
        self.database, self.timeout_s, self._pool_size = database, timeout_s, pool_size
        self._user = auth[0] if auth else ""
        self._password = SecretStr(auth[1]) if auth else None
        self._driver: Driver | None = None
        self._bookmarks: BookmarkManager | None = None
        self.product = ""

    def open(self) -> None:
        """Connect and check the server. Raises: StoreError and its kinds, MissingPackageError."""
        if self._driver is not None:
            return
        try:
            from neo4j import GraphDatabase
        except ImportError as error:
            raise MissingPackageError("neo4j", "pip install 'llmrg[neo4j]'") from error
        auth = (self._user, self._password.get_secret_value()) if self._password else None
        with self._in_our_words():
            self._driver = GraphDatabase.driver(
                self.place,
                auth=auth,
                connection_timeout=self.timeout_s,
                max_connection_pool_size=self._pool_size,
                connection_acquisition_timeout=2 * self.timeout_s,
                max_transaction_retry_time=self.timeout_s,
                notifications_min_severity="OFF",
                user_agent="llmrg",
            )
            self._bookmarks = GraphDatabase.bookmark_manager()
        try:
            with self._in_our_words():
                self._driver.verify_connectivity()
            self._check_server()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        driver, self._driver, self._bookmarks = self._driver, None, None
        if driver is not None:
            driver.close()

    def read(self, work: Callable[[ManagedTransaction], T]) -> T:
        """Run `work` in a transaction that cannot write."""
        with self._in_our_words(), self._session() as session:
            return session.execute_read(self._timed(work))

    def write(self, work: Callable[[ManagedTransaction], T]) -> T:
        """Run `work` in a transaction; it may be run twice (deadlock, lost connection), so it must not change its input."""
        with self._in_our_words(), self._session() as session:
            return session.execute_write(self._timed(work))

    def load(
        self,
        records: Sequence[R],
        rows_of: Callable[[R], int],
        check: Callable[[ManagedTransaction, Sequence[R]], None],
        put: Callable[[ManagedTransaction, Sequence[R]], None],
    ) -> None:
        """Put all records; where they need several transactions, they are checked as a whole before the first."""
        portions = neo4j_rows.portions(records, rows_of)
        if len(portions) > 1:
            self.read(bound(check, records))
        for portion in portions:
            self.write(bound(put, portion))

    def pages(self, statement: LiteralString, size: int = neo4j_rows.BATCH) -> Iterator[list[neo4j_rows.Row]]:
        """Rows of a statement that takes `$after` and `$limit` and returns them in order of their `key`: a page a transaction."""

        def read(tx: ManagedTransaction) -> list[neo4j_rows.Row]:
            return tx.run(statement, after=after, limit=size).data()

        after = ""
        while page := self.read(read):
            yield page
            after = page[-1]["key"]

    def change_schema(self, statement: LiteralString) -> None:
        """Run one schema statement in its own transaction, again if another client's got in its way."""
        from neo4j.exceptions import ClientError

        with self._in_our_words(), self._session() as session:
            try:
                session.execute_write(lambda tx: tx.run(statement).consume())
            except ClientError as error:
                if error.code not in _THERE:
                    raise

    def _session(self) -> Session:
        if self._driver is None:
            raise StoreError(f"the store at {self.place} is not open; call open() first, or use it in a `with` block")
        return self._driver.session(database=self.database, bookmark_manager=self._bookmarks)

    def _timed(self, work: Callable[[ManagedTransaction], T]) -> Callable[[ManagedTransaction], T]:
        from neo4j import unit_of_work

        return unit_of_work(timeout=self.timeout_s)(work)

    @contextlib.contextmanager
    def _in_our_words(self) -> Iterator[None]:
        from neo4j.exceptions import DriverError, Neo4jError

        try:
            yield
        except (Neo4jError, DriverError) as error:
            raise explain(error, url=self._url, user=self._user, database=self.database, timeout_s=self.timeout_s) from error

    def _check_server(self) -> None:
        version, edition = self.read(lambda tx: tx.run(cypher.SERVER).single(strict=True).values())
        numbers = re.match(r"(\d+)\.(\d+)", version)
        if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
            raise StoreVersionError(f"{self.place} runs Neo4j {version}; LLMRG needs 5.26 or newer: upgrade the server")
        self.product = f"Neo4j {version} {edition}"


def bound(work: Callable[[ManagedTransaction, Sequence[R]], None], rows: Sequence[R]) -> Callable[[ManagedTransaction], None]:
    """`work` on these rows, as `read` and `write` take it."""
    return lambda tx: work(tx, rows)
