"""What the driver raises, in the words of the one exception tree. No message holds a password."""

from __future__ import annotations

from typing import Final

from llmrg.core.errors import StoreError, StoreFullError, StoreUnreachableError
from llmrg.graph_store.neo4j_probe import who_listens
from llmrg.graph_store.neo4j_url import PORT, Neo4jUrl

HOW_TO_START: Final = (
    "start one with `make neo4j` or `docker compose -f docker/compose.yaml up -d`, "
    "or keep the graphs in a file: --store sqlite:///graphs.db"
)
_FULL: Final = ("no space left on device", "disk full", "not enough space")
_BY_CODE: Final = {
    "Neo.ClientError.Security.AuthenticationRateLimit": (
        "too many wrong passwords for the user {user!r}; wait some seconds, then set LLMRG_STORE_USER and LLMRG_STORE_PASSWORD"
    ),
    "Neo.ClientError.Security.CredentialsExpired": (
        "the password of the user {user!r} must be changed first; do so in Neo4j Browser, or with ALTER CURRENT USER SET PASSWORD"
    ),
    "Neo.ClientError.Security.Forbidden": "the user {user!r} may not do this; it must be able to read, write and change schema",
    "Neo.ClientError.Database.DatabaseNotFound": (
        "there is no database {database!r}; name one that is, in the path of the URL or with LLMRG_STORE_DATABASE (community "
        "servers have 'neo4j' only)"
    ),
    "Neo.ClientError.General.ForbiddenOnReadOnlyDatabase": (
        "the database {database!r} is read-only; allow writes in the server's settings, or write elsewhere"
    ),
    "Neo.ClientError.General.WriteOnReadOnlyAccessDatabase": (
        "the database {database!r} is read-only; allow writes in the server's settings, or write elsewhere"
    ),
    "Neo.TransientError.General.DatabaseUnavailable": (
        "the database {database!r} is starting, recovering or stopped, and did not come up within {timeout_s:g} s; nothing was "
        "half written: look at the server's log, wait and repeat, or raise LLMRG_STORE_TIMEOUT_S"
    ),
    "Neo.DatabaseError.Transaction.TransactionStartFailed": (
        "the database {database!r} stands still after a fault, most likely a full disk; what was acknowledged is kept: "
        "look at the server's log, free space on its disk, and restart it"
    ),
    "Neo.TransientError.General.MemoryPoolOutOfMemoryError": (
        "one transaction is too large for the server's memory; write fewer records a call, or raise db.memory.transaction.max"
    ),
    "Neo.ClientError.Transaction.TransactionTimedOutClientConfiguration": (
        "a call took longer than {timeout_s:g} s and was undone; raise LLMRG_STORE_TIMEOUT_S, or write fewer records a call"
    ),
}


def explain(error: Exception, *, url: Neo4jUrl, user: str, database: str, timeout_s: float) -> StoreError:
    """The store's error for one of the driver's (`Neo4jError` or `DriverError`)."""
    from neo4j import exceptions

    place = url.place
    code = getattr(error, "code", None) or ""
    if code == "Neo.DatabaseError.Transaction.TransactionLogError":
        return StoreFullError(
            f"the server at {place} could not write its log, most likely since its disk is full; nothing of this call was "
            "written, and the database stands still now: free some space and restart the server, then repeat"
        )
    text = str(getattr(error, "message", None) or error)
    if any(sign in text.lower() for sign in _FULL):
        return StoreFullError(
            f"the server at {place} has no space left on its disk; nothing was half written: free some and repeat"
        )
    if code in _BY_CODE:
        return StoreError(f"{place}: " + _BY_CODE[code].format(user=user, database=database, timeout_s=timeout_s))
    if isinstance(error, exceptions.AuthError):
        return StoreError(
            f"{place} refuses the user {user!r} with this password; set LLMRG_STORE_USER and LLMRG_STORE_PASSWORD to the server's"
        )
    if isinstance(error, exceptions.IncompleteCommit):
        return StoreUnreachableError(
            f"the connection to {place} broke while a write was being confirmed, which may have been made or not: "
            "look, and repeat it where it is not there"
        )
    if isinstance(error, exceptions.ConfigurationError) and not isinstance(error, exceptions.UnsupportedServerProduct):
        return StoreError(f"the Neo4j driver refuses {place}: {text}")
    if isinstance(error, exceptions.ServiceUnavailable | exceptions.SessionExpired | exceptions.DriverError):
        if "CertVerification" in text:
            return StoreUnreachableError(
                f"the certificate of {place} is not one that this machine trusts; for a self-signed one write +ssc in place of +s"
            )
        return StoreUnreachableError(_why_not_reached(url, text))
    if isinstance(error, exceptions.TransientError):
        return StoreError(
            f"{place} was too busy for {timeout_s:g} s ({code}); nothing was half written: try again with fewer writers"
        )
    return StoreError(f"{place} refused a call ({code or type(error).__name__}): {text}")


def _why_not_reached(url: Neo4jUrl, text: str) -> str:
    """By who listens there now, since the driver says the same of very different things."""
    listener, place, family = who_listens(url.host, url.port), url.place, url.scheme.partition("+")[0]
    if listener == "web":
        return f"{place} answers as a web server: give the Bolt port ({PORT}), not that of Neo4j Browser (7474)"
    if listener == "bolt" and url.tls:
        return f"the Neo4j server at {place} answers without TLS: write {family}:// instead, or switch TLS on there"
    if listener == "bolt over TLS" and not url.tls:
        secure = f"write {family}+s://, or {family}+ssc:// for a self-signed certificate"
        return f"the Neo4j server at {place} answers with TLS only: {secure}"
    if listener in ("bolt", "bolt over TLS"):
        hint = "; it may name an address that is not known here, so try bolt:// in place of neo4j://" if family == "neo4j" else ""
        return f"a Neo4j server listens at {place}, but the connection to it failed ({' '.join(text.split())[:200]}){hint}"
    if listener == "other":
        return f"something listens at {place} that is no Neo4j server; look at host and port (Bolt's is {PORT})"
    if listener == "unknown host":
        return f"no Neo4j server answers at {place}: no host of that name is known; look at its spelling"
    browser = f"; {url.port} is the port of Neo4j Browser, Bolt's is {PORT}" if url.port in (7473, 7474) else ""
    return f"no Neo4j server answers at {place}{browser}; {HOW_TO_START}"
