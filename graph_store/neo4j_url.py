"""What the URL of a Neo4j store means: to the driver scheme, host, port and routing, to us also the database.

neo4j+s://host:7687/database?policy=europe
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from llmrg.core.errors import ConfigError

SCHEMES: Final = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")
FORM: Final = "write neo4j://host:port/database"
DATABASE: Final = "neo4j"
"""Where neither the URL nor the settings name one."""
PORT: Final = 7687
_SETTINGS: Final = {
    "database": "the database stands in the path: neo4j://host/database",
    "db": "the database stands in the path: neo4j://host/database",
    "user": "set LLMRG_STORE_USER",
    "username": "set LLMRG_STORE_USER",
    "password": "set LLMRG_STORE_PASSWORD",
    "encrypted": "the scheme says it: neo4j+s://host",
    "trust": "the scheme says it: neo4j+s://host, or neo4j+ssc:// for a self-signed certificate",
    "address": "the driver keeps this name for itself",
}
"""What people write into the query, where the driver would hand it to the server as a routing policy, and how it is said."""


@dataclass(frozen=True)
class Neo4jUrl:
    """A URL that was read."""

    place: str
    """What the driver takes: without the database."""
    scheme: str
    host: str
    port: int
    database: str = ""
    """As the path says it; "" where it does not."""

    @property
    def text(self) -> str:
        """The URL as it may be shown, and given again."""
        base, mark, query = self.place.partition("?")
        return base + (f"/{self.database}" if self.database else "") + mark + query

    @property
    def tls(self) -> bool:
        return "+" in self.scheme

    def chosen(self, setting: str | None) -> str:
        """The database, by the path or as it is told apart. Raises: ConfigError: the two differ."""
        if setting and self.database and setting.casefold() != self.database.casefold():
            raise ConfigError(
                f"the store URL names the database {self.database!r}, LLMRG_STORE_DATABASE {setting!r}; leave one out"
            )
        return self.database or setting or DATABASE


def read_url(url: str) -> Neo4jUrl:
    """Raises: ConfigError: it means nothing to the driver, or less than it seems to. A password in it is not repeated."""
    refuse_credentials(url)
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(
            f"the host or port of the store URL cannot be read; {FORM}, with an IPv6 address in brackets: neo4j://[::1]:{PORT}"
        ) from error
    if not host:
        raise ConfigError(f"the store URL names no host; {FORM}")
    if port == 0 or re.search(r"[\s,\\]", parts.netloc):
        raise ConfigError(f"the store URL names {parts.netloc!r}, which is not one host with its port; {FORM}")
    if parts.fragment:
        raise ConfigError(f"what comes after # in the store URL means nothing; {FORM}")
    query = _query(parts.scheme, parts.query)
    return Neo4jUrl(f"{parts.scheme}://{parts.netloc}{query}", parts.scheme, host, port or PORT, _database(parts.path))


def refuse_credentials(url: str) -> None:
    """Raises: ConfigError: a user name or a password seems to stand in it; neither is repeated.

    An `@` anywhere counts: a password with a slash, a question mark or a number sign ends the host part before the `@`.
    """
    if "@" in url:
        raise ConfigError(
            "a store URL must not hold a user name or a password; give neo4j://host:port, and the rest as "
            "LLMRG_STORE_USER and LLMRG_STORE_PASSWORD"
        )


def _database(path: str) -> str:
    """Raises: ConfigError: the path is no database's name."""
    name = unquote(path).strip("/")
    if name and not re.fullmatch(r"[A-Za-z][A-Za-z0-9.-]{2,62}", name):
        raise ConfigError(
            f"the path of the store URL is the database's name, and none is called {name!r} (3 to 63 letters, digits, dots and "
            f"dashes, beginning with a letter); {FORM}"
        )
    return name


def _query(scheme: str, query: str) -> str:
    """With its question mark. Raises: ConfigError: the driver takes none here, or not so."""
    if not query:
        return ""
    pairs = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _ in pairs]
    for name in names:
        if name.lower() in _SETTINGS:
            raise ConfigError(f"{name!r} is no part of a store URL's query; {_SETTINGS[name.lower()]}")
    if scheme.startswith("bolt"):
        raise ConfigError(
            f"what comes after ? in a store URL is for routing, which {scheme}:// does not do; leave it out, or write neo4j"
        )
    if not pairs or len(set(names)) < len(names) or not all(value for _, value in pairs):
        raise ConfigError("the query of a store URL names each routing parameter once, with a value: neo4j://host?policy=europe")
    return f"?{query}"
