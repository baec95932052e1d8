"""Does blank infilling help? Layouts, orders and masks of RecSysLLM at equal compute, by the likelihood of the held-out item.

    python benchmarks/recsysllm_layouts.py [--home FOLDER] [--seeds N] [--data NAME] [--tokens N] [--device cuda]
    python benchmarks/recsysllm_layouts.py --plan     what each set would need, without running anything
    python benchmarks/recsysllm_layouts.py --table    the table of what has been run

All variants write titles (`head="titles"`), read about as many tokens in training (whole passes; the table says how many), and
are asked the same: nats of the test item by the softmax along the catalogue's trie, which sums to 1 over the catalogue whatever
a variant was trained with. Likelihoods are far
less noisy than ranks. Paired over users, seeds averaged within a user.
"""

from __future__ import annotations

import argparse
import json
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine

from llmrg.cli.tables import print_rows
from llmrg.core.interval import Interval
from llmrg.core.settings import load_settings
from llmrg.core.themes import Themes
from llmrg.data.dataset import Dataset
from llmrg.data.demo_set import load_demo
from llmrg.data.registry import load_data
from llmrg.evaluation.statistics import bootstrap_mean, corrected, paired_difference
from llmrg.recommenders.base import FitData
from llmrg.recommenders.items import ItemRows
from llmrg.recommenders.sequences import Sequences
from llmrg.recommenders.training import RunOptions
from llmrg.recsysllm.backbone import Backbone
from llmrg.recsysllm.batches import Batch
from llmrg.recsysllm.config import LlmTrainingConfig, RecSysLlmConfig
from llmrg.recsysllm.data_phase import DataPhase
from llmrg.recsysllm.recommender import RecSysLlm
from llmrg.recsysllm.textualise import Textualiser
from llmrg.wiring import text_vectors

RESULT = Path(__file__).parent / "results" / "recsysllm_layouts.json"
COMMON = {"head": "titles", "train_layers": 6, "item_attributes": (), "draws": 3}
BLANK: dict[str, Any] = {"layout": "blank", "levels": (0.7, 0.3, 0.0)}
VARIANTS: dict[str, dict[str, Any]] = {
    "causal": {},
    "blank, positions of the paper": BLANK,
    "blank, running positions": {**BLANK, "positions": "running"},
    "blank, spans shuffled": {**BLANK, "order": "shuffled"},
    "blank, loss over the vocabulary": {**BLANK, "loss": "vocabulary"},
    "blank, spans cut entities": {**BLANK, "loss": "vocabulary", "whole_entities": False},
}
PAIRS = [
    ("blank, positions of the paper", "causal"),
    ("blank, running positions", "blank, positions of the paper"),
    ("blank, spans shuffled", "blank, positions of the paper"),
    ("blank, spans cut entities", "blank, loss over the vocabulary"),
    ("blank, loss over the vocabulary", "blank, positions of the paper"),
]
TOKENS = 112_000
"""Read in training by each variant: three passes over the demo's histories left to right, five by blank infilling. After 45,000
none was better than a uniform guess."""
PLANNED = {"demo": (300, 11.0, 5.3), "amazon-beauty": (22_363, 8.9, 22.6), "ml-1m": (6_040, 50.0, 8.5)}
"""Users, items of a training history that enter a prompt, tokens of an item with its end."""
GPU_TOKENS_PER_S, CPU_TOKENS_PER_S = 60_000, 800


class Unranked(RecSysLlm):
    """The recommender without its ranking of the validation items: likelihoods are asked here, and scoring the catalogue over the
    whole vocabulary takes longer than the training."""

    def _ndcg(self, data: FitData) -> float:
        return 0.0


@dataclass(frozen=True)
class Bench:
    dataset: Dataset
    home: Path
    tokens: int
    options: argparse.Namespace

    def config(self, variant: str) -> RecSysLlmConfig:
        return RecSysLlmConfig(**{**COMMON, **VARIANTS[variant]})

    def epochs(self, variant: str) -> tuple[int, int]:
        """Passes that read as many tokens as the others, and the tokens of one."""
        config = self.config(variant)
        backbone = Backbone.load(config.model, load_settings().cache_dir.expanduser(), 0)
        text = Textualiser.of(list(self.dataset.catalogue), backbone.coder)
        items = ItemRows(self.dataset.catalogue.ids)
        parts = Sequences.of(self.dataset)
        data = FitData(self.dataset, items, parts, {}, Themes())
        phase = DataPhase(text, config, backbone, "sequential-1")
        training, _ = phase.sequences(data, list(parts.values()), list(self.dataset.histories.values()))
        one = int(np.mean([sum(len(v[n % len(v)]) for v in training) for n in range(config.draws)]))
        return max(1, round(self.tokens / one)), one

    def run(self, variant: str, seed: int) -> None:
        name = f"{list(VARIANTS).index(variant)}-{seed}"
        kept = self.home / f"{name}.json"
        if kept.exists():
            return
        began = cpu_seconds()
        epochs, tokens = self.epochs(variant)
        training = LlmTrainingConfig(epochs=epochs, patience=epochs, learning_rate=5e-4, head_rate=1e-3)
        run = RunOptions(
            seed=seed,
            device=self.options.device,
            threads=self.options.threads,
            checkpoint=self.home / f"{name}.training",
            progress=lambda epoch: print(f"{variant}, seed {seed}: {epoch}", flush=True),
        )
        made = Unranked(self.config(variant), text_vectors(load_settings()), training, run)
        made.fit(self.dataset)
        trained = cpu_seconds()
        found = {
            "variant": variant,
            "nll": nll(made, self.dataset),
            "epochs": epochs,
            "tokens_read": epochs * tokens,
            "validation_nll": [epoch.nll for epoch in made.epochs],
            "cpu_s_training": round(trained - began, 1),
        }
        kept.write_text(json.dumps(found), encoding="utf-8")
        (self.home / f"{name}.training").unlink(missing_ok=True)
        print(f"{variant}, seed {seed}: {np.mean(found['nll']):.3f} nats a test item", flush=True)


def nll(made: RecSysLlm, dataset: Dataset) -> list[float]:
    """Nats of each user's test item by the trie."""
    phase, net = made.phase, made.fitted_net()
    phase = DataPhase(phase.text, phase.config.model_copy(update={"loss": "trie"}), phase.backbone, phase.template)
    found = []
    for number, history in enumerate(dataset.histories.values()):
        position = dataset.split.test_position(history)
        if position is None:
            continue
        rows = made.items.rows(history.items[:position])
        layout = phase.question(history.before(position), rows, None, number, made.items.row(history.items[position]))
        with torch.no_grad():
            losses = net(Batch.of([layout], [[0]], net.backbone.device))
        found.append(float(losses.titles.sum()))
    return found


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def table(bench: Bench, seeds: int) -> None:
    runs: dict[str, list[dict[str, Any]]] = {}
    for number, variant in enumerate(VARIANTS):
        kept = [bench.home / f"{number}-{seed}.json" for seed in range(seeds)]
        runs[variant] = [json.loads(path.read_text(encoding="utf-8")) for path in kept if path.exists()]
    users = {variant: np.mean([one["nll"] for one in found], axis=0) for variant, found in runs.items() if found}
    rows = {variant: bootstrap_mean(values) for variant, values in users.items()}
    pairs = [pair for pair in PAIRS if pair[0] in users and pair[1] in users]
    tests = [paired_difference(users[one], users[other]) for one, other in pairs]
    p_values = [test.p_value for test in corrected(tests)] if tests else []
    result = {
        "machine": machine(),
        "data": bench.dataset.name,
        "users": len(bench.dataset.histories),
        "uniform_nats": float(np.log(len(bench.dataset.catalogue))),
        "common": {key: list(value) if isinstance(value, tuple) else value for key, value in COMMON.items()},
        "variants": {
            variant: {k: list(v) if isinstance(v, tuple) else v for k, v in s.items()} for variant, s in VARIANTS.items()
        },
        "rows": {variant: _interval(row) for variant, row in rows.items()},
        "runs": {
            variant: [{key: one[key] for key in ("epochs", "tokens_read", "cpu_s_training", "validation_nll")} for one in found]
            for variant, found in runs.items()
        },
        "contrasts": [
            {"name": one, "against": other, "difference": _interval(test.difference), "p": p}
            for (one, other), test, p in zip(pairs, tests, p_values, strict=True)
        ],
        "missing": [f"{variant}: {seeds - len(found)} of {seeds} seeds" for variant, found in runs.items() if len(found) < seeds],
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    told = [(variant, f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]") for variant, row in rows.items()]
    print_rows("nats a test item, 95 % interval over users", ("variant", "nats"), told)
    print_rows(
        "paired differences (below 0: the first is likelier)",
        ("of", "against", "nats", "p, Holm"),
        [
            (c["name"], c["against"], "{value:+.3f} [{low:+.3f}, {high:+.3f}]".format(**c["difference"]), f"{c['p']:.4f}")
            for c in result["contrasts"]
        ],
    )  # fmt: skip
    print("missing:", "; ".join(result["missing"]) or "nothing")


def _interval(value: Interval) -> dict[str, float]:
    return {"value": value.value, "low": value.low, "high": value.high}


def plan(tokens_wanted: int) -> None:
    """Tokens and hours for three passes of every variant over three seeds."""
    rows = []
    for name, (users, items, size) in PLANNED.items():
        tokens = int(users * (8 + items * size + items * (6 + min(size, 6))))
        total = 3 * tokens * len(VARIANTS) * 3 if name != "demo" else tokens_wanted * len(VARIANTS) * 3
        rows.append(
            (
                name,
                f"{tokens:,}",
                f"{total:,}",
                f"{total / CPU_TOKENS_PER_S / 3600:,.1f}",
                f"{total / GPU_TOKENS_PER_S / 3600:,.2f}",
            )
        )
    titles = ("set", "tokens a pass", "tokens, 3 seeds", "hours on one core", "hours on one GPU (estimate)")
    print_rows("what all variants need", titles, rows)
    print(
        f"Counted with {CPU_TOKENS_PER_S} tokens a second on a core (measured), {GPU_TOKENS_PER_S:,} on a GPU (estimated)."
        "\nRun with --data amazon-beauty or ml-1m, --tokens of three passes, and --device cuda; 16 GB of its memory hold it."
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--home", type=Path, default=Path(".llmrg/benchmarks/recsysllm_layouts"))
    options.add_argument("--data", default="demo")
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--tokens", type=int, default=TOKENS)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--device", default="cpu")
    options.add_argument("--plan", action="store_true")
    options.add_argument("--table", action="store_true")
    chosen = options.parse_args()
    if chosen.plan:
        plan(chosen.tokens)
        return
    torch.set_num_threads(chosen.threads)
    home = chosen.home / chosen.data.replace("/", "_")
    home.mkdir(parents=True, exist_ok=True)
    bench = Bench(load_demo() if chosen.data == "demo" else load_data(chosen.data), home, chosen.tokens, chosen)
    if not chosen.table:
        for seed in range(chosen.seeds):
            for variant in VARIANTS:
                bench.run(variant, seed)
    table(bench, chosen.seeds)


if __name__ == "__main__":
    main()
