"""Our SASRec against the one of RecTools: same histories, same training pairs, same protocol; accuracy and seconds to reach it.

    python -m venv PEER && PEER/bin/pip install -r benchmarks/sasrec_peer_requirements.txt
    python benchmarks/sasrec_peer.py --data FOLDER --peer-python PEER/bin/python

FOLDER holds `ml-latest-small.zip` or its contents. Some ten minutes on two cores. The peer's pins do not go with ours,
therefore the environment of its own, outside the repository.

Both libraries train on the last `max_length` + 1 items of every training part, so the (prefix, next item) pairs are the same,
and so is the number of steps an epoch. Both give raw scores of the whole catalogue for the same histories; they are ranked by the
same code. Each side runs in a process of its own, one after the other, with the same number of threads. Items that stand in no
training pair are unknown to the peer and cannot be hits there; we keep them in the softmax. What is not named in `JOB` stays at
each library's default.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from machine import machine

from llmrg.cli.tables import print_comparison, print_rows
from llmrg.core.contribution import Contribution
from llmrg.data import load_data
from llmrg.data.dataset import Dataset
from llmrg.evaluation.comparison import HEADLINE, Comparison, compare
from llmrg.evaluation.held_out import Ranks, rank_held_out
from llmrg.evaluation.protocol import ProtocolCard
from llmrg.evaluation.statistics import PairedTest, p_text, paired_difference
from llmrg.recommenders.items import ItemRows
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.ranking import metric

MIN_INTERACTIONS = 5
"""Users and items with fewer are left out, as in the SASRec paper."""
SEEDS = (0, 1)
JOB = {
    "embedding_size": 64,
    "blocks": 2,
    "heads": 2,
    "max_length": 50,
    "dropout": 0.2,  # RecTools' default
    "batch_size": 16,
    "learning_rate": 1e-3,
    "epochs": 60,
    "patience": 20,  # the peer's validation stands still at the level of popularity for some ten epochs, then rises
    "threads": 2,
}
HERE = Path(__file__).parent
RESULT = HERE / "results" / "sasrec_peer.json"
OURS, PEER = "SASRec of LLMRG", "SASRec of RecTools"


@dataclass
class Side:
    """One library: how it is started, and what it left behind."""

    name: str
    python: str
    script: str
    runs: list[dict[str, Any]] = field(default_factory=list)
    scores: list[np.ndarray] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def train(self, histories: Mapping[str, Any]) -> None:
        """Train once a seed in a new process and read back curves and raw test scores.

        Waiting threads sleep (OMP_WAIT_POLICY): CPU seconds spent on spinning would measure what else the machine does.
        """
        print(f"{self.name}: {len(SEEDS)} trainings", flush=True)
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(JOB["threads"])}
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "job.json").write_text(json.dumps({**JOB, "seeds": SEEDS}), encoding="utf-8")
            (folder / "histories.json").write_text(json.dumps(histories), encoding="utf-8")
            subprocess.run([self.python, str(HERE / self.script), str(folder)], check=True, env=environment)
            told = json.loads((folder / "runs.json").read_text(encoding="utf-8"))
            self.scores = [np.load(folder / f"scores-{seed}.npy") for seed in SEEDS]
        self.runs, self.versions = told["runs"], told["versions"]


class RawScores:
    """A side's test scores as a recommender, so that both sides go through the same ranking."""

    def __init__(self, name: str, dataset: Dataset, scores: np.ndarray) -> None:
        self.name, self._scores, self.items = name, scores, ItemRows(dataset.catalogue.ids)
        self._row = {user: row for row, user in enumerate(dataset.histories)}

    def fit(self, dataset: Dataset, graphs: object = None, themes: object = None) -> None: ...

    def scores(self, queries: Sequence[Query]) -> np.ndarray:
        return self._scores[[self._row[query.history.user] for query in queries]]

    def contributions(self, query: Query, item: str) -> list[Contribution]:
        return []

    def save(self, folder: Path) -> None: ...


def best_ndcg(run: Mapping[str, Any]) -> float:
    return float(max(epoch["ndcg"] for epoch in run["curve"]))


def epoch_reaching(run: Mapping[str, Any], level: float) -> int:
    """The first epoch (1-based) with this validation NDCG@10 or more."""
    return next(number for number, epoch in enumerate(run["curve"], start=1) if epoch["ndcg"] >= level)


def costs(side: Side, other: Side) -> dict[str, float]:
    """Means over the seeds. The shared level is, seed by seed, the lower of the two best validation NDCG@10."""
    found: list[dict[str, float]] = []
    for run, theirs in zip(side.runs, other.runs, strict=True):
        best = best_ndcg(run)
        level = min(best, best_ndcg(theirs))
        at_best, at_level = epoch_reaching(run, best), epoch_reaching(run, level)
        found.append(
            {
                "validation_ndcg": best,
                "best_epoch": at_best,
                "cpu_s_an_epoch": run["curve"][-1]["cpu_s"] / len(run["curve"]),
                "cpu_s_to_best": run["curve"][at_best - 1]["cpu_s"],
                "wall_s_to_best": run["curve"][at_best - 1]["wall_s"],
                "shared_level": level,
                "epochs_to_shared_level": at_level,
                "cpu_s_to_shared_level": run["curve"][at_level - 1]["cpu_s"],
                "wall_s_to_shared_level": run["curve"][at_level - 1]["wall_s"],
                "cpu_s_to_stop": run["cpu_s"],
                "wall_s_to_stop": run["wall_s"],
            }
        )
    return {name: fmean(row[name] for row in found) for name in found[0]}


def ranked(sides: Sequence[Side], dataset: Dataset) -> tuple[Comparison, PairedTest]:
    """The table of both sides, and the paired test of HR@10 (ours minus the peer's)."""
    ranks: dict[str, list[Ranks]] = {
        side.name: [rank_held_out(RawScores(side.name, dataset, scores), dataset) for scores in side.scores] for side in sides
    }
    hits = [np.mean([metric("HR@10", run.masked) for run in ranks[name]], axis=0) for name in (OURS, PEER)]
    name = f"{dataset.name}, {MIN_INTERACTIONS}-core"
    card = ProtocolCard(
        name,
        len(dataset.histories),
        len(dataset.catalogue),
        SEEDS,
        query=f"the last {JOB['max_length']} items of history[:p], the same for both",
        loss="full-softmax cross-entropy over the last 50 training positions of each user, the same pairs for both",
        selection="early stopping on validation NDCG@10 in both; test is read once",
    )
    return compare(ranks, PEER, card, len(dataset.catalogue)), paired_difference(*hits)


COST_NAMES = {
    "epochs to the best": "best_epoch",
    "validation NDCG@10": "validation_ndcg",
    "CPU s an epoch": "cpu_s_an_epoch",
    "CPU s to the best": "cpu_s_to_best",
    "wall s to the best": "wall_s_to_best",
    "CPU s to the level both reach": "cpu_s_to_shared_level",
    "wall s to it": "wall_s_to_shared_level",
    "CPU s until stopped": "cpu_s_to_stop",
}


def cost_rows(cost: Mapping[str, Mapping[str, float]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows; one column a side."""
    digits = {"validation_ndcg": 3}
    rows = [(told, *(f"{side[key]:.{digits.get(key, 1)}f}" for side in cost.values())) for told, key in COST_NAMES.items()]
    return ("", *cost), rows


def in_words(table: Comparison, hits: PairedTest) -> str:
    card, first = table.card, table.rows[0]
    seeds = ", ".join(map(str, card.seeds))
    return (
        f"Ours minus the peer's, paired: HR@10 {hits.difference} (p {p_text(hits.p_value, hits.p_is_bound)}), "
        f"NDCG@10 {first.difference} (p {first.p}). "
        f"{card.data}: {card.users} users, {card.items:,} items, seeds {seeds}; {card.ranking}; {card.seen}; "
        f"ties {card.ties}; {card.selection}."
    )


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *rows)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", required=True, type=Path, help="folder with ml-latest-small")
    options.add_argument("--peer-python", required=True, help="Python of an environment with sasrec_peer_requirements.txt")
    chosen = options.parse_args()
    about = {**machine(), "load_before": round(os.getloadavg()[0], 1)}
    archive = chosen.data / "ml-latest-small.zip"
    dataset = load_data(archive if archive.exists() else chosen.data, min_interactions=MIN_INTERACTIONS)
    told = {"histories": {u: h.items for u, h in dataset.histories.items()}, "catalogue": dataset.catalogue.ids}
    sides = (Side(OURS, sys.executable, "sasrec_peer_ours.py"), Side(PEER, chosen.peer_python, "sasrec_peer_rectools.py"))
    for side in sides:
        side.train(told)
    ours, peer = sides
    table, hits = ranked(sides, dataset)
    cost = {OURS: costs(ours, peer), PEER: costs(peer, ours)}
    print_comparison(table)
    cost_table = cost_rows(cost)
    print_rows("What it took (means over the seeds)", *cost_table)
    verdict = in_words(table, hits)
    print(f"\n{verdict}")
    accuracy = ("", *HEADLINE), [(row.name, *(str(row.metrics[name]) for name in HEADLINE)) for row in table.rows]
    note = (
        f"RecTools {peer.versions['rectools']}; {JOB['threads']} threads each, one after the other. CPU seconds are those of the "
        "training process; the level both reach is the lower of the two best validation NDCG@10."
    )
    result = {
        "machine": about,
        "config": {**JOB, "seeds": SEEDS, "min_interactions": MIN_INTERACTIONS},
        "versions": {side.name: side.versions for side in sides},
        "table": table.to_json(),
        "hr10_difference": {**asdict(hits.difference), "p_value": hits.p_value, "p_is_bound": hits.p_is_bound},
        "cost": cost,
        "runs": {side.name: side.runs for side in sides},
        "markdown": [*markdown(*accuracy), "", verdict, "", *markdown(*cost_table), "", note],
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
