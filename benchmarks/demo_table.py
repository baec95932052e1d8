"""The demo's tables over several seeds and two base models, the quality of its graphs, and their cost.

    python benchmarks/demo_table.py [--home FOLDER] [--users N]

Graphs are built once per mind (an interrupted run goes on), recommenders are trained once per seed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from agreement import agreement
from machine import machine

from llmrg.cli.demo import unverified
from llmrg.cli.demo_report import quality_rows
from llmrg.cli.tables import print_comparison, print_rows
from llmrg.core.settings import load_settings
from llmrg.data.demo_set import load_demo, load_truth
from llmrg.demo_config import DEMO_BUILD, DEMO_TRAINING, demo_readers
from llmrg.evaluation.experiment import Experiment, run_experiment
from llmrg.progress.bars import building, steps
from llmrg.sdk import Project
from llmrg.testing.graph_quality import graph_quality
from llmrg.wiring import text_vectors

SEEDS = tuple(range(5))
MODELS = ("sasrec", "bsarec")
RESULT = Path(__file__).parent / "results" / "demo_table.json"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--home", type=Path, default=Path(".llmrg/benchmarks/demo"))
    options.add_argument("--seeds", type=int, default=len(SEEDS))
    chosen = options.parse_args()
    dataset, truth = demo_readers(load_demo()), load_truth()
    bank = sorted({value for item in dataset.catalogue for value in item.values("theme")})
    graphs, qualities, controls, agreements, reports = {}, {}, {}, {}, {}
    for mind in ("attributes", "likelihood"):
        with Project(dataset, home=chosen.home / mind, mind=mind) as project:
            with building(f"{mind}: readers") as show:
                reports[mind] = project.build(config=DEMO_BUILD, progress=show).to_json()
            graphs[mind] = project.graphs()
            qualities[mind] = graph_quality(graphs[mind], truth, per_item=1)
            agreements[mind] = agreement(graphs[mind], truth, bank)
            print(mind, json.dumps(agreements[mind], indent=1))
            controls[mind] = graph_quality(unverified(project), truth, per_item=1)
            print_rows(f"{mind}: graphs against the planted truth", *quality_rows(qualities[mind], controls[mind]))
    tables = {}
    for model in MODELS:
        experiment = Experiment(
            dataset,
            graphs["attributes"],
            text_vectors(load_settings()),
            model=model,
            training=DEMO_TRAINING,
            graph_name="attributes-mind graph",
            more={"likelihood-mind graph": graphs["likelihood"]},
        )
        seeds = SEEDS[: chosen.seeds]
        with steps(f"{model}: train and rank", experiment.trainings(len(seeds))) as say:
            tables[model] = run_experiment(experiment, seeds, progress=say)
        print_comparison(tables[model])
    result = {
        "machine": machine(),
        "build": DEMO_BUILD.model_dump(),
        "readers": len(dataset.histories),
        "training": DEMO_TRAINING.model_dump(),
        "tables": {model: table.to_json() for model, table in tables.items()},
        "quality": {mind: asdict(quality) for mind, quality in qualities.items()},
        "quality_without_verification": {mind: asdict(quality) for mind, quality in controls.items()},
        "agreement": agreements,
        "cost": reports,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
