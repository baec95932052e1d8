"""What the driver raises, in the words of the one exception tree. No message holds a password."""

from __future__ import annotations

from typing import Final

from llmrg.core.errors import StoreError, StoreFullError, StoreUnreachableError

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
        "there is no database {database!r}; set LLMRG_STORE_DATABASE to one that is (community servers have 'neo4j' only)"
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


def explain(error: Exception, *, place: str, user: str, database: str, timeout_s: float) -> StoreError:
    """The store's error for one of the driver's (`Neo4jError` or `DriverError`)."""
    from neo4j import exceptions

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
    if isinstance(error, exceptions.ServiceUnavailable | exceptions.SessionExpired | exceptions.DriverError):
        if "HTTP" in text:
            return StoreUnreachableError(
                f"{place} answers as a web server: give the Bolt port (7687), not that of Neo4j Browser (7474)"
            )
        if "CertVerification" in text:
            return StoreUnreachableError(
                f"the certificate of {place} is not one that this machine trusts; for a self-signed one write +ssc in place of +s"
            )
        return StoreUnreachableError(f"no Neo4j server answers at {place}; {HOW_TO_START}")
    if isinstance(error, exceptions.TransientError):
        return StoreError(
            f"{place} was too busy for {timeout_s:g} s ({code}); nothing was half written: try again with fewer writers"
        )
    return StoreError(f"{place} refused a call ({code or type(error).__name__}): {text}")
