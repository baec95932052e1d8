"""What a build will cost, before it begins: the real machine runs over some users with a model that thinks nothing.

All requests are rendered as they would be, and counted; replies are made up in form and length. How often a model proposes two
steps for an item, and how many of its steps pass verification, is not known before; it is taken from an earlier run of the same
minds over the same data where there is one (a few users built first make a better estimate), else from the defaults of `Habits`.
"""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from llmrg.agents.config import BUDGETS, BuildConfig
from llmrg.agents.context import BLOCK_SIZE, Minds
from llmrg.agents.fleet import build
from llmrg.agents.minds.chat import ChatMind
from llmrg.agents.nodes.plan import blocks_of
from llmrg.agents.prices import Prices
from llmrg.agents.protocols import Block, Candidate, Cut, Imagined, Verdict
from llmrg.agents.stand_in import StandInModel, chance
from llmrg.core.records import Run
from llmrg.data.dataset import Dataset
from llmrg.graph_store.sqlite_store import SqliteStore

STAGES = ("reason", "verify", "diverge")
COUNTED = ("calls", "input_tokens", "output_tokens")


@dataclass(frozen=True)
class Habits:
    """What a model does that its prompts do not say."""

    steps_per_item: float = 1.5
    """Steps proposed for each item asked for."""
    accepted: float = 0.75
    """Share of steps that verification accepts."""
    grounded: float = 0.8
    """Share of imagined titles that are unseen items of the catalogue."""
    written: Mapping[str, float] = field(default_factory=dict)
    """Stage -> tokens of a reply; empty: as in the made-up replies."""
    run: str = ""
    """The run that this was seen in; empty: assumed."""


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
    """Users that it was counted on."""
    habits: Habits
    chat: bool
    """Whether a chat model is asked at all; other minds cost no tokens of a provider."""

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
) -> Estimate:
    """Args:
    sample: users that are gone through; the rest is counted by its blocks.
    earlier: runs over the same data; the newest of the same minds says what the models do.
    """
    config = (config or BuildConfig()).model_copy(update=dict.fromkeys(BUDGETS))
    chosen = list(dataset.histories) if users is None else list(dict.fromkeys(users))
    drawn = random.Random("estimate").sample(chosen, min(sample, len(chosen)))
    habits = habits_of(minds, config, earlier)
    size = config.block_size or int(getattr(minds.reasoner, "block_size", BLOCK_SIZE))
    dry = _dry(minds, dataset, habits)
    dry_config = config.model_copy(update={"block_size": size, "knowledge": False, "tau": 0.5})
    with tempfile.TemporaryDirectory(prefix="llmrg-estimate-") as folder, SqliteStore(Path(folder) / "dry.db") as store:
        told = (await build(dataset, store, dry, dry_config, users=drawn)).counts
    blocks = [len(blocks_of(len(dataset.histories[u]), _start(dataset, u, config), size, config.held_out)) for u in chosen]
    in_sample = sum(b for u, b in zip(chosen, blocks, strict=True) if u in set(drawn))
    scale = sum(blocks) / in_sample if in_sample else 0.0
    roles = dict(zip(STAGES, (minds.reasoner, minds.verifier, minds.imaginer), strict=True))
    asked = [stage for stage, mind in roles.items() if isinstance(mind, ChatMind)]
    stages = {stage: {what: scale * told.get(f"{stage}.{what}", 0.0) for what in COUNTED} for stage in asked}
    for stage in asked:
        if stage in habits.written:
            stages[stage]["output_tokens"] = stages[stage]["calls"] * habits.written[stage]
    sums = {what: sum(counts[what] for counts in stages.values()) for what in COUNTED}
    paces = [(sums["calls"], requests_per_minute), (sums["input_tokens"] + sums["output_tokens"], tokens_per_minute)]
    seconds = [60 * number / limit for number, limit in paces if limit]
    money = _money(stages, roles, prices or Prices())
    return Estimate(
        users=len(chosen),
        blocks=sum(blocks),
        **sums,
        money=money,
        currency=(prices or Prices()).currency,
        seconds=max(seconds, default=None),
        stages=stages,
        sampled=len(drawn),
        habits=habits,
        chat=bool(asked),
    )


def habits_of(minds: Minds, config: BuildConfig, earlier: Sequence[Run]) -> Habits:
    """From the newest earlier run whose reasoner and verifier are these."""
    names = {"reasoner": minds.reasoner.name, "verifier": minds.verifier.name}
    for run in earlier:
        costs = run.costs
        asked, proposed = costs.get("reason.asked", 0), costs.get("reason.proposed", 0)
        judged = sum(costs.get(f"verify.reasoned.{outcome}", 0) for outcome in ("accepted", "rejected", "waiting"))
        if asked and proposed and judged and all(run.settings.get(role) == name for role, name in names.items()):
            imagined = costs.get("diverge.imagined", 0)
            grounded = costs.get("ground.kept", 0) / imagined if imagined else Habits.grounded
            calls = {stage: costs.get(f"{stage}.calls", 0) - costs.get(f"{stage}.failed", 0) for stage in STAGES}
            written = {stage: costs.get(f"{stage}.output_tokens", 0) / number for stage, number in calls.items() if number > 0}
            return Habits(proposed / asked, costs.get("verify.reasoned.accepted", 0) / judged, grounded, written, run.id)
    return Habits()


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
        told = []
        for verdict, c in zip(verdicts, candidates, strict=True):
            good = chance(block.user, c.position, c.cause, c.reason, c.item) < self._habits.accepted
            told.append(replace(verdict, score=float(good), critique="" if good else "another one fits better"))
        return told

    async def imagine(self, cut: Cut) -> list[Imagined]:
        """In the catalogue as often as the habits say."""
        said = await super().imagine(cut)
        unseen = [item for item in self._catalogue.ids[: len(cut.history) + 50] if item not in set(cut.history.items)]
        return [
            replace(one, text="", item=unseen[number % len(unseen)])
            if unseen and chance(cut.user, cut.position, number) < self._habits.grounded
            else one
            for number, one in enumerate(said)
        ]


def _money(stages: Mapping[str, Mapping[str, float]], roles: Mapping[str, Any], prices: Prices) -> float | None:
    total = 0.0
    for stage, counts in stages.items():
        part = prices.cost(roles[stage].model_name, counts["input_tokens"], counts["output_tokens"])
        total += math.nan if part is None else part
    return None if math.isnan(total) else total
