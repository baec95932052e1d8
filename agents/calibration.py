"""Calibration of a verifier: right steps and wrong ones are judged together, and their scores compared.

Right are the reasoner's own proposals, or planted ones where the truth is known. A reasoner errs too, so against its proposals
the AUC is a lower bound. Wrong are, for each right step, (1) **shuffled**: the same cause and item for a reason that was given
for another item, and that this item is not known to carry, judged among the right ones; (2) **wrong item**: the same reason in a
history whose items were replaced by random others, not known to carry it. The held-out last items of the users are left out, so
nothing is chosen by what is measured later.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field, PositiveInt
from scipy.stats import rankdata

from llmrg.agents.context import BLOCK_SIZE, Minds
from llmrg.agents.protocols import Block, Candidate
from llmrg.core.calibration import Auc, Calibration, Threshold
from llmrg.core.errors import DataError, ModelReplyError
from llmrg.core.records import History, stable_key
from llmrg.core.vetoes import Vetoes
from llmrg.data.dataset import Dataset
from llmrg.data.truth import PlantedStep

Kind = Literal["right", "shuffled", "wrong item"]
RATES = (0.01, 0.05, 0.1, 0.2)
RESAMPLES = 1000
FEWEST = 20
"""Right steps that a calibration needs."""


class CalibrationConfig(BaseModel, frozen=True, extra="forbid"):
    """How a verifier is calibrated."""

    users: PositiveInt = 50
    """Users drawn."""
    last: PositiveInt = 20
    """Items of each that are looked at, the latest before the held-out ones."""
    false_accepts: float = Field(default=0.05, gt=0, lt=1)
    """Wanted share of wrong steps that are accepted."""
    prevalence: float = Field(default=0.5, gt=0, lt=1)
    """Share of right steps among proposals for which the reliability is stated. The sample's own share says nothing: it follows
    from how many wrong steps are made for each right one."""
    seed: int = 0


@dataclass(frozen=True)
class Judged:
    """One step and what the verifier gave it."""

    user: str
    kind: Kind
    score: float


async def calibrate(
    dataset: Dataset,
    minds: Minds,
    config: CalibrationConfig | None = None,
    *,
    truth: Iterable[PlantedStep] | None = None,
    vetoes: Vetoes | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Args:
        truth: planted steps; they are the right ones then, and the reasoner is not asked.
        vetoes: proposals with such reasons become no steps of a build, and are not judged here.
        progress: told (users done, users).
    Raises: DataError: too few steps to say anything; ModelError: as the minds raise it.
    """
    config = config or CalibrationConfig()
    lengths = dataset.arrays.lengths
    long_enough = [dataset.arrays.users[u] for u in np.flatnonzero(lengths >= dataset.split.held_out + 2).tolist()]
    users = random.Random(f"calibrate {config.seed}").sample(long_enough, min(config.users, len(long_enough)))
    planted = _by_user(truth) if truth is not None else None
    judged: list[Judged] = []
    try:
        for number, user in enumerate(users):
            if progress:
                progress(number, len(users))
            judged += await _judged_of(dataset, minds, config, user, planted, vetoes or Vetoes())
        if progress:
            progress(len(users), len(users))
    finally:
        await minds.aclose()
    right = sum(step.kind == "right" for step in judged)
    if right < FEWEST:
        raise DataError(
            f"{right} steps of {len(users)} users are too few to calibrate {minds.verifier.name} (at least {FEWEST}); "
            "take more users (--users), or data with longer histories"
        )
    return summed_up(judged, dataset.name, minds, config, "planted truth" if planted is not None else minds.reasoner.name)


def summed_up(judged: Sequence[Judged], data: str, minds: Minds, config: CalibrationConfig, reasoner: str) -> Calibration:
    """Figures from scores."""
    kinds: tuple[Kind, ...] = ("shuffled", "wrong item")
    right = np.array([step.score for step in judged if step.kind == "right"])
    wrong = np.array([step.score for step in judged if step.kind != "right"])
    edges = np.linspace(0, 1, 21)
    return Calibration(
        data=data,
        verifier=minds.verifier.name,
        reasoner=reasoner,
        users=len({step.user for step in judged}),
        positives=len(right),
        auc={**{kind: _auc(judged, [kind], config.seed) for kind in kinds}, "all": _auc(judged, kinds, config.seed)},
        thresholds=tuple(threshold(right, wrong, rate) for rate in sorted({*RATES, config.false_accepts})),
        reliability=reliability(right, wrong, config.prevalence),
        prevalence=config.prevalence,
        histogram={"right": np.histogram(right, edges)[0].tolist(), "wrong": np.histogram(wrong, edges)[0].tolist()},
        false_accepts=config.false_accepts,
        seed=config.seed,
        prompts=minds.prompt_versions(),
        server=str(getattr(minds.verifier, "server", "")),
    )


def auc(right: np.ndarray, wrong: np.ndarray) -> float:
    """P(a right score is above a wrong one), ties counting half (Mann-Whitney U). NaN where either is empty."""
    if not len(right) or not len(wrong):
        return float("nan")
    ranks = rankdata(np.concatenate([right, wrong]))
    return float((ranks[: len(right)].sum() - len(right) * (len(right) + 1) / 2) / (len(right) * len(wrong)))


def threshold(right: np.ndarray, wrong: np.ndarray, rate: float) -> Threshold:
    """The lowest score from which at most `rate` of the wrong steps would be accepted."""
    for tau in np.unique(np.concatenate([right, wrong, [1.0]])):
        false = float(np.mean(wrong >= tau)) if len(wrong) else 0.0
        if false <= rate:
            return Threshold(rate, float(tau), false, float(np.mean(right >= tau)))
    return Threshold(rate, None, float(np.mean(wrong >= 1.0)), float(np.mean(right >= 1.0)))


def reliability(right: np.ndarray, wrong: np.ndarray, prevalence: float) -> tuple[tuple[float, float, int], ...]:
    """By tenths of the score: (mean score, share of right steps, steps), as if `prevalence` of all steps were right.

    Both classes are weighted to that share. Counted as they come, the shares would fall with every further wrong step that is
    made for a right one.
    """
    scores = np.concatenate([right, wrong])
    truth = np.concatenate([np.ones(len(right)), np.zeros(len(wrong))])
    weights = np.where(truth == 1, prevalence / max(len(right), 1), (1 - prevalence) / max(len(wrong), 1))
    tenth = np.minimum((scores * 10).astype(int), 9)
    bins = []
    for mask in (tenth == t for t in np.unique(tenth)):
        score, share = (float(np.average(values[mask], weights=weights[mask])) for values in (scores, truth))
        bins.append((score, share, int(mask.sum())))
    return tuple(bins)


def _auc(judged: Sequence[Judged], kinds: Sequence[Kind], seed: int) -> Auc:
    """With users drawn again for the interval."""
    by_user: dict[str, tuple[list[float], list[float]]] = {}
    for step in judged:
        scores = by_user.setdefault(step.user, ([], []))
        if step.kind == "right" or step.kind in kinds:
            scores[step.kind != "right"].append(step.score)
    pairs = [(np.array(a), np.array(b)) for a, b in by_user.values()]

    def of(rows: Iterable[int]) -> float:
        chosen = [pairs[row] for row in rows]
        return auc(np.concatenate([a for a, _ in chosen]), np.concatenate([b for _, b in chosen]))

    dice = np.random.default_rng(seed)
    drawn = [of(dice.integers(0, len(pairs), len(pairs))) for _ in range(RESAMPLES)]
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return Auc(of(range(len(pairs))), float(low), float(high), sum(len(b) for _, b in pairs))


async def _judged_of(
    dataset: Dataset,
    minds: Minds,
    config: CalibrationConfig,
    user: str,
    planted: dict[str, list[PlantedStep]] | None,
    vetoes: Vetoes,
) -> list[Judged]:
    """Judged block by block, the right and the wrong ones of a block in one call, in an order drawn by chance."""
    whole = dataset.histories[user]
    history = whole.before(dataset.split.train_length(whole))
    first = max(0, len(history) - config.last)
    size = int(getattr(minds.reasoner, "block_size", BLOCK_SIZE))
    judged: list[Judged] = []
    for start in range(first, len(history), size):
        stop = min(start + size, len(history))
        block = Block(user, history.before(stop), tuple(range(start, stop)), (), first)
        dice = random.Random(stable_key("calibrate", config.seed, user, start))
        try:
            right = _planted(block, planted.get(user, [])) if planted is not None else await minds.reasoner.reason(block)
            right = _first_of_each([step for step in right if not vetoes.refuse(step.reason)])
            if right:
                judged += await _judge(dataset, minds, block, right, dice)
        except ModelReplyError:
            continue  # a useless reply tells nothing about scores
    return judged


async def _judge(dataset: Dataset, minds: Minds, block: Block, right: list[Candidate], dice: random.Random) -> list[Judged]:
    mixed: list[tuple[Kind, Candidate]] = [("right", c) for c in right]
    others = sorted({value for item in dataset.catalogue for value in _reasons_of(dataset, item.id)} | {c.reason for c in right})
    for c in right:
        carried = {value.casefold() for _, value in dataset.catalogue[c.item].attributes} | {
            other.reason.casefold() for other in right if other.item == c.item
        }
        if foreign := [reason for reason in others if reason.casefold() not in carried]:
            mixed.append(("shuffled", replace(c, reason=dice.choice(foreign))))
    return await _scored(minds, block, mixed, dice) + await _scored(minds, *_elsewhere(dataset, block, right, dice), dice)


def _elsewhere(
    dataset: Dataset, block: Block, right: list[Candidate], dice: random.Random
) -> tuple[Block, list[tuple[Kind, Candidate]]]:
    """The block with other items at the positions of the right steps, and the steps as they would stand there."""
    items, moved = list(block.history.items), []
    for c in right:
        if (other := _other_item(dataset, block.history, c, dice)) is not None:
            items[c.position] = other
            moved.append(c)
    changed = replace(block, history=replace(block.history, items=tuple(items)), positions=tuple(c.position for c in moved))
    wrong = [replace(c, item=items[c.position]) for c in moved]
    causes = [c.cause if c.cause_position is None else items[c.cause_position] for c in wrong]
    return changed, [("wrong item", replace(c, cause=cause)) for c, cause in zip(wrong, causes, strict=True)]


async def _scored(minds: Minds, block: Block, mixed: list[tuple[Kind, Candidate]], dice: random.Random) -> list[Judged]:
    if not mixed:
        return []
    dice.shuffle(mixed)
    verdicts = await minds.verifier.verify(block, [candidate for _, candidate in mixed])
    if len(verdicts) != len(mixed):
        raise ModelReplyError(f"{minds.verifier.name} gave {len(verdicts)} verdicts for {len(mixed)} steps")
    scores = (min(max(float(verdict.score), 0.0), 1.0) for verdict in verdicts)
    return [Judged(block.user, kind, score) for (kind, _), score in zip(mixed, scores, strict=True)]


def _other_item(dataset: Dataset, history: History, c: Candidate, dice: random.Random) -> str | None:
    """A random item that is not in the history and is not known to carry the reason."""
    taken = {*history.items}
    for item in dice.sample(dataset.catalogue.ids, min(50, len(dataset.catalogue))):
        carried = {value.casefold() for _, value in dataset.catalogue[item].attributes}
        if item not in taken and c.reason.casefold() not in carried:
            return item
    return None


def _reasons_of(dataset: Dataset, item: str) -> list[str]:
    names = set(dataset.reason_attributes)
    return [value for name, value in dataset.catalogue[item].attributes if name in names]


def _first_of_each(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The best proposal of each item; several of one would count the item double."""
    first: dict[int, Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.position, candidate)
    return list(first.values())


def _planted(block: Block, steps: Sequence[PlantedStep]) -> list[Candidate]:
    candidates = []
    for step in steps:
        cause = step.cause_position
        if step.position in block.positions and step.reason is not None and cause is not None and cause >= block.first:
            item, seen = block.history.items[step.position], step.position + 1
            candidates.append(Candidate(step.position, "item", block.history.items[cause], cause, step.reason, item, None, seen))
    return candidates


def _by_user(truth: Iterable[PlantedStep]) -> dict[str, list[PlantedStep]]:
    steps_of: dict[str, list[PlantedStep]] = {}
    for step in truth:
        steps_of.setdefault(step.user, []).append(step)
    return steps_of
