"""Graphs and profiles that should not help, or that need no language model: what reasons must beat to be worth their price.

A control has the shape of what it stands beside: the same positions, the same truncation, as many steps, seen at the same places.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from llmrg.core.errors import CallerError
from llmrg.core.records import History, ReasoningGraph, Step, in_order
from llmrg.core.themes import Profile, Themes

TRIES = 50
"""Exchanges tried for an item that cannot be dealt, before any other item of the graphs is taken."""


def plain_sequence(
    histories: Mapping[str, History], like: Mapping[str, ReasoningGraph] | None = None
) -> dict[str, ReasoningGraph]:
    """Each item leads to the next, without a reason and without a model (the papers' "plain sequence graph").

    Args:
        like: graphs to be matched: steps only at positions at which a user's graph has an accepted reasoned step, visible from
            where on that one is, and none that starts before the first item that the graph looked at. Without it, every position.
    """
    return {user: ReasoningGraph(user, _plain(history, like)) for user, history in histories.items()}


def _plain(history: History, like: Mapping[str, ReasoningGraph] | None) -> tuple[Step, ...]:
    seen_from, first = {p: p + 1 for p in range(1, len(history))}, 0
    if like is not None:
        steps = like[history.user].reasoned() if history.user in like else ()
        seen_from = {}
        for step in steps:
            seen_from[step.position] = min(step.seen, seen_from.get(step.position, step.seen))
        first = min((p for s in steps for p in (s.position, s.cause_position) if p is not None), default=0)
    user, items = history.user, history.items
    return tuple(
        Step(user, p, "reasoned", "item", items[p - 1], p - 1, "", items[p], 1.0, 0, seen)
        for p, seen in sorted(seen_from.items())
        if first < p < len(items)
    )


def shuffled(
    graphs: Mapping[str, ReasoningGraph],
    seed: int = 0,
    *,
    histories: Mapping[str, History],
    themes: Themes | None = None,
) -> dict[str, ReasoningGraph]:
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
    generator = random.Random(seed)
    steps = [step for graph in graphs.values() for step in graph.steps if step.accepted]
    dealt = _with_items(_with_reasons(steps, themes or Themes(), generator), histories, generator)
    by_user: dict[str, list[Step]] = {user: [] for user in graphs}
    for step in dealt:
        by_user[step.user].append(step)
    return {user: ReasoningGraph(user, in_order(found)) for user, found in by_user.items()}


def _with_reasons(steps: Sequence[Step], themes: Themes, generator: random.Random) -> list[Step]:
    groups: defaultdict[tuple[str, str], list[Step]] = defaultdict(list)
    for step in steps:
        groups[step.user, themes.theme(step.reason)].append(step)
    order = list(groups.values())
    generator.shuffle(order)
    dealt = []
    for group, donors in zip(order, [*order[1:], *order[:1]], strict=True):  # one round: nobody gets their own
        for number, step in enumerate(group):
            alike = [donor for donor in donors if donor.kind == step.kind] or donors
            donor = alike[number % len(alike)]
            dealt.append(replace(step, reason=donor.reason, score=donor.score))
    return dealt


def _with_items(steps: Sequence[Step], histories: Mapping[str, History], generator: random.Random) -> list[Step]:
    imagined = [step for step in steps if step.kind == "imagined"]
    for step in imagined:
        if step.user not in histories:
            raise CallerError(f"no history of user {step.user!r}, so it is not known which items were taken; pass all histories")
    taken = {(s.user, s.position): {*histories[s.user].items[: s.position]} for s in imagined}
    donors = imagined.copy()
    generator.shuffle(donors)
    dealt: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for step, donor in zip(imagined, donors, strict=True):
        dealt[step.user, step.position].append(donor.item)

    def fits(step: Step, item: str, instead_of: str) -> bool:
        cut = (step.user, step.position)
        return item not in taken[cut] and dealt[cut].count(item) == (item == instead_of)

    pool = list(dict.fromkeys(step.item for step in imagined))
    for number, step in enumerate(imagined):
        if fits(step, own := donors[number].item, own):
            continue
        for other in (generator.randrange(len(imagined)) for _ in range(TRIES)):
            if fits(step, donors[other].item, own) and fits(imagined[other], own, donors[other].item):
                donors[number], donors[other] = donors[other], donors[number]
                _exchange(dealt, imagined[other], donors[number].item, own)
                break
        else:
            item = next((item for item in generator.sample(pool, len(pool)) if fits(step, item, own)), step.item)
            donors[number] = replace(step, item=item)
        _exchange(dealt, step, own, donors[number].item)
    rest = iter(donors)
    return [_with_item_of(next(rest), step) if step.kind == "imagined" else step for step in steps]


def _with_item_of(donor: Step, step: Step) -> Step:
    return replace(step, item=donor.item, grounding=donor.grounding)


def _exchange(dealt: Mapping[tuple[str, int], list[str]], step: Step, old: str, new: str) -> None:
    items = dealt[step.user, step.position]
    items.remove(old)
    items.append(new)


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
