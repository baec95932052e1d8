"""Base models on public data, against the figures that are published for them; what `real_graphs.py` adds graphs to.

    python benchmarks/base_models.py --data FOLDER --set amazon-beauty --model sasrec [--seed 0] [--device auto] [--home FOLDER]

One training a call, kept in the home folder and resumable: an interrupted one goes on after its last epoch. Test is read once,
when the training is over; the figures of all trainings kept there go to the result file.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import machine

from llmrg.data.registry import load_data
from llmrg.evaluation.held_out import rank_held_out
from llmrg.recommenders.loading import load_recommender
from llmrg.recommenders.models.bsarec import BsaRecConfig
from llmrg.recommenders.models.sasrec import SasRecConfig
from llmrg.recommenders.objectives.last_item import LastItemConfig
from llmrg.recommenders.objectives.next_item import NextItemConfig
from llmrg.recommenders.ranking import metric
from llmrg.recommenders.sequential import SequentialRecommender
from llmrg.recommenders.training import Epoch, RunOptions, TrainingConfig

RESULT = Path(__file__).parent / "results" / "base_models.json"
TRAINING = {
    "amazon-beauty": TrainingConfig(epochs=120, batch_size=256, learning_rate=1e-3, patience=8),
    "ml-1m": TrainingConfig(epochs=120, batch_size=128, learning_rate=1e-3, patience=10),
    "ml-latest-small": TrainingConfig(epochs=120, batch_size=16, learning_rate=1e-3, patience=8),
}
SHORT: dict[str, Any] = {"dropout": 0.5, "attention_dropout": 0.5, "norm": "after", "positions": "end"}
"""As in the code that the published figures for Beauty come from."""
SHAPE: dict[str, dict[str, Any]] = {"amazon-beauty": SHORT, "ml-1m": {"dropout": 0.2}, "ml-latest-small": {"dropout": 0.2}}
OBJECTIVE: dict[str, Any] = {"amazon-beauty": LastItemConfig(), "ml-1m": NextItemConfig(), "ml-latest-small": NextItemConfig()}
"""Every prefix for itself, as in that code, where histories are short; one pass a history where they are long."""
FILTER = {"amazon-beauty": {"alpha": 0.7, "cutoff": 5}, "ml-1m": {"alpha": 0.3, "cutoff": 9}, "ml-latest-small": {}}
"""BSARec's paper's, by data set. Nothing here was chosen on test figures."""
MODELS: dict[str, Callable[[str, int], Any]] = {
    "sasrec": lambda data, length: SasRecConfig(max_length=length, **SHAPE[data]),
    "bsarec": lambda data, length: BsaRecConfig(max_length=length, **SHAPE[data], **FILTER[data]),
}
MIN_INTERACTIONS = {"ml-1m": 5, "ml-latest-small": 5}
"""Films with fewer ratings are left out, as in all published figures."""


def folder_of(home: Path, data: str, model: str, length: int, seed: int) -> Path:
    """Where a trained base model lies."""
    return home / f"{data}-{model}-{length}-{seed}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="folder with the public data sets")
    options.add_argument("--set", choices=TRAINING, required=True)
    options.add_argument("--model", choices=MODELS, required=True)
    options.add_argument("--length", type=int, default=50)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--device", default="cpu")
    options.add_argument("--threads", type=int, default=0)
    options.add_argument("--max-seconds", type=float, help="start no further epoch after so many; the best one is kept")
    options.add_argument("--home", type=Path, default=Path(".llmrg/benchmarks/base"))
    chosen = options.parse_args()
    dataset = load_data(chosen.set, data_dir=chosen.data, min_interactions=MIN_INTERACTIONS.get(chosen.set, 1))
    folder = folder_of(chosen.home, chosen.set, chosen.model, chosen.length, chosen.seed)
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.with_suffix(".epochs.jsonl")

    def show(epoch: Epoch) -> None:
        line = {"epoch": epoch.number, "loss": epoch.loss, "validation_ndcg": epoch.ndcg, "cpu_seconds": time.process_time()}
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(line, flush=True)

    run = RunOptions(chosen.seed, chosen.device, chosen.threads, folder.with_suffix(".training"), show)
    training = TRAINING[chosen.set].model_copy(update={"max_seconds": chosen.max_seconds})
    model = MODELS[chosen.model](chosen.set, chosen.length)
    recommender = SequentialRecommender(model, OBJECTIVE[chosen.set], training=training, options=run)
    recommender.fit(dataset)
    recommender.save(folder)
    ranks = rank_held_out(load_recommender(folder), dataset)
    figures = {name: float(metric(name, ranks.masked).mean()) for name in ("HR@10", "NDCG@10")}
    epochs = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    note = {
        "data": chosen.set,
        "model": model.model_dump(),
        "objective": OBJECTIVE[chosen.set].kind,
        "training": training.model_dump(exclude={"max_seconds"}),
        "seed": chosen.seed,
        "device": chosen.device,
        "epochs": len(epochs),
        "best_validation_ndcg": max(line["validation_ndcg"] for line in epochs),
        "cpu_seconds_an_epoch": max(line["cpu_seconds"] for line in epochs) / len(epochs),
        "test": figures,
        "machine": machine(),
    }
    (folder / "figures.json").write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    collect(chosen.home)
    print(json.dumps(figures))


def collect(home: Path) -> None:
    """The figures of all trainings of the home folder become the result file."""
    kept = {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(home.glob("*/figures.json"))}
    RESULT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
