"""Calls and tokens of asking once per item beside asking per user, estimated and measured, at what precision and recall.

    python benchmarks/item_calls.py [--users 20] [--items 600] [--quick]

The world, and the errors of the scripted models, of `chat_calls.py`. Asked per user, the model knows why this user took this
item; asked once per item, it knows the item's themes only, as the attributes mind does, which is the ceiling of what themes that
items share can tell. So its precision is lower, whoever answers. For the per-user way costs grow with the users; the numbers of
users at which both cost the same, in requests and in tokens, are part of the result.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chat_calls import ERRORS, VERIFIER_ERRORS
from machine import machine

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.estimate.estimate import estimate
from llmrg.agents.minds.attributes import AttributesMind
from llmrg.agents.minds.chat import ChatMind
from llmrg.agents.minds.item_chat import ItemChatConfig, ItemChatMind
from llmrg.agents.run.build import build
from llmrg.core.errors import BudgetSpentError
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.graph_quality import graph_quality
from llmrg.testing.planted import PlantedConfig, PlantedWorld, random_catalogue, simulate
from llmrg.testing.planted_items import planted_items
from llmrg.testing.planted_responder import planted_responder
from llmrg.testing.scripted_chat import ScriptedChatModel

RESULT = Path(__file__).parent / "results" / "item_calls.json"
CONFIG = BuildConfig(knowledge=False, concurrency=1)


def world(users: int, items: int, seed: int = 0) -> PlantedWorld:
    config = PlantedConfig(readers=users, min_length=50, max_length=50, seed=seed)
    return simulate(random_catalogue(items, 60, seed=seed), config)


def minds(town: PlantedWorld, kind: str) -> Minds:
    if kind == "user":
        script = planted_responder(town.dataset, town.truth, ERRORS, verifier_error_rate=VERIFIER_ERRORS)
        mind: Any = ChatMind(ScriptedChatModel(script), town.dataset)
    elif kind == "item":
        script = planted_items(town.dataset, ERRORS, verifier_error_rate=VERIFIER_ERRORS)
        mind = ItemChatMind(ScriptedChatModel(script), town.dataset)
    else:
        mind = AttributesMind(town.dataset)
    return Minds(mind, mind, mind)


def measured(town: PlantedWorld, kind: str) -> dict[str, Any]:
    """What all users of the world cost together, estimated before and after a few requests, and how right the graphs are."""
    told = minds(town, kind)
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "graphs.db") as store:
        before = asyncio.run(estimate(town.dataset, told, CONFIG))
        try:
            few = CONFIG.model_copy(update={"max_calls": 20})
            asyncio.run(build(town.dataset, store, minds(town, kind), few, resume=False))
        except BudgetSpentError:
            pass
        after = asyncio.run(estimate(town.dataset, told, CONFIG, earlier=store.runs(town.dataset.name)))
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "graphs.db") as store:
        report = asyncio.run(build(town.dataset, store, told, CONFIG))
        graphs = {user: store.graph(town.dataset.name, user) for user in town.dataset.histories}
    quality = graph_quality(graphs, town.truth)
    return {
        "calls": report.total("calls"),
        "tokens": report.total("tokens"),
        "estimated": {"calls": before.calls, "tokens": before.tokens},
        "estimated_after_20_calls": {"calls": after.calls, "tokens": after.tokens},
        "imagined": report.counts.get("verify.imagined.accepted", 0) / len(graphs),
        "precision": asdict(quality.precision),
        "recall": asdict(quality.recall),
    }


def profile_quality(town: PlantedWorld, verification: bool) -> dict[str, float]:
    """How right the themes of items are, with and without the second question."""
    mind: Any = minds(town, "item").reasoner
    profile = asyncio.run(mind.ask_items(verification=verification))
    true = {(item.id, theme) for item in town.dataset.catalogue for theme in item.values("theme")}
    told = {(appeal.item, appeal.theme) for appeal in profile.appeals}
    return {"precision": len(told & true) / len(told), "recall": len(told & true) / len(true)}


def catalogue_of(items: int) -> dict[str, float]:
    """Estimated cost of a larger catalogue."""
    town = world(1, items)
    made = asyncio.run(estimate(town.dataset, minds(town, "item"), CONFIG))
    return {"items": items, "calls": made.calls, "tokens": made.tokens}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--users", type=int, default=20)
    options.add_argument("--items", type=int, default=600)
    options.add_argument("--quick", action="store_true", help="2 users, 120 items; for tests")
    options.add_argument("--result", type=Path, default=RESULT)
    chosen = options.parse_args()
    users, items = (2, 120) if chosen.quick else (chosen.users, chosen.items)
    town = world(users, items)
    rows = {kind: measured(town, kind) for kind in ("user", "item", "attributes")}
    per_user = {what: rows["user"][what] / users for what in ("calls", "tokens")}
    result = {
        "machine": machine(),
        "users": users,
        "items": items,
        "items_a_user": 50,
        "batch": ItemChatConfig().batch,
        "reasoner_error_rate": ERRORS,
        "verifier_error_rate": VERIFIER_ERRORS,
        "rows": rows,
        "themes_of_items": {"checked": profile_quality(town, True), "unchecked": profile_quality(town, False)},
        "per_user": per_user,
        "equal_at_users": {what: rows["item"][what] / per_user[what] for what in per_user},
        "larger": [] if chosen.quick else [catalogue_of(number) for number in (3_500, 12_000, 100_000)],
        "bars": {
            "fewer requests from 20 users on": rows["item"]["calls"] <= 20 * per_user["calls"],
            "estimate of requests within 15 % after 20": abs(
                rows["item"]["estimated_after_20_calls"]["calls"] / rows["item"]["calls"] - 1
            )
            <= 0.15,
        },
    }
    chosen.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in result.items() if name != "machine"}, indent=1))


if __name__ == "__main__":
    main()
