"""Which items of a long history enter a prompt: most from the last days, some from the last months, few from before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmrg.recsysllm.pieces import IntArray

SHARES = {"long": 0.1, "medium": 0.3, "short": 0.6}
"""Of the places of a prompt (paper, data phase)."""
SHORT_S, MEDIUM_S = 7 * 86_400.0, 90 * 86_400.0
"""Hours to days, and weeks to months, before the cut."""


def by_horizon(length: int, places: int, at: Sequence[float | None] = (), seed: int = 0) -> IntArray:
    """Positions, ascending, of the items that fill `places`; all where there are no more than that.

    60 % of the places go to the last 7 days, 30 % to the rest of the last 90 days, 10 % to what is older; where times are
    missing, to the last third of the history, the third before and the first. Places that a horizon cannot fill go to the
    shortest that has items left. Within a horizon the draw is even; the order stays. The last item always enters.
    """
    if length <= places:
        return np.arange(length)
    horizon = _horizons(length, at)
    pools = {name: np.flatnonzero(horizon == number) for number, name in enumerate(SHARES)}
    wanted = {name: round(share * places) for name, share in SHARES.items()}
    wanted["short"] = places - wanted["long"] - wanted["medium"]
    taken = {name: min(wanted[name], len(pool)) for name, pool in pools.items()}
    spare = places - sum(taken.values())
    for name in ("short", "medium", "long"):
        more = min(spare, len(pools[name]) - taken[name])
        taken[name] += more
        spare -= more
    dice = np.random.default_rng(seed)
    chosen = [dice.choice(pool, taken[name], replace=False) for name, pool in pools.items() if taken[name]]
    places_taken = np.sort(np.concatenate(chosen)).astype(np.int64)
    places_taken[-1] = length - 1
    return places_taken


def _horizons(length: int, at: Sequence[float | None]) -> IntArray:
    """(length,) 0 long, 1 medium, 2 short."""
    times = [t for t in at if t is not None]
    if len(times) == length:
        ages = times[-1] - np.array(times)
        return np.where(ages <= SHORT_S, 2, np.where(ages <= MEDIUM_S, 1, 0))
    return np.minimum(np.arange(length) * 3 // length, 2)
