"""What verification is worth: precision of accepted steps against that of all, over reasoners of known error rates.

    python benchmarks/verification_pays.py [--readers 40] [--seeds 5] [--quick]

The chat mind over the planted world, with a scripted model that errs in a set share of its reasons, and a verifier that answers a
set share of its questions by a confident guess. `off` is a real build with verification switched off. AUCs of the verifiers come
from `agents.calibration`, right steps being the planted ones. The figure goes to docs/images/verification_pays.svg.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

from llmrg.agents.calibration import CalibrationConfig, calibrate
from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.minds.attributes import AttributesMind
from llmrg.agents.minds.chat import ChatMind
from llmrg.agents.run.build import build
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.graph_quality import graph_quality
from llmrg.testing.planted import PlantedConfig, PlantedWorld, random_catalogue, simulate
from llmrg.testing.planted_responder import planted_responder
from llmrg.testing.scripted_chat import ScriptedChatModel

HERE = Path(__file__).parent
RESULT = HERE / "results" / "verification_pays.json"
FIGURE = HERE.parent / "docs" / "images" / "verification_pays.svg"
ERRORS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
VERIFIER_ERRORS = (0.05, 0.2)
BARE = BuildConfig(divergence=False, knowledge=False, concurrency=1)


def minds_over(town: PlantedWorld, errors: float, verifier_errors: float, seed: int) -> Minds:
    script = planted_responder(town.dataset, town.truth, errors, seed, verifier_errors)
    mind = ChatMind(ScriptedChatModel(script), town.dataset)
    return Minds(mind, mind, mind)


def quality(town: PlantedWorld, minds: Minds, config: BuildConfig) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "graphs.db") as store:
        report = asyncio.run(build(town.dataset, store, minds, config))
        graphs = {user: store.graph(town.dataset.name, user) for user in town.dataset.histories}
    found = graph_quality(graphs, town.truth, resamples=1)
    return {"precision": found.precision.value, "recall": found.recall.value, "calls": report.total("calls")}


def mean_and_interval(values: list[float]) -> dict[str, float]:
    """Over seeds, each a world of its own: mean and 95 % t interval."""
    spread = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    half = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}.get(len(values), 1.96) * spread
    return {"value": float(np.mean(values)), "low": float(np.mean(values) - half), "high": float(np.mean(values) + half)}


def aucs(town: PlantedWorld) -> dict[str, Any]:
    """Of each verifier, on the planted steps of one world."""
    free = AttributesMind(town.dataset)
    found = {"attributes": Minds(free, free, free)}
    found |= {f"chat, errs in {share:.0%}": minds_over(town, 0.0, share, 0) for share in VERIFIER_ERRORS}
    told = {}
    for name, minds in found.items():
        made = asyncio.run(calibrate(town.dataset, minds, CalibrationConfig(users=100), truth=town.truth))
        told[name] = {kind: vars(auc) for kind, auc in made.auc.items()}
    return told


def draw(rows: list[dict[str, Any]]) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "llmrg"
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), sharex=True, layout="constrained")
    for name, colour in (
        ("off", "#c04600"),
        *zip((f"{share:.2f}" for share in VERIFIER_ERRORS), ("#0069a8", "#00785c"), strict=True),
    ):
        chosen = [row for row in rows if row["verifier"] == name]
        label = "verification off" if name == "off" else f"on, verifier errs in {float(name):.0%}"
        for axis, what in ((left, "precision"), (right, "recall")):
            means = [row[what]["value"] for row in chosen]
            spread = [
                [row[what]["value"] - row[what]["low"] for row in chosen],
                [row[what]["high"] - row[what]["value"] for row in chosen],
            ]
            axis.errorbar([row["errors"] for row in chosen], means, spread, label=label, color=colour, marker="o", capsize=2)
            axis.set(xlabel="reasoner's error rate", ylabel=f"{what} of accepted steps", ylim=(0, 1.03))
    left.legend(loc="lower left", fontsize="small")
    figure.savefig(FIGURE, metadata={"Date": None})


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--readers", type=int, default=40)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--quick", action="store_true", help="few readers, two error rates, no figure; for tests")
    options.add_argument("--result", type=Path, default=RESULT)
    chosen = options.parse_args()
    readers, seeds, errors = (4, 2, (0.2, 0.6)) if chosen.quick else (chosen.readers, chosen.seeds, ERRORS)
    rows = []
    for share in errors:
        for name in ("off", *(f"{one:.2f}" for one in VERIFIER_ERRORS)):
            found = []
            for seed in range(seeds):
                town = simulate(random_catalogue(200, 30, seed=seed), PlantedConfig(readers=readers, seed=seed))
                config = BARE.model_copy(update={"verification": name != "off"})
                found.append(quality(town, minds_over(town, share, 0.0 if name == "off" else float(name), seed), config))
            told = {what: mean_and_interval([one[what] for one in found]) for what in ("precision", "recall", "calls")}
            rows.append({"errors": share, "verifier": name, **told})
            print(share, name, *(f"{told[what]['value']:.3f}" for what in ("precision", "recall")), flush=True)
    town = simulate(random_catalogue(200, 30, seed=0), PlantedConfig(readers=readers * 3, seed=0))
    result = {
        "machine": machine(),
        "readers": readers,
        "seeds": seeds,
        "build": BARE.model_dump(),
        "rows": rows,
        "auc": aucs(town),
    }
    chosen.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if not chosen.quick:
        draw(rows)


if __name__ == "__main__":
    main()
