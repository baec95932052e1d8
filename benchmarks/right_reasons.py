"""How right must reasons be? What graphs add to SASRec on the demo over the error rate of their maker.

    python benchmarks/right_reasons.py [--seeds 3] [--quick]

The reason of each step is the planted one, or with the error rate another of the bank; with verification a verifier that errs
in 5 % accepts 95 % of the right steps and 5 % of the wrong ones. Profiles of items come from the catalogue, or only from what
other users' accepted steps say. The steps are drawn by this script, not by a model: the curve is about what right reasons are
worth. Weights are fitted late, on validation items. The figure goes to docs/images/right_reasons.svg.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

from llmrg.core.records import ReasoningGraph, Step
from llmrg.data.dataset import Dataset
from llmrg.data.demo_set import load_demo, load_truth
from llmrg.data.truth import PlantedStep
from llmrg.demo_config import DEMO_TRAINING
from llmrg.evaluation.held_out import rank_held_out
from llmrg.evaluation.statistics import bootstrap_mean
from llmrg.recommenders.making import GraphOptions, late_mix
from llmrg.recommenders.ranking import metric
from llmrg.recommenders.sequential import SequentialRecommender
from llmrg.recommenders.training import RunOptions

HERE = Path(__file__).parent
RESULT = HERE / "results" / "right_reasons.json"
FIGURE = HERE.parent / "docs" / "images" / "right_reasons.svg"
ERRORS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
VERIFIER_ERRS = 0.05
SOURCES = ("catalogue", "steps")


def graphs_of(
    dataset: Dataset, truth: Sequence[PlantedStep], errors: float, verified: bool, seed: int
) -> Mapping[str, ReasoningGraph]:
    """One step an item that has a planted reason: cause and place are the planted ones, the reason is wrong at the error rate."""
    dice = random.Random(f"{errors} {seed}")
    bank = sorted({value for item in dataset.catalogue for value in item.values("theme")})
    steps: dict[str, list[Step]] = {user: [] for user in dataset.histories}
    for planted in truth:
        wrong, doubt = dice.random() < errors, dice.random()
        reason = dice.choice([one for one in bank if one != planted.reason]) if wrong else planted.reason
        accepted = not verified or (doubt < VERIFIER_ERRS) == wrong
        if planted.reason is None or not accepted or planted.user not in steps:
            continue
        place, cause = planted.position, planted.cause_position
        kind = "root" if cause is None else "item"
        name = "" if cause is None else dataset.histories[planted.user].items[cause]
        steps[planted.user].append(
            Step(planted.user, place, "reasoned", kind, name, cause, str(reason), planted.item, 0.9, 0, seen=place + 1)  # type: ignore[arg-type]
        )
    return {user: ReasoningGraph(user, tuple(found)) for user, found in steps.items()}


def draw(rows: list[dict[str, Any]]) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "llmrg"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), sharex=True, sharey=True, layout="constrained")
    titles = {"catalogue": "profiles from the catalogue", "steps": "profiles from other users' steps"}
    for axis, source in zip(axes, SOURCES, strict=True):
        for verified, label, colour in ((False, "without verification", "#c04600"), (True, "verified", "#0069a8")):
            chosen = [row for row in rows if row["source"] == source and row["verified"] == verified]
            means = [row["gain"]["value"] for row in chosen]
            spread = [
                [row["gain"]["value"] - row["gain"]["low"] for row in chosen],
                [row["gain"]["high"] - row["gain"]["value"] for row in chosen],
            ]
            axis.errorbar([row["errors"] for row in chosen], means, spread, label=label, color=colour, marker="o", capsize=2)
        axis.axhline(0, color="#888888", linewidth=0.8)
        axis.set(title=titles[source], xlabel="share of wrong reasons", ylabel="NDCG@10 minus SASRec's")
    axes[0].legend(fontsize="small")
    figure.savefig(FIGURE, metadata={"Date": None})


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--quick", action="store_true", help="few readers, two error rates, no figure; for tests")
    options.add_argument("--result", type=Path, default=RESULT)
    chosen = options.parse_args()
    dataset, truth = load_demo(), load_truth()
    if chosen.quick:
        dataset = dataset.only(list(dataset.histories)[:40])
    seeds, errors = (1, (0.0, 0.7)) if chosen.quick else (chosen.seeds, ERRORS)
    training = DEMO_TRAINING.model_copy(update={"epochs": 2}) if chosen.quick else DEMO_TRAINING
    gains: dict[tuple[float, bool, str], list[np.ndarray]] = {}
    bases = []
    for seed in range(seeds):
        base = SequentialRecommender(training=training, options=RunOptions(seed))
        base.fit(dataset)
        bases.append(metric("NDCG@10", rank_held_out(base, dataset).masked))
        for share in errors:
            for verified in (False, True):
                graphs = graphs_of(dataset, truth, share, verified, seed)
                for source in SOURCES:
                    mixed = late_mix(base, GraphOptions(source=source, use_imagined=False))
                    mixed.fit(dataset, graphs)
                    values = metric("NDCG@10", rank_held_out(mixed, dataset, graphs).masked)
                    gains.setdefault((share, verified, source), []).append(values - bases[-1])
                    print(seed, share, verified, source, f"{(values - bases[-1]).mean():+.4f}", flush=True)
    rows = [
        {"errors": share, "verified": verified, "source": source, "gain": vars(bootstrap_mean(np.mean(found, axis=0)))}
        for (share, verified, source), found in gains.items()
    ]
    result = {
        "machine": machine(),
        "seeds": seeds,
        "readers": len(dataset.histories),
        "training": training.model_dump(),
        "base_ndcg": float(np.mean(bases)),
        "rows": rows,
    }
    chosen.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if not chosen.quick:
        draw(rows)


if __name__ == "__main__":
    main()
