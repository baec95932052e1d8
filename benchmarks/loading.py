"""Loading: MovieLens-1M beside a former way row by row, and 32 million rows in the layout of MovieLens 32M.

    python benchmarks/loading.py --data FOLDER [--rows 32000204] [--rounds 5] [--before COMMIT]

`--data` holds `ml-1m`. The former way is the commit before data were held in columns, checked out into a temporary worktree; both
ways load in processes of their own, one after the other in turn. The large file is generated (seed 0): users in order, each one's
films in order of their number, as the publisher writes them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "loading.json"
BEFORE = "a088318"
USERS, FILMS = 200_948, 87_585
"""Of MovieLens 32M."""
DRAWS = 1.2
"""Films drawn for one that stays: those that come again count once."""
BARS = {"times_faster": 10.0, "seconds": 60.0, "gigabytes": 3.0}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--rows", type=int, default=32_000_204)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--before", default=BEFORE)
    options.add_argument("--large", type=Path, help="the folder of the large file, where --generate made it before")
    options.add_argument("--load", help=argparse.SUPPRESS)
    options.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("--generate", type=Path, help="write the large file there and end")
    chosen = options.parse_args()
    if chosen.generate:
        generate(chosen.generate, chosen.rows)
    elif chosen.load:
        print(json.dumps(load(chosen.load, chosen.data, chosen.train)))
    else:
        measure(chosen)


def measure(chosen: argparse.Namespace) -> None:
    from machine import machine

    from llmrg.cli.tables import print_rows

    with tempfile.TemporaryDirectory() as folder:
        with worktree(chosen.before, Path(folder) / "before") as before:
            ways: dict[str, list[dict[str, Any]]] = {"now": [], "before": []}
            for root in (ROOT, before):  # so that no round compiles
                child(root, folder, "--load", "demo", "--data", str(chosen.data))
            for _ in range(chosen.rounds):
                for way, root in (("now", ROOT), ("before", before)):
                    ways[way].append(child(root, folder, "--load", "ml-1m", "--data", str(chosen.data)))
        large = chosen.large or Path(folder) / "ml-32m"
        if not large.exists():
            child(ROOT, folder, "--generate", str(large), "--rows", str(chosen.rows), "--data", str(chosen.data), reply=False)
        size = (large / "ratings.csv").stat().st_size
        found = child(ROOT, folder, "--load", str(large), "--data", str(chosen.data), "--train")
    assert len({run["content"] for runs in ways.values() for run in runs}) == 1, "the two ways load other data"
    medians = {way: statistics.median(run["cpu_s"] for run in runs) for way, runs in ways.items()}
    faster = medians["before"] / medians["now"]
    result = {
        "machine": machine() | {"load_average": round(os.getloadavg()[0], 1)},
        "ml_1m": {"before": chosen.before, "cpu_s": medians, "times_faster": round(faster, 1), "runs": ways},
        "large": {"bytes": size, **found},
        "bars": {
            "times_faster": faster >= BARS["times_faster"],
            "seconds": found["wall_s"] <= BARS["seconds"],
            "gigabytes": found["peak_gb_of_load"] <= BARS["gigabytes"],
        },
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_rows(
        "Loading",
        ("data", "way", "CPU s", "wall s", "peak GB"),
        [
            ("ml-1m", way, f"{medians[way]:.2f}", f"{statistics.median(run['wall_s'] for run in runs):.2f}",
             f"{max(run['peak_gb_of_load'] for run in runs):.2f}")
            for way, runs in ways.items()
        ]
        + [(f"{found['interactions']:,} rows", "now", f"{found['cpu_s']:.1f}", f"{found['wall_s']:.1f}",
            f"{found['peak_gb_of_load']:.2f}")],
    )  # fmt: skip
    assert all(result["bars"].values()), result["bars"]


@contextmanager
def worktree(commit: str, folder: Path) -> Iterator[Path]:
    """A checkout beside this one."""
    subprocess.run(["git", "-C", str(ROOT), "worktree", "add", "-q", "--detach", str(folder), commit], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(folder)], check=True)


def child(root: Path, folder: str, *arguments: str, reply: bool = True) -> Any:
    """What this script prints in a process of its own, with the code of `root`."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(root), "PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode")}
    done = subprocess.run([sys.executable, __file__, *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout) if reply else None


def load(source: str, data: Path, train: bool) -> dict[str, Any]:
    """Load once, and time it; then look at all histories, and start a training where that is asked for."""
    import llmrg

    wall, cpu = time.perf_counter(), time.process_time()
    dataset = llmrg.load_data(source, data_dir=data)
    found: dict[str, Any] = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall, "peak_gb_of_load": peak()}
    found |= {"users": len(dataset.histories), "items": len(dataset.catalogue), "interactions": dataset.report.interactions}
    if not train:
        from llmrg.core.records import stable_key

        taken = [(history.user, history.items, history.at) for history in dataset.histories.values()]
        return found | {"content": stable_key(*taken, *dataset.opinions.items(), dataset.report.notes)}
    wall = time.perf_counter()
    places = sum(len(history) for history in dataset.histories.values())
    assert places == dataset.report.interactions
    found["seconds_for_all_histories"] = time.perf_counter() - wall
    return found | first_batches(dataset)


def first_batches(dataset: Any) -> dict[str, Any]:
    """Seconds until SASRec has trained on its first ten batches."""
    from llmrg.recommenders.models.sasrec import SasRecConfig
    from llmrg.recommenders.sequential import SequentialRecommender

    wall, losses = time.perf_counter(), list[float]()

    class Enough(Exception):
        pass

    class Watched(SequentialRecommender):
        def _loss(self, *given: Any) -> Any:
            if len(losses) == 10:
                raise Enough
            loss = super()._loss(*given)
            losses.append(float(loss.detach()))
            return loss

    with suppress(Enough):
        Watched(SasRecConfig()).fit(dataset)
    return {"seconds_to_ten_batches": time.perf_counter() - wall, "losses": losses, "peak_gb_with_training": peak()}


def peak() -> float:
    """GB of this process at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def generate(folder: Path, rows: int) -> None:
    """`ratings.csv` and `movies.csv` of so many ratings; as many users as MovieLens 32M has for its ratings."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv

    dice, folder = np.random.default_rng(0), Path(folder)
    folder.mkdir(parents=True)
    users, films = max(1, round(USERS * rows / 32_000_204)), FILMS
    lengths = 20 + dice.lognormal(4.2, 1.1, users)
    lengths = np.minimum(lengths * rows / lengths.sum(), films // 4)
    shares = 1.0 / np.arange(10, films + 10)
    names = dice.permutation(films * 3)[:films] + 1
    edges = np.append(0, np.cumsum(shares) / shares.sum())
    grades = np.array(["0.5", "1.0", "1.5", "2.0", "2.5", "3.0", "3.5", "4.0", "4.5", "5.0"])
    written = 0
    with (folder / "ratings.csv").open("wb") as file:
        file.write(b"userId,movieId,rating,timestamp\n")
        for start in range(0, users, 10_000):
            count = lengths[start : start + 10_000]
            drawn = np.repeat(np.arange(len(count)), (count * DRAWS).astype(np.int64))
            film = np.searchsorted(edges, dice.random(len(drawn)), side="right") - 1
            pairs = np.unique(drawn * films + np.minimum(film, films - 1))
            owner = pairs // films
            at = 1_000_000_000 + (start + owner) * 2000 + dice.integers(0, 50_000_000, len(pairs))
            table = pa.table(
                {
                    "user": owner + start + 1,
                    "film": names[pairs % films],
                    "rating": pa.DictionaryArray.from_arrays(dice.integers(0, 10, len(pairs)).astype(np.int32), grades),
                    "at": at,
                }
            )
            csv.write_csv(table, file, csv.WriteOptions(include_header=False, quoting_style="none"))
            written += len(pairs)
    with (folder / "movies.csv").open("w", encoding="utf-8") as file:
        file.write("movieId,title,genres\n")
        file.writelines(f'{name},"Film {name}, The ({1950 + name % 70})",Drama|Comedy\n' for name in sorted(names.tolist()))
    print(f"{written:,} ratings of {users:,} users", file=sys.stderr)


if __name__ == "__main__":
    main()
