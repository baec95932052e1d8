"""MovieLens latest-small, all users: the table, and what the graphs cost.

    python benchmarks/movielens.py --data FOLDER [--last 10] [--seeds 3] [--home FOLDER]

FOLDER holds `ml-latest-small.zip` or its contents. An interrupted build goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from machine import machine

from llmrg.agents.config import BuildConfig
from llmrg.cli.tables import print_comparison, print_costs
from llmrg.core.records import ReasoningGraph
from llmrg.progress.bars import building, steps
from llmrg.recommenders.training import TrainingConfig
from llmrg.sdk import Project

SEEDS = (0, 1, 2)
TRAINING = TrainingConfig(epochs=40)
"""The default steps and patience, fewer epochs at most, alike for every row."""
RESULT = Path(__file__).parent / "results" / "movielens.json"


def without_model(project: Project, users: list[str], config: BuildConfig) -> Mapping[str, ReasoningGraph]:
    """Graphs of the attributes mind over the same items: the control that shows what the language model adds."""
    with Project(project.dataset, home=project.settings.home / "attributes", mind="attributes") as control:
        with building("attributes mind: users") as show:
            control.build(users=users, config=config, progress=show)
        return control.graphs()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", required=True, help="folder with ml-latest-small")
    options.add_argument("--last", type=int, default=10, help="items reasoned over per user")
    options.add_argument("--users", type=int, help="only the first so many")
    options.add_argument("--seeds", type=int, default=len(SEEDS))
    options.add_argument("--build-only", action="store_true", help="measure the build, train nothing")
    options.add_argument("--home", type=Path, default=Path(".llmrg/benchmarks/movielens"))
    options.add_argument("--result", type=Path, default=RESULT)
    chosen = options.parse_args()
    config = BuildConfig(l_tru=chosen.last, live_chains=2)
    with Project("ml-latest-small", home=chosen.home, data_dir=chosen.data, mind="likelihood") as project:
        users = list(project.dataset.histories)[: chosen.users]
        with building("MovieLens latest-small: users") as show:
            report = project.build(users=users, config=config, progress=show)
        run = project.store.run(project.dataset.name, report.run)
        print_costs(report)
        table = None
        if not chosen.build_only:
            control = {"attributes-mind graph": without_model(project, users, config)}
            seeds = SEEDS[: chosen.seeds]
            with steps("train and rank", 2 + 5 * len(seeds)) as say:
                table = project.compare(seeds, say, config=TRAINING, more=control)
            print_comparison(table)
    # a call that only trains keeps what the call that built has measured
    earlier = {} if report.built or not chosen.result.exists() else json.loads(chosen.result.read_text(encoding="utf-8"))
    cost = earlier.get("cost_of_this_call", report.to_json())
    result = {
        "machine": machine(),
        "mind": run.settings["reasoner"],
        "build": config.model_dump(),
        "users": len(users),
        "training": TRAINING.model_dump(),
        "cost_of_the_run": run.costs,
        "seconds_a_user": cost["seconds"] / max(cost["built"], 1),
        "cost_of_this_call": cost,
        "table": table.to_json() if table else None,
    }
    chosen.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
