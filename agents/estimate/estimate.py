"""What a build will cost, before it begins: the real machine runs over some users with a model that thinks nothing.

All requests are rendered as they would be, and counted; replies are made up in form and length. How often a model proposes two
steps for an item, and how many of its steps pass verification, is not known before; it is taken from an earlier run of the same
minds over the same data where there is one (a few users built first make a better estimate), else from the defaults of `Habits`.
A mind that asks once per item is estimated by `agents.estimate.item_costs`.
"""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from llmrg.agents.accounting.prices import Prices
from llmrg.agents.config import BUDGETS, BuildConfig
from llmrg.agents.context import BLOCK_SIZE, Minds
from llmrg.agents.estimate.habits import STAGES, Habits, habits_of, item_habits
from llmrg.agents.estimate.item_costs import COUNTED, Stages, item_costs
from llmrg.agents.estimate.stand_in import StandInModel, chance
from llmrg.agents.machine.nodes.plan import blocks_of
from llmrg.agents.minds.chat import ChatMind
from llmrg.agents.minds.item_chat import ItemChatMind
from llmrg.agents.protocols import Block, Candidate, Cut, Imagined, Verdict
from llmrg.agents.run.build import build
from llmrg.core.records import Run
from llmrg.core.themes import Themes
from llmrg.data.dataset import Dataset
from llmrg.graph_store.sqlite_store import SqliteStore


@dataclass(frozen=True)
class Estimate:
    """Of one build from its beginning, without what the knowledge base will save."""

    users: int
    blocks: int
    calls: float
    input_tokens: float
    output_tokens: float
    money: float | None
    """None: no price is known for a model that is asked."""
    currency: str
    seconds: float | None
    """By the limits of requests and tokens a minute; None where none is given."""
    stages: Mapping[str, Mapping[str, float]]
    """Stage -> calls, input_tokens, output_tokens."""
    sampled: int
    """Users (or items) that it was counted on."""
    habits: Habits
    chat: bool
    """Whether a chat model is asked at all; other minds cost no tokens of a provider."""
    items: int = 0
    """Items that are asked for once, for any number of users."""
    by_item: bool = False
    """Whether the model is asked once per item; `sampled` are items then."""

    @property
    def tokens(self) -> float:
        return self.input_tokens + self.output_tokens

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "tokens": self.tokens}


async def estimate(
    dataset: Dataset,
    minds: Minds,
    config: BuildConfig | None = None,
    *,
    users: Sequence[str] | None = None,
    sample: int = 20,
    earlier: Sequence[Run] = (),
    prices: Prices | None = None,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
    known: Themes | None = None,
) -> Estimate:
    """Args:
    sample: users that are gone through; the rest is counted by its blocks.
    earlier: runs over the same data; the newest of the same minds says what the models do.
    known: what the store knows of items; those need not be asked for once more.
    """
    config = (config or BuildConfig()).model_copy(update=dict.fromkeys(BUDGETS))
    chosen = list(dataset.histories) if users is None else list(dict.fromkeys(users))
    size = config.block_size or int(getattr(minds.reasoner, "block_size", BLOCK_SIZE))
    held_out = config.held_out_of(dataset.split)
    blocks = {u: len(blocks_of(len(dataset.histories[u]), _start(dataset, u, config), size, held_out)) for u in chosen}
    roles = dict(zip(STAGES, (minds.reasoner, minds.verifier, minds.imaginer), strict=True))
    parts: list[tuple[Mapping[str, str], Stages]] = []
    habits, sampled, items = habits_of(minds, config, earlier), 0, 0
    if priced := {stage: mind.priced_as for stage, mind in roles.items() if isinstance(mind, ChatMind)}:
        drawn = random.Random("estimate").sample(chosen, min(sample, len(chosen)))
        counted = await _counted(dataset, minds, config.model_copy(update={"block_size": size}), drawn, habits)
        scale = sum(blocks.values()) / max(sum(blocks[user] for user in drawn), 1)
        stages = {stage: {what: scale * counted.get(f"{stage}.{what}", 0.0) for what in COUNTED} for stage in priced}
        for stage in stages.keys() & habits.written.keys():
            stages[stage]["output_tokens"] = stages[stage]["calls"] * habits.written[stage]
        parts.append((priced, stages))
        sampled = len(drawn)
    by_item = [mind for mind in minds.distinct() if isinstance(mind, ItemChatMind)]
    for mind in by_item:
        profile = known.profile(mind.profile_name(config.verification)) if known else None
        left = mind.left_to_ask(profile, tries=config.tries, verification=config.verification)
        habits = item_habits(mind.name, len(left), earlier)
        costs = await item_costs(dataset, mind, config, habits, profile)
        parts.append((dict.fromkeys(costs.stages, mind.priced_as), costs.stages))
        sampled, items = costs.sampled, costs.items
    all_stages = {
        stage: {what: sum(of[stage][what] for _, of in parts if stage in of) for what in COUNTED}
        for stage in STAGES
        if any(stage in of for _, of in parts)
    }
    sums = {what: sum(counts[what] for counts in all_stages.values()) for what in COUNTED}
    paces = [(sums["calls"], requests_per_minute), (sums["input_tokens"] + sums["output_tokens"], tokens_per_minute)]
    seconds = [60 * number / limit for number, limit in paces if limit]
    return Estimate(
        users=len(chosen),
        blocks=sum(blocks.values()),
        **sums,
        money=_money(parts, prices or Prices()),
        currency=(prices or Prices()).currency,
        seconds=max(seconds, default=None),
        stages=all_stages,
        sampled=sampled,
        habits=habits,
        chat=bool(parts),
        items=items,
        by_item=bool(by_item),
    )


async def _counted(
    dataset: Dataset, minds: Minds, config: BuildConfig, users: Sequence[str], habits: Habits
) -> Mapping[str, float]:
    """What the real machine counts over these users, with nobody behind the minds."""
    dry_config = config.model_copy(update={"knowledge": False, "tau": 0.5})
    with tempfile.TemporaryDirectory(prefix="llmrg-estimate-") as folder, SqliteStore(Path(folder) / "dry.db") as store:
        return (await build(dataset, store, _dry(minds, dataset, habits), dry_config, users=users)).counts


def _start(dataset: Dataset, user: str, config: BuildConfig) -> int:
    return max(0, len(dataset.histories[user]) - config.l_tru)


def _dry(minds: Minds, dataset: Dataset, habits: Habits) -> Minds:
    """The same minds with nobody behind them; what is no chat mind costs nothing and proposes, accepts and continues alike."""
    model = StandInModel(steps_per_item=habits.steps_per_item)
    stands = {id(mind): _DryMind(model, dataset, mind, habits) for mind in minds.distinct()}
    return Minds(stands[id(minds.reasoner)], stands[id(minds.verifier)], stands[id(minds.imaginer)])


class _DryMind(ChatMind):
    """Renders every request of a chat mind and counts it; verdicts are drawn by the habits."""

    def __init__(self, model: StandInModel, dataset: Dataset, real: Any, habits: Habits) -> None:
        super().__init__(model, dataset, real.config if isinstance(real, ChatMind) else None)
        self._habits = habits
        self.name = f"dry/{real.name}"

    async def verify(self, block: Block, candidates: Sequence[Candidate]) -> list[Verdict]:
        verdicts = await super().verify(block, candidates)
        judged = []
        for verdict, c in zip(verdicts, candidates, strict=True):
            good = chance(block.user, c.position, c.cause, c.reason, c.item) < self._habits.accepted
            judged.append(replace(verdict, score=float(good), critique="" if good else "another one fits better"))
        return judged

    async def imagine(self, cut: Cut) -> list[Imagined]:
        """In the catalogue as often as the habits say."""
        imagined = await super().imagine(cut)
        unseen = [item for item in self._catalogue.ids[: len(cut.history) + 50] if item not in set(cut.history.items)]
        return [
            replace(step, text="", item=unseen[number % len(unseen)])
            if unseen and chance(cut.user, cut.position, number) < self._habits.grounded
            else step
            for number, step in enumerate(imagined)
        ]


def _money(parts: Sequence[tuple[Mapping[str, str], Stages]], prices: Prices) -> float | None:
    total = 0.0
    for models, stages in parts:
        for stage, counts in stages.items():
            part = prices.cost(models[stage], counts["input_tokens"], counts["output_tokens"])
            total += math.nan if part is None else part
    return None if math.isnan(total) else total
