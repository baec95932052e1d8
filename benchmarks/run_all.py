"""Every benchmark, one after the other; results land in `results/`, then the tables are written anew.

    python benchmarks/run_all.py [--data FOLDER] [--peer-python PATH]

Without --data (a folder with MovieLens latest-small) the benchmarks on real data are left out. The tables of large public data
(`real_table.py`) take hours without a GPU and have a command of their own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data")
    options.add_argument("--peer-python")
    chosen = options.parse_args()
    commands = [["sqlite_store.py"], ["neo4j_store.py"], ["growth.py"], ["local_model.py"], ["demo_table.py"]]
    commands += [
        ["chat_calls.py"],
        ["item_calls.py"],
        ["verification_pays.py"],
        ["throughput.py"],
        ["estimates.py"],
        ["ray_build.py"],
        ["local_endpoint.py"],
        ["graph_arrays.py"],
    ]
    commands += [["theme_grouping.py"], ["theme_speed.py"], ["right_reasons.py"], ["lora_step.py"]]
    commands += [["constrained_decoding.py", *(["--data", chosen.data] if chosen.data else [])]]
    if chosen.data:
        commands += [["movielens.py", "--data", chosen.data], ["paper_ablation.py", "--data", chosen.data]]
        commands += [["knowledge_pays.py", "--data", chosen.data], ["local_build.py", "--data", chosen.data]]
        if chosen.peer_python:
            commands.append(["sasrec_peer.py", "--data", chosen.data, "--peer-python", chosen.peer_python])
    for command in [*commands, ["tables.py"]]:
        print("==", *command, flush=True)
        subprocess.run([sys.executable, str(HERE / command[0]), *command[1:]], check=True)


if __name__ == "__main__":
    main()
