"""The one exception tree.

LlmrgError
├── CallerError            the caller's mistake: fix the input and call again
│   ├── ConfigError            a setting or an option is off
│   ├── PlaceError             a file or folder cannot be read or written
│   ├── DataError              an input file or frame is off
│   │   └── BadRowError            one row of it (file, line, column, value)
│   ├── UnknownUserError       no such user in the data
│   ├── UnknownItemError       no such item in the catalogue
│   └── MissingPackageError    an optional package is not installed
├── StoreError             the graph store
│   ├── StoreUnreachableError  nothing answers there (try again later)
│   ├── NotAStoreError         the path holds something else, or a damaged store
│   ├── StoreVersionError      the schema is newer than this code knows
│   ├── StoreFullError         no space left; nothing was half written
│   ├── VersionConflictError   somebody else replaced the graph first
│   ├── DraftConflictError     somebody else works on the user's draft
│   └── GraphNotFoundError     no graph for this user
├── ModelError             a language model
│   ├── ModelUnavailableError  retryable: timeout, server error
│   │   └── RateLimitedError       too many requests or tokens for now
│   ├── ModelReplyError        it answered, but not with what was asked
│   ├── ModelPromptError       this one request cannot pass: too long for the model, or held back by a filter
│   ├── ModelAccessError       no request will pass: key, name, address or options of the model are wrong
│   └── ModelFileError         the weights on disk are missing or damaged
├── ArtifactError          a saved recommender cannot be read
├── WorkerLostError        a worker of a Ray cluster died again and again over one user
└── BudgetSpentError       money, tokens, calls or time are spent; the run can be resumed

Every message names the value seen and the next step. Arguments are kept whole, since errors cross process borders by pickle.
"""

from __future__ import annotations

import shlex

LONGEST_SHOWN = 200
"""Characters of a bad value in a message."""


class LlmrgError(Exception):
    """Root of all errors raised on purpose."""

    @property
    def on_shell(self) -> str:
        """The message in the words of the command line, where these differ from the SDK's."""
        return str(self)


class CallerError(LlmrgError, ValueError):
    """The caller's mistake."""

    def __init__(self, *message: object, sdk: str = "", shell: str = "") -> None:
        """Args: sdk, shell: the way out in the words of each, put behind the message."""
        self._on_shell = f"{message[0]}; {shell}" if shell else ""
        super().__init__(*((f"{message[0]}; {sdk}",) if sdk else message))

    @property
    def on_shell(self) -> str:
        return self._on_shell or str(self)


class ConfigError(CallerError):
    """A setting or an option is off."""


class PlaceError(CallerError):
    """A file or folder cannot be read or written."""


class DataError(CallerError):
    """An input file or frame is off."""


class BadRowError(DataError):
    """One row cannot be read."""

    def __init__(self, source: str, line: int, column: str, value: object, problem: str) -> None:
        super().__init__(source, line, column, value, problem)
        self.source, self.line, self.column, self.value, self.problem = source, line, column, value, problem

    def __str__(self) -> str:
        return f"{self._where}; mend the row, or skip and count such rows with `on_bad_row='skip'`"

    @property
    def on_shell(self) -> str:
        return f"{self._where}; mend the row, or skip and count such rows with `--on-bad-row skip`"

    @property
    def _where(self) -> str:
        shown = repr(self.value)
        shown = shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}... ({len(shown):,} characters)"
        return f"{self.source}, line {self.line}, column {self.column!r}: {self.problem}: {shown}"


class UnknownUserError(CallerError, LookupError):
    """No such user in the data."""

    def __init__(self, user: str, example: str = "") -> None:
        super().__init__(user, example)
        self.user, self.example = user, example

    def __str__(self) -> str:
        known = f", for instance {self.example!r}" if self.example else ""
        return f"no user {self.user!r} in the data; users are named as in the input{known}"


class UnknownItemError(CallerError, LookupError):
    """No such item in the catalogue."""

    def __init__(self, item: str, nearest: str = "") -> None:
        super().__init__(item, nearest)
        self.item, self.nearest = item, nearest

    def __str__(self) -> str:
        hint = f"; did you mean {self.nearest!r}?" if self.nearest else "; items are named by their id"
        return f"no item {self.item!r} in the catalogue{hint}"


class MissingPackageError(CallerError, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, install: str) -> None:
        super().__init__(package, install)
        self.package, self.install = package, install

    def __str__(self) -> str:
        return f"the package {self.package!r} is not installed; install it with: {self.install}"


class StoreError(LlmrgError):
    """The graph store."""


class StoreUnreachableError(StoreError):
    """Nothing answers there."""


class NotAStoreError(StoreError):
    """The path holds something else, or a damaged store."""


class StoreVersionError(StoreError):
    """The schema is newer than this code knows."""


class StoreFullError(StoreError):
    """No space left on the device."""


class VersionConflictError(StoreError):
    """Somebody else replaced the graph first."""

    def __init__(self, user: str, expected: int, actual: int) -> None:
        super().__init__(user, expected, actual)
        self.user, self.expected, self.actual = user, expected, actual

    def __str__(self) -> str:
        return (
            f"the graph of user {self.user!r} is at version {self.actual}, not {self.expected}: another writer was first; "
            "read it again and repeat the change"
        )


class DraftConflictError(StoreError):
    """Steps do not go on where the user's draft ends: somebody else works on it."""

    def __init__(self, user: str, run: str, start: int, end: int) -> None:
        super().__init__(user, run, start, end)
        self.user, self.run, self.start, self.end = user, run, start, end

    def __str__(self) -> str:
        return (
            f"the draft of user {self.user!r} in run {self.run!r} ends at position {self.end}, not at {self.start}: another "
            "process builds this user; let it finish, or end it, then build again: what the draft holds is kept"
        )


class GraphNotFoundError(StoreError, LookupError):
    """No graph for this user, or none of this run."""

    def __init__(self, user: str, run: str = "") -> None:
        super().__init__(user, run)
        self.user, self.run = user, run

    def __str__(self) -> str:
        if self.run:
            return f"no reasoning graph of run {self.run!r} for user {self.user!r}; `llmrg runs` lists the runs that have graphs"
        return f"no reasoning graph for user {self.user!r}; build one with `llmrg build --user={shlex.quote(self.user)}`"


class ModelError(LlmrgError):
    """A language model."""


class ModelUnavailableError(ModelError):
    """Timeout or server error: worth another try."""


class RateLimitedError(ModelUnavailableError):
    """Too many requests or tokens for now."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s)
        self.message, self.retry_after_s = message, retry_after_s

    def __str__(self) -> str:
        return self.message


class ModelReplyError(ModelError):
    """The model answered, but not with what was asked."""


class ModelPromptError(ModelError):
    """This one request cannot pass, others may: it is too long for the model, or a filter holds it back."""


class ModelAccessError(ModelError):
    """No request will pass: the model's key, name, address or options are wrong, or its quota is spent."""


class ModelFileError(ModelError):
    """The weights on disk are missing or damaged."""


class ArtifactError(LlmrgError):
    """A saved recommender cannot be read."""


class WorkerLostError(LlmrgError):
    """A worker of a Ray cluster died again and again over the same work."""


class BudgetSpentError(LlmrgError):
    """A budget is spent; the run stopped cleanly."""


class ResourceError(LlmrgError):
    """The machine has too little of something; the message says what to lower."""
