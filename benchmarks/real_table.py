"""The whole table of public data in one go: every base model is trained, then graphs, rules and content are added to it.

    python benchmarks/real_table.py --data FOLDER [--device cuda] [--sets amazon-beauty ml-1m] [--models sasrec bsarec]
                                    [--lengths 50 200] [--seeds 0 1 2] [--home FOLDER]

What is there already is kept: an interrupted training goes on after its last epoch, a finished one is not repeated. At the end
`tables.py` writes docs/results.md anew.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
from pathlib import Path

from base_models import MODELS, TRAINING, folder_of

HERE = Path(__file__).parent


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="folder with the public data sets")
    options.add_argument("--device", default="auto")
    options.add_argument("--threads", type=int, default=0)
    options.add_argument("--sets", nargs="+", choices=TRAINING, default=list(TRAINING))
    options.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    options.add_argument("--lengths", nargs="+", type=int, default=[50])
    options.add_argument("--seeds", nargs="+", type=int, default=[0])
    options.add_argument("--home", type=Path, default=Path(".llmrg/benchmarks/base"))
    chosen = options.parse_args()
    runs = list(itertools.product(chosen.sets, chosen.models, chosen.lengths, chosen.seeds))
    for number, (data, model, length, seed) in enumerate(runs, 1):
        print(f"== {number} of {len(runs)}: {data}, {model}, length {length}, seed {seed}", flush=True)
        common: list[object] = ["--data", chosen.data, "--home", chosen.home, "--set", data, "--model", model]
        common += ["--length", length, "--seed", seed]
        if not (folder_of(chosen.home, data, model, length, seed) / "figures.json").exists():
            call("base_models.py", *common, "--device", chosen.device, "--threads", chosen.threads)
        call("real_graphs.py", *common)
    call("tables.py")


def call(script: str, *arguments: object) -> None:
    subprocess.run([sys.executable, str(HERE / script), *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()
