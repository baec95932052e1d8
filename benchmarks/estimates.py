"""Estimates of a build against what it costs: by rendering requests, and by an earlier run's costs a block.

    python benchmarks/estimates.py [--quick]

The bundled demo with a scripted chat model that knows the planted reasons and errs as often as is said. A finished run over the
100 users after the first 60 is estimated before anything was asked, and after a pilot over the first 5 or 20 users, in two ways:

rendered: `llmrg estimate`; habits are the pilot's, where there is one.
a block: the pilot's requests and tokens per block times the blocks of the rest; without a pilot there is nothing to multiply, so
  the pilot of *another* data set stands in its place (a planted world of other items, titles and lengths of history).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from machine import machine

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.estimate.estimate import estimate
from llmrg.agents.machine.nodes.plan import blocks_of
from llmrg.agents.minds.chat import ChatMind
from llmrg.agents.run.build import build
from llmrg.data.dataset import Dataset
from llmrg.data.demo_set import load_demo, load_truth
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.planted import PlantedConfig, random_catalogue, simulate
from llmrg.testing.planted_responder import planted_responder
from llmrg.testing.scripted_chat import ScriptedChatModel

RESULT = Path(__file__).parent / "results" / "estimates.json"
COUNTED = ("calls", "input_tokens", "output_tokens")
REST_FROM = 60


def minds_of(dataset: Dataset, truth: Any, errors: float) -> Minds:
    mind = ChatMind(ScriptedChatModel(planted_responder(dataset, truth, errors)), dataset)
    return Minds(mind, mind, mind)


def blocks(dataset: Dataset, users: Sequence[str], config: BuildConfig, size: int) -> int:
    held_out = config.held_out_of(dataset.split)
    lengths = [len(dataset.histories[user]) for user in users]
    return sum(len(blocks_of(length, max(0, length - config.l_tru), size, held_out)) for length in lengths)


async def costs(dataset: Dataset, truth: Any, errors: float, users: Sequence[str], config: BuildConfig) -> dict[str, Any]:
    """Of a run over these users in a store of its own, and the store's runs."""
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "graphs.db") as store:
        report = await build(dataset, store, minds_of(dataset, truth, errors), config, users=users)
        return {**{what: report.total(what) for what in COUNTED}, "runs": store.runs(dataset.name)}


def off(guess: Mapping[str, float], real: Mapping[str, float]) -> dict[str, float]:
    """Relative errors."""
    parts = {what: guess[what] / real[what] - 1 for what in COUNTED}
    tokens = sum(guess[what] for what in COUNTED[1:]) / sum(real[what] for what in COUNTED[1:]) - 1
    return {"calls": parts["calls"], "tokens": tokens}


async def compared(errors: float, config: BuildConfig, pilots: Sequence[int], last: int | None) -> list[dict[str, Any]]:
    dataset, truth = load_demo(), load_truth()
    users = list(dataset.histories)
    rest = users[REST_FROM:last]
    size = ChatMind.block_size
    real = await costs(dataset, truth, errors, rest, config)
    other = simulate(random_catalogue(600, 60, seed=4), PlantedConfig(readers=20, min_length=6, max_length=40, seed=9))
    elsewhere = list(other.dataset.histories)
    rows = []
    for pilot in (0, *pilots):
        if pilot:
            known = await costs(dataset, truth, errors, users[:pilot], config)
            counted_on = blocks(dataset, users[:pilot], config, size)
        else:
            known = {**await costs(other.dataset, other.truth, errors, elsewhere, config), "runs": []}
            counted_on = blocks(other.dataset, elsewhere, config, size)
        rendered = await estimate(dataset, minds_of(dataset, truth, errors), config, users=rest, earlier=known["runs"])
        scale = blocks(dataset, rest, config, size) / counted_on
        a_block = {what: scale * known[what] for what in COUNTED}
        guess = {what: getattr(rendered, what) for what in COUNTED}
        rows.append({"errors": errors, "knowledge": config.knowledge, "pilot": pilot})
        rows[-1] |= {"rendered": off(guess, real), "a_block": off(a_block, real)}
        print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="few users; for tests")
    options.add_argument("--result", type=Path, default=RESULT)
    chosen = options.parse_args()
    rows: list[dict[str, Any]] = []
    for errors in (0.1,) if chosen.quick else (0.1, 0.4):
        for knowledge in (False,) if chosen.quick else (False, True):
            config = BuildConfig(knowledge=knowledge)
            pilots, last = ((5,), 80) if chosen.quick else ((5, 20), 160)
            rows += asyncio.run(compared(errors, config, pilots, last))
    chosen.result.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
