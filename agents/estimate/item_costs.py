"""What asking once per item will cost: all requests for some items are rendered and counted, with nobody to answer them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from llmrg.agents.accounting.charge import Charge, charging
from llmrg.agents.accounting.usage import Usage
from llmrg.agents.config import BuildConfig
from llmrg.agents.estimate.habits import Habits, written_for
from llmrg.agents.estimate.stand_in import StandInModel, chance
from llmrg.agents.minds.item_chat import ItemChatMind
from llmrg.agents.minds.item_themes import PickQuestion
from llmrg.core.themes import Appeal, Profile
from llmrg.data.dataset import Dataset

T = TypeVar("T")
Stages = dict[str, dict[str, float]]
"""Stage -> calls, input_tokens, output_tokens."""
COUNTED = ("calls", "input_tokens", "output_tokens")
ITEMS_RENDERED = 2000
"""Items whose requests are rendered and counted."""


@dataclass(frozen=True)
class ItemCosts:
    """For any number of users."""

    stages: Stages
    items: int
    """Items to be asked for."""
    sampled: int
    """Items that it was counted on."""


async def item_costs(
    dataset: Dataset, mind: ItemChatMind, config: BuildConfig, habits: Habits, known: Profile | None
) -> ItemCosts:
    """Args: known: answers of earlier, for which nothing is to be paid."""
    dry = _DryItems(dataset, mind, habits)
    todo = mind.left_to_ask(known, tries=config.tries, verification=config.verification)
    appeals = known.appeals if known is not None and len(todo) < len(dataset.catalogue) else ()
    sample = todo[:ITEMS_RENDERED]
    costs = await dry.costs(sample, appeals, config)
    if len(sample) < len(todo):  # the first ones cost more, in small waves; the rest costs what the sample's second half does
        first = await dry.costs(sample[: len(sample) // 2], appeals, config)
        further = (len(todo) - len(sample)) / (len(sample) - len(sample) // 2)
        costs = {stage: {what: n + further * (n - first[stage][what]) for what, n in of.items()} for stage, of in costs.items()}
    return ItemCosts(costs, len(todo), len(sample))


class _DryItems(ItemChatMind):
    """Renders every request; which reasons are found again is drawn by the habits."""

    def __init__(self, dataset: Dataset, real: ItemChatMind, habits: Habits) -> None:
        model = StandInModel(
            reasons_per_item=habits.steps_per_item,
            themes=max(round(habits.themes), 1),
            theme_length=max(round(habits.theme_length), 1),
        )
        super().__init__(model, dataset, real.config)
        self._habits = habits

    async def costs(self, items: Sequence[str], appeals: Iterable[Appeal], config: BuildConfig) -> Stages:
        usage = Usage()

        async def counted(stage: str, call: Callable[[], Awaitable[T]], useless: T) -> T:
            with charging(Charge(usage, stage, self.name)):
                return await call()

        counts: Counter[str] = Counter()
        how: dict[str, Any] = {"tries": config.tries, "verification": config.verification, "counts": counts}
        await self.answers(items, appeals, counted, **how)
        stages = ("reason", "verify") if config.verification else ("reason",)
        costs = {stage: {what: usage.counts.get(f"{stage}.{what}", 0.0) for what in COUNTED} for stage in stages}
        for stage, each in ((stage, self._habits.written[stage]) for stage in stages if stage in self._habits.written):
            costs[stage]["output_tokens"] = each * written_for(stage, counts)
        return costs

    def _found_again(self, question: PickQuestion, picked: Sequence[int] | None) -> list[str]:
        own = [question.options[number - 1] for number in sorted(question.own)]
        return [theme for theme in own if chance(question.item, theme) < self._habits.accepted]
