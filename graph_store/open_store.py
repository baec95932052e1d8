"""From a store URL to an opened store."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Literal

from llmrg.core.errors import ConfigError, MissingPackageError
from llmrg.core.settings import Settings
from llmrg.graph_store.neo4j_url import FORM, PORT, SCHEMES, read_url, refuse_credentials
from llmrg.graph_store.protocol import GraphStore

_FORMS = "use sqlite:///relative.db, sqlite:////absolute/file.db, or neo4j://host:port"


def open_store(
    url: str,
    *,
    user: str | None = None,
    password: str | None = None,
    database: str | None = None,
    timeout_s: float = 30.0,
    synchronous: Literal["normal", "full"] = "normal",
    allow_network_disk: bool = False,
    pool_size: int = 100,
) -> GraphStore:
    """Connect to the store that `url` names; close it when done, best by `with open_store(...) as store`.

    Args:
        url: `sqlite:///file` (a fourth slash makes the path absolute) or `neo4j://host:port/database` (also `bolt://`, `+s`,
            `+ssc`).
        user, password, database: for Neo4j; without a password the server is taken to ask for none; without a database it is
            the one in the URL, else `neo4j`.
        timeout_s: Longest wait for a connection or a lock.
        synchronous, allow_network_disk: for SQLite; see `SqliteStore`.
        pool_size: for Neo4j; connections at once at most, further calls wait.
    Raises:
        ConfigError: the URL is none of these forms, or names another database than `database`.
        MissingPackageError: a Neo4j URL without the package `neo4j`.
        StoreError: as `GraphStore.open`.
    """
    return _opened(_store(url, user, password, database, timeout_s, synchronous, allow_network_disk, pool_size))


def configured_store(settings: Settings, url: str | None = None) -> GraphStore:
    """The store that the settings name, or the other end of a move, at `url`; not opened.

    Raises: ConfigError, MissingPackageError: as `open_store`.
    """
    user, password = settings.store_user, settings.store_password
    database = settings.store_database if "store_database" in settings.model_fields_set else None
    if url:
        database = None if sqlite_path(url) is None and read_url(url).database else database
        user = settings.other_store_user or user
        password = password if settings.other_store_password is None else settings.other_store_password
    return _store(
        url or settings.store_url,
        user,
        password.get_secret_value() or None,
        database,
        settings.store_timeout_s,
        settings.store_synchronous,
        settings.store_allow_network_disk,
        settings.store_pool_size,
    )


def open_configured_store(settings: Settings, url: str | None = None) -> GraphStore:
    """`configured_store`, opened. Raises: as `open_store`."""
    return _opened(configured_store(settings, url))


def _opened(store: GraphStore) -> GraphStore:
    try:
        store.open()
    except BaseException:
        store.close()
        raise
    return store


def _store(
    url: str,
    user: str | None,
    password: str | None,
    database: str | None,
    timeout_s: float,
    synchronous: Literal["normal", "full"],
    allow_network_disk: bool,
    pool_size: int,
) -> GraphStore:
    path = sqlite_path(url)
    if path is not None:
        return _sqlite_store(path, timeout_s, synchronous, allow_network_disk)
    read_url(url)  # before the driver is looked for
    return _neo4j_store(url, (user or "neo4j", password) if password else None, database, timeout_s, pool_size)


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL; None for a Neo4j URL. Raises: ConfigError: neither, or slashes are missing."""
    scheme, separator, rest = url.strip().partition("://")
    scheme = scheme.lower()
    if scheme != "sqlite" and (separator or re.search(r":.*@", url)):
        refuse_credentials(url)
    if not separator:
        if re.fullmatch(r"[\w.-]+:\d+|localhost", url.strip()):
            raise ConfigError(f"{url!r} is a host, not a store URL; write neo4j://{url.strip()}")
        if url.strip().lower().startswith(("neo4j", "bolt")) and ":" in url:
            raise ConfigError(f"two slashes are missing in the store URL {url!r}; {FORM}")
        raise ConfigError(f"{url!r} is a path, not a store URL; write sqlite:///{url}")
    if scheme in SCHEMES:
        return None
    if scheme in ("http", "https", "bolt+routing") or scheme.startswith(("neo4j", "bolt")):
        raise ConfigError(
            f"{scheme + '://'!r} is not how a Neo4j store is reached; write neo4j://host:{PORT}, neo4j+s:// for TLS, or "
            "neo4j+ssc:// for TLS with a self-signed certificate"
        )
    if scheme.startswith("jdbc:"):
        raise ConfigError(f"{scheme + '://'!r} is a URL for Java programs; {FORM}")
    if scheme != "sqlite":
        raise ConfigError(f"no store is known by {scheme + '://'!r}; {_FORMS}")
    path = rest.removeprefix("/")
    if rest == path:
        raise ConfigError(
            f"a SQLite URL has three slashes before a relative path, four before /: write sqlite:///{path or 'graphs.db'}"
        )
    if path in ("", ":memory:"):
        raise ConfigError("a SQLite store is a file, since several connections share it; write sqlite:///graphs.db")
    if "?" in path and not Path(path).exists():
        raise ConfigError(f"a SQLite URL takes no query; write sqlite:///{path.partition('?')[0]}")
    return Path(path)


def _sqlite_store(path: Path, timeout_s: float, synchronous: Literal["normal", "full"], allow_network_disk: bool) -> GraphStore:
    from llmrg.graph_store.sqlite_store import SqliteStore

    return SqliteStore(path, timeout_s=timeout_s, synchronous=synchronous, allow_network_disk=allow_network_disk)


def _neo4j_store(url: str, auth: tuple[str, str] | None, database: str | None, timeout_s: float, pool_size: int) -> GraphStore:
    if importlib.util.find_spec("neo4j") is None:
        raise MissingPackageError("neo4j", "pip install 'llmrg[neo4j]'")
    from llmrg.graph_store.neo4j_store import Neo4jStore

    return Neo4jStore(url, auth=auth, database=database, timeout_s=timeout_s, pool_size=pool_size)
