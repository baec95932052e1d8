"""What the nodes of one run share: the real parts, handed to LangGraph as runtime context."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from llmrg.agents.accounting.prices import Prices
from llmrg.agents.accounting.tracing import Tracing
from llmrg.agents.accounting.usage import Usage
from llmrg.agents.config import BUDGETS, BuildConfig
from llmrg.agents.protocols import Imaginer, Reasoner, Verifier
from llmrg.core.errors import BudgetSpentError, ConfigError, StoreUnreachableError
from llmrg.core.records import History
from llmrg.core.text_vectors import TextVectors
from llmrg.core.vetoes import Vetoes
from llmrg.data.dataset import Dataset
from llmrg.data.successors import Successors
from llmrg.graph_store.protocol import GraphStore

T = TypeVar("T")
log = logging.getLogger(__name__)
Embed = Callable[[Sequence[str]], np.ndarray]
"""Texts -> (N, D) float32 rows of unit length."""
HISTORIES_AT_HAND = 256
"""Of users under way; one is made anew where more are."""
BLOCK_SIZE = 10
"""Where neither the build nor the reasoner says one."""


@dataclass(frozen=True)
class Minds:
    """Who fills which role; one object may fill all three."""

    reasoner: Reasoner
    verifier: Verifier
    imaginer: Imaginer

    def prompt_versions(self) -> dict[str, str]:
        """Role -> version of its prompt, of the roles whose mind has prompts."""
        roles = {"reason": self.reasoner, "verify": self.verifier, "imagine": self.imaginer}
        versions = {role: getattr(mind, "prompt_versions", {}).get(role) for role, mind in roles.items()}
        return {role: version for role, version in versions.items() if version}

    def settings(self) -> dict[str, object]:
        """Role -> what, besides its mind's name, changes its answers; a mind that fills several roles stands at the first."""
        roles = {id(mind): role for role, mind in reversed(list(vars(self).items()))}
        return {roles[id(mind)]: mind.settings for mind in self.distinct() if getattr(mind, "settings", None)}

    @property
    def judges(self) -> str:
        """Whose knowledge a build adds to and recalls: who reasons and who verifies."""
        names = (
            f"{mind.name}@{at}" if (at := getattr(mind, "server", "")) else mind.name for mind in (self.reasoner, self.verifier)
        )
        return " + ".join(dict.fromkeys(names))

    async def aclose(self) -> None:
        """Let the minds close what belongs to this event loop."""
        for mind in self.distinct():
            if hasattr(mind, "aclose"):
                await mind.aclose()

    def distinct(self) -> list[Any]:
        return list({id(mind): mind for mind in (self.reasoner, self.verifier, self.imaginer)}.values())


@dataclass
class BuildContext:
    """One per call of build."""

    dataset: Dataset
    store: GraphStore
    minds: Minds
    config: BuildConfig
    run: str
    successors: Successors
    vectors: TextVectors | None = None
    """Makes the vectors of the knowledge base and grounds what is imagined; without it neither is done by meaning."""
    usage: Usage = field(default_factory=Usage)
    vetoes: Vetoes = field(default_factory=Vetoes)
    """Reasons that may not become steps."""
    prices: Prices = field(default_factory=Prices)
    tracing: Tracing = field(default_factory=Tracing)
    waiting_for_store: bool = False
    spent_elsewhere: dict[str, float] = field(default_factory=dict)
    """Calls, tokens and money that other processes of this build have spent, as far as is known here: budgets hold for all."""

    def __post_init__(self) -> None:
        # Nodes ask some ten times a block, and for each step that is shared; a view is made anew at each.
        self._history = lru_cache(maxsize=HISTORIES_AT_HAND)(self.dataset.histories.__getitem__)
        if self.config.max_money is not None and not self.prices.models:
            raise ConfigError(
                f"a budget of money ({self.config.max_money:g}) needs prices, and there is no price file; write one "
                "(`llmrg estimate --help` shows how), or give a budget of tokens or calls"
            )

    @property
    def embed(self) -> Embed | None:
        return self.vectors.embed if self.vectors else None

    @property
    def namespace(self) -> str:
        return self.dataset.name

    @property
    def tau(self) -> float:
        return self.minds.verifier.default_tau if self.config.tau is None else self.config.tau

    @property
    def kb_tau(self) -> float:
        return self.tau if self.config.kb_tau is None else self.config.kb_tau

    @property
    def block_size(self) -> int:
        return self.config.block_size or int(getattr(self.minds.reasoner, "block_size", BLOCK_SIZE))

    @property
    def held_out(self) -> int:
        """See `BuildConfig.held_out`."""
        return self.config.held_out_of(self.dataset.split)

    @property
    def cut_every(self) -> int:
        """See `BuildConfig.cut_every`: only where neither imagining nor verifying costs calls is it cheap to do it often."""
        if self.config.cut_every is not None:
            return self.config.cut_every
        minds = [self.minds.imaginer, *([self.minds.verifier] if self.config.verification else [])]
        own = [int(getattr(mind, "cut_every", 0)) for mind in minds]
        return max(own) if all(own) else 0

    @property
    def shares_knowledge(self) -> bool:
        """Whether the knowledge base is asked and filled: it holds verified steps, which the control without verification has no
        part in."""
        return self.config.knowledge and self.config.verification

    def history(self, user: str) -> History:
        return self._history(user)

    def first_cause(self, user: str) -> int:
        """Oldest position that reasoning looks at."""
        return max(0, len(self.history(user)) - self.config.l_tru)

    def shared_length(self, user: str) -> int:
        """Positions below this may enter the knowledge base: what the split holds out never does, whatever the build's settings.
        (Of a history that is too short to be split, the last item may be held out when it has grown.)"""
        history, split = self.history(user), self.dataset.split
        return split.train_length(history) if len(history) >= split.min_length else 0

    # -- budgets -------------------------------------------------------------------------------------------------------
    def check_time(self) -> None:
        """Raises: BudgetSpentError."""
        self._check("max_seconds", self.usage.elapsed())

    def check_call(self) -> None:
        """Asked right before every request to a model. Raises: BudgetSpentError, for any budget."""
        self.check_time()
        for name, what in BUDGETS.items():
            if what != "seconds":
                self._check(name, self.usage.totals[what] + self.spent_elsewhere.get(what, 0))

    def _check(self, name: str, spent: float) -> None:
        limit = getattr(self.config, name)
        if limit is not None and spent >= limit:
            what = self.prices.currency or "money" if name == "max_money" else BUDGETS[name]
            raise BudgetSpentError(
                f"the budget of {limit:g} {what} is spent ({spent:,.6g}); finished users and blocks are kept: "
                "run the same command again to go on, with a larger budget to get further"
            )

    # -- the store, off the event loop ---------------------------------------------------------------------------------
    async def stored(self, call: Callable[..., T], *args: Any) -> T:
        """One store call in a thread. While the store is away, it is asked again for `patience_s`.

        For calls that may be repeated: all of the store's but `count_uses`.
        """
        started, wait = time.monotonic(), 0.25
        while True:
            try:
                result = await asyncio.to_thread(call, *args)
                self.waiting_for_store = False
                return result
            except StoreUnreachableError as error:
                if time.monotonic() - started + wait > self.config.patience_s:
                    raise
                if not self.waiting_for_store:
                    log.warning("the store is away, waiting for it: %s", error)
                self.waiting_for_store = True
                self.usage.add("store.waits")
            await asyncio.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, 10.0)
