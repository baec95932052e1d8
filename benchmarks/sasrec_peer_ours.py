"""Our side of `sasrec_peer.py`: trains what `job.json` asks and leaves learning curves and raw test scores in the folder.

    python sasrec_peer_ours.py FOLDER

Runs in a process of its own, as the peer does, so that both are timed under the same conditions.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from llmrg.core.records import History, Item
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.recommenders import SasRecConfig, SequentialRecommender, TrainingConfig
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.training import Epoch, RunOptions


def read_dataset(folder: Path) -> Dataset:
    told = json.loads((folder / "histories.json").read_text(encoding="utf-8"))
    catalogue = Catalogue(Item(item, item) for item in told["catalogue"])
    histories = {user: History(user, tuple(items)) for user, items in told["histories"].items()}
    interactions = sum(map(len, histories.values()))
    return Dataset("peer", catalogue, histories, LoadReport(str(folder), interactions, len(histories), len(catalogue)))


def train(dataset: Dataset, job: dict[str, Any], seed: int, scores: Path) -> dict[str, Any]:
    """One training; the clock runs from before the data are prepared until training stops."""
    curve: list[dict[str, float]] = []
    cpu, wall = time.process_time(), time.perf_counter()

    def note(epoch: Epoch) -> None:
        curve.append({"ndcg": epoch.ndcg or 0.0, "cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall})

    shape = {name: job[name] for name in ("embedding_size", "heads", "max_length")}
    training = {name: job[name] for name in ("epochs", "patience", "batch_size", "learning_rate")}
    config, options = SasRecConfig(dropout=job["dropout"], layers=job["blocks"], **shape), RunOptions(seed=seed, progress=note)
    model = SequentialRecommender(config, training=TrainingConfig(**training), options=options)
    model.fit(dataset)
    spent = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    queries = [Query.at(history, len(history) - 1) for history in dataset.histories.values()]
    np.save(scores, model.scores(queries))
    return {"seed": seed, **spent, "curve": curve, "items": len(dataset.catalogue)}


def main(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    dataset = read_dataset(folder)
    runs = [train(dataset, job, seed, folder / f"scores-{seed}.npy") for seed in job["seeds"]]
    (folder / "runs.json").write_text(json.dumps({"runs": runs, "versions": {"torch": torch.__version__}}), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
