"""What the nodes of one run share: the real parts, handed to LangGraph as runtime context."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llmrg.agents.config import BuildConfig
from llmrg.agents.protocols import Imaginer, Reasoner, Verifier
from llmrg.agents.usage import Usage
from llmrg.core.errors import BudgetSpentError
from llmrg.core.records import History
from llmrg.core.text_vectors import TextVectors
from llmrg.data.dataset import Dataset
from llmrg.data.successors import Successors
from llmrg.graph_store.protocol import GraphStore

Embed = Callable[[Sequence[str]], np.ndarray]
"""Texts -> (N, D) float32 rows of unit length."""


@dataclass(frozen=True)
class Minds:
    """Who fills which role; one object may fill all three."""

    reasoner: Reasoner
    verifier: Verifier
    imaginer: Imaginer

    def usages(self) -> dict[str, dict[str, float]]:
        """Mind name -> its counters, each mind once."""
        found: dict[str, dict[str, float]] = {}
        for mind in self._distinct():
            counters = found.setdefault(mind.name, {})
            for what, number in mind.usage().items() if hasattr(mind, "usage") else ():
                counters[what] = counters.get(what, 0.0) + number
        return {name: counters for name, counters in found.items() if counters}

    def prompt_versions(self) -> dict[str, str]:
        """Role -> version of its prompt, of the minds that have prompts."""
        return {role: version for mind in self._distinct() for role, version in getattr(mind, "prompt_versions", {}).items()}

    def settings(self) -> dict[str, object]:
        """Role -> what, besides its mind's name, changes its answers; a mind that fills several roles stands at the first."""
        roles = {id(mind): role for role, mind in reversed(list(vars(self).items()))}
        return {roles[id(mind)]: mind.settings for mind in self._distinct() if getattr(mind, "settings", None)}

    def _distinct(self) -> list[Any]:
        return list({id(mind): mind for mind in (self.reasoner, self.verifier, self.imaginer)}.values())


@dataclass
class BuildContext:
    """One per run."""

    dataset: Dataset
    store: GraphStore
    minds: Minds
    config: BuildConfig
    run: str
    successors: Successors
    vectors: TextVectors | None = None
    """Makes the vectors of the knowledge base and grounds what is imagined; without it neither is done by meaning."""
    usage: Usage = field(default_factory=Usage)
    _spent_before: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._spent_before = self._spent()

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

    def history(self, user: str) -> History:
        return self.dataset.histories[user]

    def first_cause(self, user: str) -> int:
        """Oldest position that reasoning looks at."""
        return max(0, len(self.history(user)) - self.config.l_tru)

    def shared_length(self, user: str) -> int:
        """Positions below this may enter the knowledge base: the held-out items of a user never do."""
        length = len(self.history(user))
        return length - self.config.held_out if length > self.config.held_out else 0

    def _spent(self) -> dict[str, float]:
        usages = self.minds.usages().values()
        return {what: sum(usage.get(what, 0.0) for usage in usages) for what in ("calls", "tokens")}

    def spent(self) -> dict[str, float]:
        """Model calls, tokens and seconds of this call of `build`."""
        spent = {what: number - self._spent_before.get(what, 0.0) for what, number in self._spent().items()}
        return {**spent, "seconds": self.usage.elapsed()}

    def check_budget(self) -> None:
        """Raises: BudgetSpentError: a budget of this call of `build` is used up; asked before every call of a mind."""
        spent = self.spent()
        limits = {"calls": self.config.max_calls, "tokens": self.config.max_tokens, "seconds": self.config.max_seconds}
        for what, limit in limits.items():
            if limit is not None and spent[what] >= limit:
                raise BudgetSpentError(
                    f"the budget of {limit:g} {what} is spent ({spent[what]:,.0f}); finished users and blocks are kept: "
                    "run the same command again to go on, with a larger budget to get further"
                )
