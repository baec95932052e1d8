"""The chat mind and the paper's protocol with a real, very small language model behind an OpenAI-compatible server.

    python benchmarks/local_endpoint.py [--users 2] [--items 24] [--quick]

Gemma 3 270M (base) on llama.cpp's server, greedy; otherwise as in `chat_calls.py`: users of the planted world, no imagining, no
knowledge base. It shows that the machine runs against a real endpoint, and what it costs there. **A model of this size writes no
reasons worth reading**, so precision and recall are near nothing for both, and are printed all the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from machine import machine
from paper_protocol import PaperMind

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.minds.chat import ChatMind
from llmrg.agents.open_mind import OpenMinds
from llmrg.agents.run.build import build
from llmrg.core.settings import load_settings
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.graph_quality import graph_quality
from llmrg.testing.local_endpoint import local_endpoint
from llmrg.testing.planted import PlantedConfig, PlantedWorld, random_catalogue, simulate

RESULT = Path(__file__).parent / "results" / "local_endpoint.json"
BARE = {"divergence": False, "knowledge": False, "concurrency": 2, "held_out": 0}
OPTIONS = {"temperature": 0, "max_tokens": 1500}
COUNTED = ("calls", "tokens", "output_tokens", "repairs", "failed")


def measured(town: PlantedWorld, kind: str, config: BuildConfig, url: str) -> dict[str, Any]:
    """Costs a user, and what came of them."""
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "graphs.db") as store:
        settings = load_settings(home=Path(folder), model=f"openai:gemma@{url}", model_options=OPTIONS, model_timeout_s=600)
        minds = OpenMinds(town.dataset, settings)
        mind: Any = minds.get("chat")
        mind = PaperMind(mind._calls.model, town.dataset) if kind == "paper" else mind
        started = time.monotonic()
        report = asyncio.run(build(town.dataset, store, Minds(mind, mind, mind), config))
        took = time.monotonic() - started
        minds.close()
        graphs = {user: store.graph(town.dataset.name, user) for user in town.dataset.histories}
    quality, users = graph_quality(graphs, town.truth), len(graphs)
    return {
        **{name: report.total(name) / users for name in COUNTED},
        "seconds": took / users,
        "users_failed": report.failures,
        "useless_replies": sum(report.counts.get(f"{stage}.useless_replies", 0) for stage in ("reason", "verify")) / users,
        "accepted": report.counts.get("verify.reasoned.accepted", 0) / users,
        "rejected": report.counts.get("verify.reasoned.rejected", 0) / users,
        "precision": asdict(quality.precision),
        "recall": asdict(quality.recall),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--users", type=int, default=2)
    options.add_argument("--items", type=int, default=24, help="in each history")
    options.add_argument("--quick", action="store_true", help="one user, two items; for tests")
    options.add_argument("--result", type=Path, default=RESULT)
    chosen = options.parse_args()
    users, items = (1, 2) if chosen.quick else (chosen.users, chosen.items)
    town = simulate(random_catalogue(600, 60, seed=0), PlantedConfig(readers=users, min_length=items, max_length=items, seed=0))
    with local_endpoint() as url:
        ours = measured(town, "chat", BuildConfig(tries=0, **BARE), url)
        paper = measured(town, "paper", BuildConfig(block_size=1, tries=0, candidates=1, **BARE), url)
    ratios = {what: ours[what] / paper[what] for what in ("calls", "tokens", "seconds")}
    result = {
        "machine": machine(),
        "model": "gemma-3-270m (base, Q4_K_M) on llama.cpp's server",
        "block_size_of_the_chat_mind": ChatMind.block_size,
        "users": users,
        "items_a_user": items,
        "ours_without_recalibration": ours,
        "paper": paper,
        "ratios": ratios,
    }
    chosen.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
