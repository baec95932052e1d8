"""Explanations in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llmrg.core.records import Step
from llmrg.data.dataset import Catalogue
from llmrg.explanations.chains import Chain
from llmrg.explanations.reasons import LEAST, Part
from llmrg.explanations.wording import HIDDEN, cause_of, clean, count_of, date_of, ground_of, named, reason_of, title_of

MOST_ITEMS, MOST_LINKS = 4, 3
"""Of each reason the latest items, and of its latest chain the latest steps, that a line shows."""
NO_REASON = "no reason"


def part_lines(
    parts: Sequence[Part], reasons: Sequence[Part], catalogue: Catalogue, verified: bool, most: int
) -> tuple[str, ...]:
    """A summary, a line for each of the `most` best reasons, and where the rest of the score comes from."""
    shown_parts, left = reasons[: max(most, 0)], reasons[max(most, 0) :]
    lines = [
        f"{name_of(part, catalogue)}: {shown(part, catalogue)} ({', '.join(_notes(part, verified))})" for part in shown_parts
    ]
    if left:
        lines.append(f"({len(left)} more, {percent(sum(part.share_of_reasons for part in left))} of what reasons added)")
    return (summary(parts, reasons), *lines, *rest_of(parts, reasons, catalogue))


def summary(parts: Sequence[Part], reasons: Sequence[Part]) -> str:
    """What reasons did, in one sentence."""
    if reasons:
        share, count = _sum(reasons), count_of(len(reasons), "reason")
        return f"{count} made {percent(share)} of the score" if share is not None else f"{count} took part in the score"
    whole = _graph(parts)
    if whole is not None:
        of_score = f"made {percent(whole.share)} of the score" if whole.share is not None else "took part in the score"
        return f"the reasoning graph as a whole {of_score}; this recommender cannot tell its reasons apart"
    some = "no reason that is shown" if any(part.name == HIDDEN for part in parts) else "no reason"
    first = f"{some} speaks for this item" if _against(parts) else f"{some} took part in this score"
    return first + (f"; {'its score' if _against(parts) else 'it'} comes from {_grounds(parts)}" if _grounds(parts) else "")


def rest_of(parts: Sequence[Part], reasons: Sequence[Part], catalogue: Catalogue) -> tuple[str, ...]:
    """What else the score comes from, and which reasons speak against the item."""
    lines, grounds = [], _grounds(parts)
    if grounds and (reasons or _graph(parts)):
        base = _sum([part for part in parts if part.kind == "base"])
        lines.append(f"the rest of the score{f', {percent(base)},' if base is not None else ''} comes from {grounds}")
    against = dict.fromkeys(name_of(part, catalogue) for part in _against(parts))
    return (*lines, *([f"against it: {', '.join(against)}"] if against else []))


def _against(parts: Sequence[Part]) -> list[Part]:
    """Reasons below 0 that are not next to nothing; a base below 0 speaks against nothing, since its scale has no zero."""
    least = LEAST * sum(part.value for part in parts if part.value > 0)
    return [part for part in parts if part.kind != "base" and part.value < 0 and -part.value >= least]


def _sum(parts: Sequence[Part]) -> float | None:
    shares = [part.share for part in parts if part.share is not None]
    return sum(shares) if len(shares) == len(parts) else None


def _grounds(parts: Sequence[Part]) -> str:
    """What the base looks at, in words; "" where there is none."""
    return " and ".join(dict.fromkeys(ground_of(part.name) for part in parts if part.kind == "base" and part.value))


def _graph(parts: Sequence[Part]) -> Part | None:
    return next((part for part in parts if part.kind == "graph" and part.counts), None)


def main_reason(parts: Sequence[Part], reasons: Sequence[Part], catalogue: Catalogue) -> tuple[str, str]:
    """The reason that did most, and its share in words; the second is "" where none took part."""
    best = reasons[0] if reasons else _graph(parts)
    if best is None:
        return NO_REASON, ""
    if best.share is not None:
        return name_of(best, catalogue), f"{percent(best.share)} of the score"
    return name_of(best, catalogue), f"{percent(best.share_of_reasons)} of the reasons" if best.is_reason else "it took part"


def percent(share: float) -> str:
    """A share in [0, 1] as whole per cent; what is not nothing is never called 0 %, what is not all never 100 %."""
    if 0.0 < share < 0.005:
        return "under 1 %"
    return "over 99 %" if 0.995 <= share < 1.0 - 1e-9 else f"{100 * share:.0f} %"


def shares_of(part: Part) -> str:
    of_reasons = f"{percent(part.share_of_reasons)} of what reasons added"
    return of_reasons if part.share is None else f"{of_reasons}, {percent(part.share)} of the whole"


def checked(steps: Sequence[Step], verified: bool) -> str:
    """How many steps, and whether they were verified; "" for none."""
    if not steps:
        return ""
    if not verified:
        return f"{count_of(len(steps), 'step')}, not verified"
    return f"{count_of(len(steps), 'verified step')}, the weakest with score {min(step.score for step in steps):.2f}"


def shown(part: Part, catalogue: Catalogue) -> str:
    """The latest chain of a reason; without any, the items of the history that it comes from."""
    if part.chains:
        more = len(part.chains) - 1
        latest = _path(max(part.chains, key=lambda chain: chain[-1].position), part.name, catalogue)
        return latest + (f" and {more} more {'chain' if more == 1 else 'chains'}" if more else "")
    titles = [f"“{title_of(catalogue, item)}”" for item in dict.fromkeys(part.items)]
    more = len(titles) - MOST_ITEMS
    return ", ".join(titles[-MOST_ITEMS:]) + (f" and {more} earlier" if more > 0 else "") or "this history"


def _path(chain: Chain, reason: str, catalogue: Catalogue) -> str:
    """Titles joined by arrows; a reason in between where it is not the one that the line is about."""
    late = chain[-MOST_LINKS:]
    pieces = ["…"] if len(late) < len(chain) else []
    pieces += [] if late[0].cause_kind == "root" else [cause_of(late[0], catalogue)]
    for step in late:
        pieces += [] if clean(step.reason) == clean(reason) else [reason_of(step, catalogue)]
        pieces.append(f"“{title_of(catalogue, step.item)}”")
    return " → ".join(pieces)


def name_of(part: Part, catalogue: Catalogue) -> str:
    """How people are told of it."""
    if part.kind == "graph":
        return "the graph as a whole"
    name = named(part.name, (*part.items, *(step.item for step in steps_of(part))), catalogue)
    return f"{name}, imagined" if part.kind == "imagined" else name


def _notes(part: Part, verified: bool) -> Iterable[str]:
    return (note for note in (shares_of(part), checked(steps_of(part), verified)) if note)


def steps_of(part: Part) -> list[Step]:
    """All that is shown of a part, each step once."""
    return list(dict.fromkeys(step for chain in part.chains for step in chain))


def chain_lines(steps: Chain, catalogue: Catalogue, verified: bool, most: int) -> tuple[str, ...]:
    """Of a chain of which nobody knows whether it took part in a score: what it is worth, then its last `most` steps."""
    if not steps:
        return (f"no {'verified ' if verified else ''}chain leads",)
    late = steps[-most:] if most > 0 else ()
    lines = [f"a chain leads to it ({checked(steps, verified)}); whether it took part in the score is not known"]
    if len(late) < len(steps):
        lines.append(f"({len(steps) - len(late)} earlier)")
    return (*lines, *(_link(step, catalogue, verified) for step in late))


def taken_lines(
    position: int, at: float | None, steps: Chain, catalogue: Catalogue, verified: bool, most: int
) -> tuple[str, ...]:
    """Of an item that was taken already: when, and the last `most` steps of the chain that led to it then."""
    when = f" ({date_of(at)})" if at is not None else ""
    left_out = "a recommendation leaves it out unless taken items are asked for"
    first = f"already taken, as item {position + 1} of the history{when}; {left_out}"
    if not steps:
        return (first, f"no {'verified ' if verified else ''}chain led to it then")
    late = steps[-most:] if most > 0 else ()
    return (first, f"what led to it then: {checked(steps, verified)}", *(_link(step, catalogue, verified) for step in late))


def _link(step: Step, catalogue: Catalogue, verified: bool) -> str:
    notes = [f"{step.score:.2f}"] if verified else []
    if step.kind == "imagined":
        notes.append("imagined")
    if step.origin == "knowledge":
        notes.append("knowledge base")
    remarks = f" ({', '.join(notes)})" if notes else ""
    return f"{cause_of(step, catalogue)} → {reason_of(step, catalogue)} → “{title_of(catalogue, step.item)}”{remarks}"
