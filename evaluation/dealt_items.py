"""Imagined items dealt out anew among all users, none to a user who had taken it."""

from __future__ import annotations

import numpy as np

from llmrg.core.graph_table import offsets_of, spans
from llmrg.data.histories import Histories

TRIES = 50
"""Exchanges tried for an item that cannot be dealt, before any other item is taken."""


def dealt_items(
    items: np.ndarray, users: np.ndarray, cuts: np.ndarray, log: Histories, item_of_code: np.ndarray, dice: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A random permutation of items over imagined steps, mended where it does not fit.

    An item fits a step if the user had not taken it before the cut and no other step of the cut has it. Where it does not fit,
    the step exchanges items with a random one, if both fit then; after `TRIES` such tries it takes any item that fits, or, where
    there is none, its own.

    Args:
        items: (S,) int64 numbers of the steps' own items.
        users: (S,) int64 their users in `log`.
        cuts: (S,) int64 positions; what was taken before is not dealt.
        item_of_code: (C,) int64 the number of each item of `log`, -1 for those that are none of `items`.
    Returns: (S,) int64 items; (S,) int64 the step that each comes from, the step itself where it exchanged with nobody.
    """
    deal = _Deal(items, users, cuts, log, item_of_code, dice)
    wrong = deal.wrong()
    tries = np.zeros(len(items), dtype=np.int64)
    while len(wrong := wrong[~deal.fits(wrong, deal.items[wrong])]) and (tries[wrong] < TRIES).any():
        asking = dice.permutation(wrong[tries[wrong] < TRIES])
        asked = dice.integers(len(items), size=len(asking))
        cut_here, cut_there = deal.cut[asking], deal.cut[asked]
        first = _first_of_cuts(cut_here, cut_there)
        tries[asking[first | (cut_here == cut_there)]] += 1
        deal.exchange(asking[first], asked[first])
    for step in wrong.tolist():
        deal.take_any(step, items)
    return deal.items, deal.giver


def _first_of_cuts(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(n,) bool: pairs of two cuts that no pair before them has a cut of, so that they may exchange at once."""
    pairs = np.stack([left, right], axis=1).ravel()
    _, first = np.unique(pairs, return_index=True)
    new = np.zeros(len(pairs), dtype=bool)
    new[first] = True
    return np.asarray(new.reshape(-1, 2).all(axis=1))


class _Deal:
    """Who has which item now."""

    def __init__(
        self,
        items: np.ndarray,
        users: np.ndarray,
        cuts: np.ndarray,
        log: Histories,
        item_of_code: np.ndarray,
        dice: np.random.Generator,
    ) -> None:
        self.users, self.cuts, self.dice = users, cuts, dice
        self.giver = dice.permutation(len(items))
        self.items = items[self.giver]
        _, self.cut = np.unique(users * (cuts.max(initial=0) + 1) + cuts, return_inverse=True)
        self.by_cut = np.argsort(self.cut, kind="stable")
        self.sizes = np.bincount(self.cut)
        self.starts = offsets_of(self.sizes)[:-1]
        self.span = int(items.max(initial=0)) + 1
        owner, item = log.owners, item_of_code[log.codes]
        known = np.flatnonzero((item >= 0) & (item < self.span) & np.isin(owner, users))
        keys, first = np.unique(owner[known] * self.span + item[known], return_index=True)
        self.taken, self.taken_at = keys, known[first] - log.offsets[owner[known[first]]]

    def wrong(self) -> np.ndarray:
        """Numbers of the steps whose item does not fit."""
        _, key, times = np.unique(self.cut * self.span + self.items, return_inverse=True, return_counts=True)
        return np.flatnonzero(self._had(np.arange(len(self.items)), self.items) | (times[key] > 1))

    def fits(self, steps: np.ndarray, items: np.ndarray) -> np.ndarray:
        """(n,) bool: could each of the steps have the item, the others keeping theirs?"""
        if not len(steps):
            return np.zeros(0, dtype=bool)
        sizes = self.sizes[self.cut[steps]]
        which = np.repeat(np.arange(len(steps)), sizes)
        others = self.by_cut[spans(self.starts[self.cut[steps]], sizes)]
        twice = (self.items[others] == items[which]) & (others != steps[which])
        return np.asarray(~self._had(steps, items) & (np.bincount(which, weights=twice, minlength=len(steps)) == 0))

    def _had(self, steps: np.ndarray, items: np.ndarray) -> np.ndarray:
        """(n,) bool: had the user taken the item before the cut?"""
        if not len(self.taken):
            return np.zeros(len(steps), dtype=bool)
        key = self.users[steps] * self.span + items
        at = np.minimum(np.searchsorted(self.taken, key), len(self.taken) - 1)
        return np.asarray((self.taken[at] == key) & (self.taken_at[at] < self.cuts[steps]))

    def exchange(self, left: np.ndarray, right: np.ndarray) -> None:
        """Let pairs of steps exchange their items, where both fit then. No cut may stand twice in the pairs."""
        fit = self.fits(left, self.items[right]) & self.fits(right, self.items[left])
        left, right = left[fit], right[fit]
        for values in (self.items, self.giver):
            values[left], values[right] = values[right], values[left]

    def take_any(self, step: int, items: np.ndarray) -> None:
        """Give a step a random item that fits, if there is one, else its own."""
        if self.fits(np.array([step]), self.items[[step]])[0]:
            return
        pool = self.dice.permutation(np.unique(items))
        fitting = pool[self.fits(np.full(len(pool), step), pool)]
        self.items[step], self.giver[step] = fitting[0] if len(fitting) else items[step], step
