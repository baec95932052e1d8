"""What the knowledge base saves: items asked of the reasoner, and requests, with it and without, over reasoning steps.

    python benchmarks/knowledge_pays.py --data FOLDER [--quick]

FOLDER holds the data sets (`ml-latest-small`, and `amazon-2014-5core` for Beauty). The reasoner is the attributes mind, which
gives the same answers with and without a knowledge base: the difference is the knowledge base's alone. A request is counted for
each call of a block of 24 items, as a chat model would be asked. The paper (arXiv 2308.10835, figure 4) reports about 30 % fewer
accesses to its language model after 3,000 steps. One reasoning step is one item of a history that is explained.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from machine import machine

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.minds.attributes import AttributesMind
from llmrg.agents.protocols import Block, Candidate
from llmrg.agents.run.build import BuildEvent, build
from llmrg.core.settings import load_settings
from llmrg.data.dataset import Dataset
from llmrg.data.registry import load_data
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.wiring import text_vectors

HERE = Path(__file__).parent
RESULT = HERE / "results" / "knowledge_pays.json"
FIGURE = HERE.parent / "docs" / "images" / "knowledge_pays.svg"
SETS = {"MovieLens latest-small": "ml-latest-small", "Amazon Beauty": "amazon-beauty"}
MARKS = (3_000, 30_000)
CONFIG = BuildConfig(l_tru=50, divergence=False, concurrency=1)


class CountingMind(AttributesMind):
    """Counts what it is asked."""

    block_size = 24

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(dataset)
        self.items = self.requests = 0

    async def reason(self, block: Block) -> list[Candidate]:
        self.requests += 1
        self.items += len(block.positions)
        return await super().reason(block)


def curve(dataset: Dataset, users: list[str], knowledge: bool) -> list[dict[str, int]]:
    """After each user: steps so far, items asked of the reasoner, requests."""
    mind, points = CountingMind(dataset), [{"steps": 0, "items": 0, "requests": 0}]
    lengths = {user: min(CONFIG.l_tru, len(dataset.histories[user])) for user in users}

    def note(event: BuildEvent) -> None:
        if event.user:
            steps = points[-1]["steps"] + lengths[event.user]
            points.append({"steps": steps, "items": mind.items, "requests": mind.requests})

    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "graphs.db") as store:
        config = CONFIG.model_copy(update={"knowledge": knowledge})
        vectors = text_vectors(load_settings())
        asyncio.run(build(dataset, store, Minds(mind, mind, mind), config, users=users, progress=note, vectors=vectors))
    return points


def at(points: list[dict[str, int]], steps: int) -> dict[str, int]:
    return next((point for point in points if point["steps"] >= steps), points[-1])


def enough(dataset: Dataset, steps: int) -> list[str]:
    """The first users whose items come to so many."""
    users, total = [], 0
    for user, history in dataset.histories.items():
        if total >= steps:
            break
        users.append(user)
        total += min(CONFIG.l_tru, len(history))
    return users


def draw(found: dict[str, Any]) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "llmrg"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axis, what, title in (
        (axes[0], "items", "items asked of the reasoner"),
        (axes[1], "requests", "requests to the reasoner"),
    ):
        for (name, row), colour in zip(found.items(), ("#0069a8", "#c04600"), strict=False):
            pairs = [(w["steps"], 1 - w[what] / o[what]) for w, o in zip(row["with"], row["without"], strict=True) if o[what]]
            axis.plot([x for x, _ in pairs], [100 * y for _, y in pairs], label=name, color=colour)
        axis.set(xlabel="reasoning steps", ylabel="% saved so far", title=title)
    axes[0].axvline(MARKS[0], color="#999", linewidth=0.8)
    axes[0].legend(fontsize="small")
    figure.savefig(FIGURE, metadata={"Date": None})


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", required=True, type=Path, help="folder with the data sets")
    options.add_argument("--quick", action="store_true", help="300 steps, MovieLens only, no figure; for tests")
    options.add_argument("--result", type=Path, default=RESULT)
    chosen = options.parse_args()
    found: dict[str, Any] = {}
    for name, place in list(SETS.items())[: 1 if chosen.quick else None]:
        dataset = load_data(place, data_dir=chosen.data, **({"min_interactions": 5} if "amazon" in place else {}))
        users = enough(dataset, 300 if chosen.quick else MARKS[-1] + 500)
        curves = {kind: curve(dataset, users, knowledge) for kind, knowledge in (("with", True), ("without", False))}
        saved = {
            str(mark): {
                what: 1 - at(curves["with"], mark)[what] / at(curves["without"], mark)[what] for what in ("items", "requests")
            }
            for mark in MARKS
        }
        found[name] = {"users": len(users), "saved": saved, **curves}
        print(name, len(users), saved, flush=True)
    result = {"machine": machine(), "build": CONFIG.model_dump(), "block_size": CountingMind.block_size}
    thinned = {
        name: {**row, **{kind: row[kind][:: max(1, len(row[kind]) // 200)] for kind in ("with", "without")}}
        for name, row in found.items()
    }
    chosen.result.write_text(json.dumps({**result, "sets": thinned}, indent=1) + "\n", encoding="utf-8")
    if not chosen.quick:
        draw(found)


if __name__ == "__main__":
    main()
