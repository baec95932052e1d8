"""Calls and tokens of the chat mind against the paper's protocol, at what precision and recall.

    python benchmarks/chat_calls.py [--users 20] [--seeds 3] [--quick]

Users with 50-item histories of the planted world; one scripted model answers both from the planted truth, wrong in a set share
of its reasons. Tokens are counted alike for both (characters / 4). The table over block sizes is on seed 0. Bars: at most a tenth
of the calls, at most a quarter of the tokens, precision and recall no worse (their 95 % intervals over users overlap, or ours is
above).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from machine import machine
from paper_protocol import PaperMind, with_scores

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.minds.chat import ChatMind
from llmrg.agents.run.build import build
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.graph_quality import graph_quality
from llmrg.testing.planted import PlantedConfig, PlantedWorld, random_catalogue, simulate
from llmrg.testing.planted_responder import planted_responder
from llmrg.testing.scripted_chat import ScriptedChatModel

RESULT = Path(__file__).parent / "results" / "chat_calls.json"
ERRORS, VERIFIER_ERRORS = 0.2, 0.05
BLOCKS = (10, 16, 24, 48)


def world(users: int, seed: int) -> PlantedWorld:
    return simulate(random_catalogue(600, 60, seed=seed), PlantedConfig(readers=users, min_length=50, max_length=50, seed=seed))


def measured(town: PlantedWorld, kind: str, config: BuildConfig) -> dict[str, Any]:
    """Calls and tokens a user, precision and recall, of one build."""
    script = with_scores(planted_responder(town.dataset, town.truth, ERRORS, verifier_error_rate=VERIFIER_ERRORS))
    model = ScriptedChatModel(script)
    mind = PaperMind(model, town.dataset) if kind == "paper" else ChatMind(model, town.dataset)
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "graphs.db") as store:
        report = asyncio.run(build(town.dataset, store, Minds(mind, mind, mind), config))
        graphs = {user: store.graph(town.dataset.name, user) for user in town.dataset.histories}
    quality = graph_quality(graphs, town.truth)
    users = len(graphs)
    return {
        "calls": report.total("calls") / users,
        "tokens": report.total("tokens") / users,
        "precision": asdict(quality.precision),
        "recall": asdict(quality.recall),
    }


def _no_worse(row: dict[str, Any], what: str) -> bool:
    return bool(row["ours"][what]["high"] >= row["paper"][what]["low"])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--users", type=int, default=20)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--quick", action="store_true", help="3 users, one seed, two block sizes; for tests")
    options.add_argument("--result", type=Path, default=RESULT)
    chosen = options.parse_args()
    users, seeds, blocks = (3, 1, (24,)) if chosen.quick else (chosen.users, chosen.seeds, BLOCKS)
    bare = {"divergence": False, "knowledge": False, "concurrency": 1}
    town = world(users, 0)
    table = [{"block_size": size, **measured(town, "chat", BuildConfig(block_size=size, **bare))} for size in blocks]
    rows: list[dict[str, Any]] = []
    for seed in range(seeds):
        town = world(users, seed)
        paper = measured(town, "paper", BuildConfig(block_size=1, tries=0, candidates=1, **bare))
        ours = measured(town, "chat", BuildConfig(**bare))
        once = measured(town, "chat", BuildConfig(tries=0, **bare))
        rows.append({"seed": seed, "paper": paper, "ours": ours, "ours_without_recalibration": once})
    whole = measured(world(users, 0), "chat", BuildConfig(knowledge=False, concurrency=1))
    ratios = {what: [row["ours"][what] / row["paper"][what] for row in rows] for what in ("calls", "tokens")}
    gains = {what: [row["ours"][what]["value"] - row["paper"][what]["value"] for row in rows] for what in ("precision", "recall")}
    result = {
        "machine": machine(),
        "users": users,
        "items_a_user": 50,
        "reasoner_error_rate": ERRORS,
        "verifier_error_rate": VERIFIER_ERRORS,
        "block_size_of_the_chat_mind": ChatMind.block_size,
        "rows": rows,
        "block_sizes": table,
        "with_divergence": whole,
        "ratios": ratios,
        "gains": gains,
        "bars": {
            "a tenth of the calls": max(ratios["calls"]) <= 0.1,
            "a quarter of the tokens": max(ratios["tokens"]) <= 0.25,
            "no worse precision": all(_no_worse(row, "precision") for row in rows),
            "no worse recall": all(_no_worse(row, "recall") for row in rows),
        },
    }
    chosen.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: result[name] for name in ("ratios", "gains", "bars")}, indent=1))
    for row in table:
        print(row["block_size"], row["calls"], row["tokens"], row["precision"]["value"], row["recall"]["value"])


if __name__ == "__main__":
    main()
