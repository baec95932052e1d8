"""Graphs and profiles that should not help, or that need no language model: what reasons must beat to be worth their price.

A control has the shape of what it stands beside: the same positions, the same truncation, as many steps, seen at the same places.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from llmrg.core.errors import CallerError
from llmrg.core.graph_table import STEP, GraphTable, offsets_of
from llmrg.core.records import History, ReasoningGraph
from llmrg.core.themes import Profile, Themes
from llmrg.data.histories import Histories
from llmrg.evaluation.dealt_items import dealt_items

FAR = np.iinfo(np.int64).max


def plain_sequence(histories: Mapping[str, History], like: Mapping[str, ReasoningGraph] | None = None) -> GraphTable:
    """Each item leads to the next, without a reason and without a model (the papers' "plain sequence graph").

    Args:
        like: graphs to be matched: steps only at positions at which a user's graph has an accepted reasoned step, visible from
            where on that one is, and none that starts before the first item that the graph looked at. Without it, every position.
    """
    log = _columns(histories)
    owner = log.owners
    position = np.arange(len(log.codes)) - log.offsets[owner]
    seen, first = (position + 1, np.zeros(len(log), np.int64)) if like is None else _seen_like(log, GraphTable.of_mapping(like))
    here = np.flatnonzero((position > first[owner]) & (seen < FAR))
    texts = ("", "reasoned", "item", "model", *log.ids)
    row = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    item = np.array([row[name] for name in log.ids], dtype=np.uint32)
    steps = np.zeros(len(here), STEP)  # row 0 of the texts, "", is the reason
    steps["position"], steps["cause_position"], steps["seen"] = position[here], position[here] - 1, seen[here]
    steps["cause"], steps["item"] = item[log.codes[here - 1]], item[log.codes[here]]
    steps["kind"], steps["cause_kind"], steps["origin"] = row["reasoned"], row["item"], row["model"]
    steps["score"] = steps["grounding"] = 1.0
    steps["accepted"] = True
    offsets = offsets_of(np.bincount(owner[here], minlength=len(log)))
    return GraphTable(log.users, ("",) * len(log), (0,) * len(log), offsets, steps, tuple(row))


def _seen_like(log: Histories, like: GraphTable) -> tuple[np.ndarray, np.ndarray]:
    """(N,) from where on a step at each position of the histories is seen, `FAR` for never; (U,) the first position looked at."""
    user = np.array([log.number.get(name, -1) for name in like.users], dtype=np.int64)[like.owners]
    which = np.flatnonzero(like.steps["accepted"] & like.says("kind", "reasoned") & (user >= 0))
    user, position, cause, seen = user[which], *(like.steps[name][which] for name in ("position", "cause_position", "seen"))
    first = np.full(len(log), FAR)
    np.minimum.at(first, user, np.where(cause >= 0, np.minimum(cause, position), position))
    inside = position < log.lengths[user]
    seen_from = np.full(len(log.codes), FAR)
    np.minimum.at(seen_from, log.offsets[user[inside]] + position[inside], seen[inside])
    return seen_from, first


def shuffled(
    graphs: Mapping[str, ReasoningGraph],
    seed: int = 0,
    *,
    histories: Mapping[str, History],
    themes: Themes | None = None,
) -> GraphTable:
    """The same shapes with the contents dealt out anew among all users.

    Every step keeps its place (user, position, cause, seen). The steps of one user that share a theme get the reasons and scores
    of such a group of steps from elsewhere, so that they share a theme again: chains keep their form and lose their meaning.
    Reasoned steps keep their item, which is the user's own history. An imagined step gets the item of another, never one that the
    user had taken before the cut (such an item could not be recommended, and the control would be the weaker for it) nor, where
    it can be helped, one that the cut has already. What such a graph still gives a recommender is extra capacity and the shape of
    the graph, not the reasons.

    Args:
        themes: which reasons are one theme; without them, equal texts are.
    Raises: CallerError: a graph with imagined steps has no history.
    """
    dice, table, log = np.random.default_rng(seed), GraphTable.of_mapping(graphs), _columns(histories)
    which = np.flatnonzero(table.steps["accepted"])
    owner, steps = table.owners[which], table.steps[which]
    imagined = table.says("kind", "imagined")[which]
    donor = _reason_donors(owner, _theme_numbers(table, steps["reason"], themes or Themes()), imagined, dice)
    dealt = steps.copy()
    dealt["reason"], dealt["score"] = steps["reason"][donor], steps["score"][donor]
    some = np.flatnonzero(imagined)
    strangers = sorted({table.users[number] for number in np.unique(owner[some]).tolist()} - log.number.keys())
    if strangers:
        raise CallerError(f"no history of user {strangers[0]!r}, so it is not known which items were taken; pass all histories")
    user = np.array([log.number.get(name, -1) for name in table.users], dtype=np.int64)[owner[some]]
    row = {text: number for number, text in enumerate(table.texts)}
    items = np.array([row.get(item, -1) for item in log.ids], dtype=np.int64)
    dealt["item"][some], giver = dealt_items(
        steps["item"][some].astype(np.int64), user, steps["position"][some], log, items, dice
    )
    dealt["grounding"][some] = steps["grounding"][some][giver]
    order = np.lexsort((-dealt["score"], imagined, dealt["position"], owner))
    offsets = offsets_of(np.bincount(owner, minlength=len(table)))
    return GraphTable(table.users, ("",) * len(table), (0,) * len(table), offsets, dealt[order], table.texts)


def _columns(histories: Mapping[str, History]) -> Histories:
    return histories if isinstance(histories, Histories) else Histories.of(histories, ())


def _theme_numbers(table: GraphTable, reasons: np.ndarray, themes: Themes) -> np.ndarray:
    """(S,) int64: equal where the reasons are one theme."""
    numbers: dict[str, int] = {}
    return table.mapped(reasons, lambda reason: numbers.setdefault(themes.theme(reason), len(numbers)))


def _reason_donors(owner: np.ndarray, theme: np.ndarray, imagined: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """(S,) int64: the step whose reason and score each step gets.

    The steps of one user and theme are a group; each group gets those of the next one in a random round, so that nobody gets
    their own. A step takes from one of its own kind where the donors have any.
    """
    known, group = np.unique(owner * (theme.max(initial=0) + 1) + theme, return_inverse=True)
    groups = len(known)
    round_of = dice.permutation(groups)
    donors = np.empty(groups, dtype=np.int64)
    donors[round_of] = np.roll(round_of, -1)
    whole = _Blocks(group, groups)
    alike = _Blocks(group * 2 + imagined, 2 * groups)
    place = whole.place(group)
    theirs = donors[group]
    same = theirs * 2 + imagined
    return np.where(alike.sizes[same] > 0, alike.at(same, place), whole.at(theirs, place))


class _Blocks:
    """Numbers 0 .. n - 1 block by block, in order within each."""

    def __init__(self, block: np.ndarray, blocks: int) -> None:
        self.order = np.argsort(block, kind="stable")
        self.sizes = np.bincount(block, minlength=blocks)
        self.starts = offsets_of(self.sizes)[:-1]

    def place(self, block: np.ndarray) -> np.ndarray:
        """(n,) int64: the place of each number within its block."""
        place = np.empty(len(block), dtype=np.int64)
        place[self.order] = np.arange(len(block)) - np.repeat(self.starts, self.sizes)
        return place

    def at(self, block: np.ndarray, place: np.ndarray) -> np.ndarray:
        """(n,) int64: the number at a place of a block, counted round; anything for an empty block."""
        if not len(self.order):
            return np.zeros(len(block), dtype=np.int64)
        where = self.starts[block] + place % np.maximum(self.sizes[block], 1)
        return np.asarray(self.order[np.minimum(where, len(self.order) - 1)])


def shuffled_profile(profile: Profile, seed: int = 0) -> Profile:
    """Every item stands for what another item stands for: whole lists of appeals are dealt to other items of the profile.

    The source keeps its name, so that the profile can take the place of the true one, and says in its note what happened.

    Raises: CallerError: the profile is of one item, which has nobody to exchange with.
    """
    lists: dict[str, list[int]] = {}
    for row, appeal in enumerate(profile.appeals):
        lists.setdefault(appeal.item, []).append(row)
    order = list(lists)
    if len(order) == 1:
        raise CallerError(
            f"the profile {profile.source.name!r} is of {order[0]!r} alone; to deal appeals takes two items or more"
        )
    random.Random(seed).shuffle(order)
    dealt = [
        replace(profile.appeals[row], item=item)
        for item, donor in zip(order, [*order[1:], *order[:1]], strict=True)
        for row in lists[donor]
    ]
    note = "; ".join(filter(None, (profile.source.note, "dealt to wrong items: a control")))
    return Profile(replace(profile.source, verified=False, note=note), tuple(sorted(dealt, key=lambda a: (a.item, a.theme))))
