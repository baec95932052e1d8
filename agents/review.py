"""Steps between two thresholds wait for a person: listed, then accepted or rejected.

What waits stands in the user's published graph, not accepted; so nothing is believed meanwhile, no build is held up, and a review
that is killed loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmrg.agents.machine.chains import continues, ending_in, open_chains
from llmrg.core.errors import CallerError, VersionConflictError
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import WAITS_FOR_REVIEW, ReasoningGraph, Step, in_order
from llmrg.data.dataset import Catalogue
from llmrg.graph_store.protocol import GraphStore

REJECTED = "rejected by a person"
PAGE = 500
"""Users looked at in one call."""
TRIES = 5
"""Writes begun again where somebody else replaced the graph first."""


@dataclass(frozen=True)
class ReviewContext:
    """Where graphs are reviewed."""

    store: GraphStore
    namespace: str
    catalogue: Catalogue


@dataclass(frozen=True)
class WaitingStep:
    """A step in the words that a person needs."""

    key: str
    user: str
    kind: str
    cause: str
    """Title of the cause, `name: value` of an attribute, or "" for a root."""
    reason: str
    title: str
    score: float
    critique: str
    """What verification said."""


def waiting(store: GraphStore, namespace: str, catalogue: Catalogue, users: Sequence[str] | None = None) -> Iterator[WaitingStep]:
    """All steps that wait, user by user."""
    for page in _pages(store, namespace, users):
        table = store.graphs(namespace, page)
        for user in _with_waiting(table):
            for step in table[user].waiting():
                yield _described(step, catalogue)


def decide(context: ReviewContext, decisions: Mapping[str, bool], users: Sequence[str] | None = None) -> dict[str, int]:
    """Accept or reject steps by their keys; returns how many of each.

    Raises: CallerError: a key is no waiting step's (it may have been decided on meanwhile), or its user is being built anew, and
    the graph would be replaced; nothing is decided then.
    """
    user_of = {step.key: step.user for step in waiting(context.store, context.namespace, context.catalogue, users)}
    if unknown := [key for key in decisions if key not in user_of]:
        raise CallerError(f"no step waits under {', '.join(unknown[:5])}; `llmrg review list` shows those that do")
    by_user: dict[str, dict[str, bool]] = {}
    for key, accepted in decisions.items():
        by_user.setdefault(user_of[key], {})[key] = accepted
    for user in by_user:
        _check_at_rest(context, user)
    sums = {"accepted": 0, "rejected": 0}
    for user, chosen in by_user.items():
        for outcome, number in review_user(context, user, chosen).items():
            sums[outcome] += number
    return sums


def _check_at_rest(context: ReviewContext, user: str) -> None:
    """Raises: CallerError: the run of the user's graph has a draft to replace it with (a longer history, half done)."""
    run = context.store.graph(context.namespace, user).run
    if context.store.draft(context.namespace, run, user)[1]:
        raise CallerError(
            f"the graph of user {user!r} is being continued by run {run}, or its build was cut short; "
            "let `llmrg build` finish, then decide"
        )


def review_user(context: ReviewContext, user: str, decisions: Mapping[str, bool]) -> dict[str, int]:
    """Decide on steps of one user; keys of steps that no longer wait are passed over. Returns how many of each outcome."""
    for left in reversed(range(TRIES)):
        graph = context.store.graph(context.namespace, user)
        decided = _decided(graph, decisions)
        try:
            if decided.steps != graph.steps:
                context.store.replace_graph(context.namespace, decided, expected_version=graph.version)
            break
        except VersionConflictError:
            if not left:
                raise
    outcomes = [decisions.get(step.key) for step in graph.waiting()]
    return {"accepted": outcomes.count(True), "rejected": outcomes.count(False)}


def _decided(graph: ReasoningGraph, decisions: Mapping[str, bool]) -> ReasoningGraph:
    """An accepted step continues the chain that ends in its cause, else it begins one; all other steps stay as they are."""
    chains, number = open_chains(graph.steps)
    known = {chain.number: chain for chain in chains}
    led = {(step.item, step.position): step.chain for step in graph.reasoned()}
    steps = []
    for step in graph.steps:
        if step.waits and step.key in decisions:
            if decisions[step.key]:
                continued = continues(known.values(), step)
                if step.kind == "imagined":  # grown from a cut, beyond which its chain may have gone on since
                    continued = led.get((step.cause, step.cause_position or 0), continued)
                step = replace(step, accepted=True, why_rejected="", chain=number if continued is None else continued)
                number = max(number, step.chain + 1)
                if step.kind == "reasoned":
                    known[step.chain] = ending_in(step)
            else:
                step = replace(step, why_rejected=REJECTED)
        steps.append(step)
    return replace(graph, steps=in_order(steps))


def _described(step: Step, catalogue: Catalogue) -> WaitingStep:
    cause = catalogue[step.cause].title if step.cause_kind == "item" else step.cause.replace("=", ": ", 1)
    critique = step.why_rejected.removeprefix(WAITS_FOR_REVIEW).removeprefix(": ")
    title = catalogue[step.item].title or step.item
    return WaitingStep(step.key, step.user, step.kind, cause or step.cause, step.reason, title, step.score, critique)


def _pages(store: GraphStore, namespace: str, users: Sequence[str] | None) -> Iterator[Sequence[str]]:
    if users is not None:
        yield from (users[i : i + PAGE] for i in range(0, len(users), PAGE))
        return
    page = store.users(namespace, limit=PAGE)
    while page:
        yield page
        page = store.users(namespace, after=page[-1], limit=PAGE)


def _with_waiting(table: GraphTable) -> list[str]:
    """Users with a waiting step, by the table's texts: most graphs have none and are not made."""
    texts = [number for number, text in enumerate(table.texts) if text.startswith(WAITS_FOR_REVIEW)]
    if not texts:
        return []
    rows = np.flatnonzero(np.isin(table.steps["why_rejected"], texts))
    return [table.users[g] for g in np.unique(np.searchsorted(table.offsets, rows, side="right") - 1)]
