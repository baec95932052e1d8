"""Chains cut into strands that run straight, and strands put on lanes where none lies over another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llmrg.core.records import Step


@dataclass(frozen=True)
class Strand:
    """Steps of one chain joined end to end, each beginning where the one before ended, and what was imagined from its end."""

    chain: int
    steps: tuple[Step, ...]
    imagined: tuple[Step, ...] = ()

    @property
    def start(self) -> int:
        """Position of the first cause; of the first item where the strand begins with a root or an attribute."""
        first = (self.steps or self.imagined)[0]
        return begin(first)

    @property
    def end(self) -> int:
        """Position of the last item of the history on the strand."""
        return self.steps[-1].position if self.steps else self.start


def begin(step: Step) -> int:
    """Position where the step starts on the spine: of its cause, or of its item where the cause is not in the history."""
    return step.position if step.cause_position is None else step.cause_position


def strands(reasoned: Iterable[Step], imagined: Iterable[Step]) -> tuple[Strand, ...]:
    """Every step in exactly one strand. A branch, or a second reason for the same pair, opens a strand of its own."""
    open_at: dict[tuple[int, int], list[Step]] = {}
    runs: list[list[Step]] = []
    for step in sorted(reasoned, key=lambda s: (s.chain, s.position, begin(s))):
        run = open_at.pop((step.chain, step.cause_position), None) if step.cause_position is not None else None
        if run is None:
            run = []
            runs.append(run)
        run.append(step)
        open_at.setdefault((step.chain, step.position), run)
    bundles: defaultdict[tuple[int, int, bool], list[Step]] = defaultdict(list)
    for step in imagined:
        bundles[step.chain, begin(step), step.cause_position is not None].append(step)
    all_strands = [
        Strand(run[0].chain, tuple(run), tuple(bundles.pop((run[0].chain, run[-1].position, True), ()))) for run in runs
    ]
    all_strands += [Strand(chain, (), tuple(steps)) for (chain, _, _), steps in bundles.items()]
    return tuple(sorted(all_strands, key=lambda s: (s.start, s.end, s.chain)))


def assign(spans: Sequence[tuple[float, float]], near: Sequence[int | None]) -> list[int]:
    """A lane for each (left, right) span; spans of one lane never overlap.

    Args:
        near: for each span the index of the span it should lie close to, or None for the lowest lane that is free.
    """
    lanes: list[float] = []
    chosen: dict[int, int] = {}
    for index in sorted(range(len(spans)), key=lambda i: spans[i]):
        left, right = spans[index]
        friend = near[index]
        aim = chosen.get(friend, 0) if friend is not None else 0
        free = [lane for lane, end in enumerate(lanes) if end <= left] + [len(lanes)]
        lane = min(free, key=lambda n: (abs(n - aim), n))
        lanes[lane : lane + 1] = [right]
        chosen[index] = lane
    return [chosen[index] for index in range(len(spans))]
