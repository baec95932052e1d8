"""The likelihood mind on this machine's cores: all users of MovieLens latest-small in one run, and batch sizes compared.

    python benchmarks/local_build.py --data FOLDER [--last 50] [--users N] [--home FOLDER] [--batches-only]

FOLDER holds `ml-latest-small.zip` or its contents. The run starts without any profile of an earlier one; an interrupted run goes
on where it stopped, and its result then holds the costs of all its calls. The run's report is kept beside the result.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import machine

from llmrg.agents.config import BuildConfig
from llmrg.agents.minds.likelihood import LikelihoodMind
from llmrg.agents.minds.local_lm import LocalLM
from llmrg.agents.run.report import markdown
from llmrg.core.settings import load_settings
from llmrg.progress.bars import building
from llmrg.sdk import Project

RESULTS = Path(__file__).parent / "results"
BATCHES = (4, 16, 32, 64)
ITEMS = 128
"""Items asked about per batch size."""


def batch_sizes(project: Project, lm: LocalLM) -> list[dict[str, Any]]:
    """Seconds for the same items, each batch size with a profile of its own; the first pass is a warm-up."""
    items, rows = sorted(project.dataset.catalogue.ids)[:ITEMS], []
    for size in (BATCHES[0], *BATCHES):
        with tempfile.TemporaryDirectory() as folder:
            profile = LikelihoodMind(project.dataset, lm, Path(folder))._first
            profile.batch = size
            profile.z([])  # mean and deviation come first, once per catalogue
            started, spent = time.perf_counter(), time.process_time()
            profile.z(items)
            took = time.perf_counter() - started
            rows.append({"items": size, "items_a_second": ITEMS / took, "cpu_seconds": time.process_time() - spent})
    return rows[1:]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", required=True, help="folder with ml-latest-small")
    options.add_argument("--last", type=int, default=50, help="items reasoned over per user")
    options.add_argument("--users", type=int, help="only the first so many")
    options.add_argument("--home", type=Path, default=Path(".llmrg/benchmarks/local_build"))
    options.add_argument("--batches-only", action="store_true", help="compare batch sizes, leave the run as it is")
    options.add_argument("--note", default="", help="what else the machine did meanwhile; stands beside the figures")
    options.add_argument("--result", type=Path, default=RESULTS / "local_build.json")
    chosen = options.parse_args()
    result = json.loads(chosen.result.read_text(encoding="utf-8")) if chosen.result.exists() else {}
    result |= {"note": chosen.note} if chosen.note else {}
    lm = LocalLM.load("gemma-3-270m", load_settings().cache_dir.expanduser())
    with Project("ml-latest-small", home=chosen.home, data_dir=chosen.data) as project:
        if chosen.batches_only:
            result["batches"] = batch_sizes(project, lm)
        else:
            mind = LikelihoodMind(project.dataset, lm, chosen.home / "profiles")
            config, users = BuildConfig(l_tru=chosen.last), list(project.dataset.histories)[: chosen.users]
            spent = time.process_time()
            with building("MovieLens latest-small: users") as show:
                report = project.build(mind=mind, users=users, config=config, progress=show)
            run = project.run_report(report.run)
            steps = sum(run["totals"][outcome] for outcome in ("accepted", "rejected"))
            result |= {
                "machine": machine(),
                "niceness": os.nice(0),
                "config": config.model_dump(),
                "users": len(users),
                "seconds": run["totals"]["seconds"],
                "cpu_seconds_of_this_call": time.process_time() - spent,
                "seconds_a_user": run["totals"]["seconds"] / len(users),
                "steps_a_second": steps / run["totals"]["seconds"],
                "run": run,
            }
            (chosen.result.parent / "local_build_report.md").write_text(markdown(run), encoding="utf-8")
    chosen.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
