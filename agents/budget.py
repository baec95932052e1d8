"""Budgets: how much a call of `build` may spend before it stops cleanly."""

from __future__ import annotations

from llmrg.agents.config import BuildConfig
from llmrg.core.errors import BudgetSpentError


class RunBudgetSpentError(BudgetSpentError):
    """A budget of a build is spent. What was finished is kept; the same build with a new budget goes on from there."""

    def __init__(self, budget: str, limit: float, spent: dict[str, float]) -> None:
        super().__init__(budget, limit, spent)
        self.budget, self.limit, self.spent = budget, limit, spent
        """`spent` holds calls, tokens and seconds."""

    def __str__(self) -> str:
        spent = ", ".join(f"{value:g} {name}" for name, value in self.spent.items())
        return f"the budget {self.budget}={self.limit:g} is spent ({spent}); run the same build again to go on where it stopped"


def check_budget(config: BuildConfig, spent: dict[str, float]) -> None:
    """To be called before each call of a mind.

    Raises: RunBudgetSpentError: a budget is reached.
    """
    limits = {"max_calls": config.max_calls, "max_tokens": config.max_tokens, "max_seconds": config.max_seconds}
    for budget, limit in limits.items():
        if limit is not None and spent.get(budget.removeprefix("max_"), 0.0) >= limit:
            raise RunBudgetSpentError(budget, limit, spent)
