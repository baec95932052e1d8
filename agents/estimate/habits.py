"""What a model does that its prompts do not say: as it did in an earlier run of the same minds, else as is assumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.run.item_profiles import COUNTED
from llmrg.core.records import Run

STAGES = ("reason", "verify", "diverge")
REASONS_PER_ITEM = 6.0
"""That a mind which asks once per item is assumed to be told of each."""


@dataclass(frozen=True)
class Habits:
    """What a model does that its prompts do not say."""

    steps_per_item: float = 1.5
    """Steps proposed (or, asked once per item, reasons given) for each item asked for."""
    accepted: float = 0.75
    """Share of steps (or reasons) that verification accepts."""
    grounded: float = 0.8
    """Share of imagined titles that are unseen items of the catalogue."""
    written: Mapping[str, float] = field(default_factory=dict)
    """Stage -> tokens of a reply (asked once per item: of it for each item, or for each theme checked); empty: as in the made-up
    replies."""
    themes: float = 400.0
    """Asked once per item: reasons of all items together, each counted once."""
    theme_length: float = 15.0
    """Characters of one of them."""
    run: str = ""
    """The run that this was seen in; empty: assumed."""


def habits_of(minds: Minds, config: BuildConfig, earlier: Sequence[Run]) -> Habits:
    """From the newest earlier run whose reasoner and verifier are these."""
    names = {"reasoner": minds.reasoner.name, "verifier": minds.verifier.name}
    for run in earlier:
        costs = run.costs
        positions, proposed = costs.get("reason.asked", 0), costs.get("reason.proposed", 0)
        judged = sum(costs.get(f"verify.reasoned.{outcome}", 0) for outcome in ("accepted", "rejected", "waiting"))
        if positions and proposed and judged and all(run.settings.get(role) == name for role, name in names.items()):
            imagined = costs.get("diverge.imagined", 0)
            grounded = costs.get("ground.kept", 0) / imagined if imagined else Habits.grounded
            accepted = costs.get("verify.reasoned.accepted", 0) / judged
            return Habits(proposed / positions, accepted, grounded, _written(costs), run=run.id)
    return Habits()


def item_habits(mind: str, items: int, earlier: Sequence[Run]) -> Habits:
    """Of a mind that asks once per item, from the newest earlier run in which it asked; a run that was cut short will do.

    Args: items: to be asked for. The number of themes is taken to grow with the square root of the items.
    """
    for run in earlier:
        counts = {name.removeprefix(COUNTED): number for name, number in run.costs.items() if name.startswith(COUNTED)}
        answered, proposed, checked, new = (counts.get(what, 0) for what in ("answered", "proposed", "checked", "new"))
        if run.settings.get("reasoner") == mind and answered and proposed and checked and new:
            return Habits(
                steps_per_item=proposed / answered,
                accepted=counts.get("accepted", 0) / checked,
                written={
                    stage: run.costs.get(f"{stage}.output_tokens", 0) / written_for(stage, counts)
                    for stage in ("reason", "verify")
                },
                themes=new * max(1.0, items / answered) ** 0.5,
                theme_length=counts.get("characters", 0) / proposed,
                run=run.id,
            )
    return Habits(steps_per_item=REASONS_PER_ITEM)


def written_for(stage: str, counts: Mapping[str, float]) -> float:
    """What the tokens of replies about items grow with: items answered, themes checked."""
    return counts.get("answered" if stage == "reason" else "checked", 0)


def _written(costs: Mapping[str, float]) -> dict[str, float]:
    """Stage -> tokens of a reply."""
    calls = {stage: costs.get(f"{stage}.calls", 0) - costs.get(f"{stage}.failed", 0) for stage in STAGES}
    return {stage: costs.get(f"{stage}.output_tokens", 0) / number for stage, number in calls.items() if number > 0}
