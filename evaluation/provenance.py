"""Where the graphs of a table come from, as its card says it: which runs, who reasoned, and how many users have any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from llmrg.core.graph_table import GraphTable
from llmrg.core.records import ReasoningGraph, Run

ROLES = {"reasoner": "reasons", "verifier": "verifies", "imaginer": "imagines"}


def share_with_graphs(graphs: Mapping[str, ReasoningGraph], users: Sequence[str]) -> str:
    """`20 of 300 users (7 %)`, and what becomes of the others; a graph without any accepted step is none."""
    table = GraphTable.of_mapping(graphs)
    accepted = np.concatenate([[0], np.cumsum(table.steps["accepted"])])[table.offsets]
    numbers = table.numbers(users)
    with_graph = int((np.diff(accepted)[numbers[numbers >= 0]] > 0).sum())
    if with_graph == len(users):
        return "all users"
    share = with_graph / max(len(users), 1)
    return f"{with_graph:,} of {len(users):,} users ({share:.1%}); the others are ranked without one"


def made_by(graphs: Mapping[str, ReasoningGraph], runs: Iterable[Run]) -> tuple[str, str]:
    """(minds, runs) of the graphs; where there are several, each with its users. Nothing for graphs that no stored run made."""
    table, run_of = GraphTable.of_mapping(graphs), {run.id: run for run in runs}
    users = Counter(run if run in run_of else "" for run in table.runs)
    if not users.keys() & run_of.keys():
        return "", ""
    minds = Counter[str]()
    for run, number in users.items():
        minds[_minds(run_of[run]) if run else "not known"] += number
    return _listed(minds), _listed(Counter({run or "not known": number for run, number in users.items()}))


def _minds(run: Run) -> str:
    """`attributes reasons, verifies and imagines`."""
    config = run.settings.get("config")
    config = config if isinstance(config, dict) else {}
    off = {role for role, part in (("verifier", "verification"), ("imaginer", "divergence")) if config.get(part) is False}
    does: dict[str, list[str]] = {}
    for role, verb in ROLES.items():
        if role not in off:
            does.setdefault(str(run.settings.get(role) or "somebody"), []).append(verb)
    minds = [f"{name} {' and '.join(filter(None, (', '.join(verbs[:-1]), verbs[-1])))}" for name, verbs in does.items()]
    return ", ".join([*minds, *(["nobody verifies"] if "verifier" in off else [])])


def _listed(counts: Counter[str]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    return "; ".join(f"{what} ({number:,} user{'s' * (number != 1)})" for what, number in counts.most_common())
