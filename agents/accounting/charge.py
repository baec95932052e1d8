"""What a call costs is charged where it is made: to the stage, the mind and the user under way.

The machine says who pays (`charging`), and how long refusals for the rate are borne; a mind that calls a model says `may_call()`
right before each request, and `count(...)` after it. They find the payer through a context variable, so they also work in threads
started by `asyncio.to_thread`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from llmrg.agents.accounting.prices import Prices
from llmrg.agents.accounting.tracing import Tracing
from llmrg.agents.accounting.usage import Usage


class Patience:
    """How long refusals for the rate are borne, counted from the first one on the event loop's clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: float | None = None

    def left(self) -> float:
        """Seconds left; to be asked at each refusal."""
        now = asyncio.get_running_loop().time()
        self._since = now if self._since is None else self._since
        return self._since + self.seconds - now


@dataclass(frozen=True, slots=True)
class Charge:
    """Who pays for the calls made under it."""

    usage: Usage
    stage: str
    mind: str
    user: str = ""
    prices: Prices = field(default_factory=Prices)
    check: Callable[[], None] = lambda: None
    """Raises: BudgetSpentError: no further call may be made."""
    tracing: Tracing = field(default_factory=Tracing)
    patience: Patience | None = None
    rest: Callable[[float, str], None] = lambda seconds, reason: None
    """Told when requests rest for so many seconds, and what the server said."""


_NOW: ContextVar[Charge | None] = ContextVar("charge", default=None)


@contextmanager
def charging(charge: Charge) -> Iterator[None]:
    """Calls made inside are charged to `charge`."""
    token = _NOW.set(charge)
    try:
        yield
    finally:
        _NOW.reset(token)


def may_call() -> None:
    """To be asked right before a request. Raises: BudgetSpentError."""
    if (charge := _NOW.get()) is not None:
        charge.check()


def patience_or(seconds: float) -> Patience:
    """The build's, which is shared by all requests of one call of a mind; outside a build, one of so many seconds."""
    charge = _NOW.get()
    return charge.patience if charge is not None and charge.patience is not None else Patience(seconds)


def resting(seconds: float, reason: str) -> None:
    """To be told when a refusal makes requests rest."""
    if (charge := _NOW.get()) is not None:
        charge.rest(seconds, reason)


def count(**numbers: float) -> None:
    """Count `calls`, `tokens`, `seconds`, ... ; outside a build they go nowhere."""
    if (charge := _NOW.get()) is not None:
        charge.usage.charge(charge.stage, charge.mind, charge.user, numbers)


@contextmanager
def traced(name: str, **attributes: str | int | float) -> Iterator[Any]:
    """A span around a request, where the build is traced."""
    charge = _NOW.get()
    with (charge.tracing if charge else Tracing()).span(name, **attributes) as span:
        yield span


def pay(model: str, input_tokens: float, output_tokens: float) -> None:
    """Count the tokens of one reply and, where the model has a price, its money. Args: model: as `Prices.of` takes it."""
    charge = _NOW.get()
    money = charge.prices.cost(model, input_tokens, output_tokens) if charge else None
    tokens = {"input_tokens": input_tokens, "output_tokens": output_tokens, "tokens": input_tokens + output_tokens}
    count(**tokens, **({} if money is None else {"money": money}))
