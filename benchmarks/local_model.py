"""The small local models: how well they tell a true reason from wrong ones, and how fast.

    python benchmarks/local_model.py [--models gemma-3-270m smollm2-135m] [--quick]

Quality is measured on `reasons_handwritten.csv`: pairs of famous books and films with one true reason each; the reasons
of all other pairs are the wrong ones. A few minutes on two idle cores. A model whose package is not installed is left out.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine

from llmrg.agents.minds.likelihood import LikelihoodMind
from llmrg.agents.minds.local_lm import LocalLM
from llmrg.core.errors import MissingPackageError
from llmrg.core.records import Item
from llmrg.core.settings import load_settings
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.data.demo_set import demo_catalogue
from llmrg.evaluation.statistics import bootstrap_mean
from llmrg.language_models.folders import NAMED_MODELS, model_folder

HERE = Path(__file__).parent
RESULT = HERE / "results" / "local_model.json"
PAIRS = HERE / "reasons_handwritten.csv"
READER = {"book": "reader", "film": "viewer"}
QUESTIONS = {
    "pair, long": "First: {first}\nThen: {second}\nReason the {reader} chose the second:",
    "pair, short": "{first}\n{second}\nBoth are about",
}
RESAMPLES = 1000


@dataclass(frozen=True)
class Pair:
    """One line of the hand-written file."""

    noun: str
    first: str
    second: str
    reason: str


def read_pairs() -> list[Pair]:
    with PAIRS.open(encoding="utf-8", newline="") as file:
        return [Pair(**row) for row in csv.DictReader(file)]


# -- quality -------------------------------------------------------------------------------------------------------------
def leave_one_out(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mean, deviation) of each column over all other rows."""
    others = len(scores) - 1
    mean = (scores.sum(axis=0) - scores) / others
    square = ((scores**2).sum(axis=0) - scores**2) / others
    return mean, np.sqrt(np.maximum(square - mean**2, 1e-9))


def auc(scores: np.ndarray, true: np.ndarray) -> float:
    """Share of (true, wrong) couples, over all pairs, in which the true one scores higher; ties count half."""
    right = scores[np.arange(len(scores)), true]
    wrong = np.ones(scores.shape, dtype=bool)
    wrong[np.arange(len(scores)), true] = False
    ordered = np.sort(scores[wrong])
    below = np.searchsorted(ordered, right, "left") + np.searchsorted(ordered, right, "right")
    return float(below.mean() / 2 / len(ordered))


def quality(scores: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    """AUC, and how often the true reason comes first, with 95 % bootstrap intervals over the pairs."""
    generator = np.random.default_rng(0)
    draws = [generator.integers(len(scores), size=len(scores)) for _ in range(RESAMPLES)]
    low, high = np.quantile([auc(scores[rows], true[rows]) for rows in draws], [0.025, 0.975])
    first = (scores.argmax(axis=1) == true).astype(float)
    return {
        "auc": {"value": auc(scores, true), "low": float(low), "high": float(high)},
        "first": asdict(bootstrap_mean(first)),
    }


def pair_formulas(lm: LocalLM, question: str, pairs: Sequence[Pair], bank: Sequence[str]) -> dict[str, np.ndarray]:
    """Formula -> (pairs, bank) scores from one question about the pair."""
    prompts = [question.format(first=p.first, second=p.second, reader=READER[p.noun]) for p in pairs]
    tails = [f" {reason}" for reason in bank]
    found = np.stack(lm.score(prompts, [tails] * len(pairs)))
    ending = question.rpartition("\n")[2].format(reader="reader")
    alone = lm.score([ending], [tails])[0]
    mean, deviation = leave_one_out(found)
    return {
        "log-likelihood": found,
        "PMI": found - alone,
        "contextual PMI": found - mean,
        "z": (found - mean) / deviation,
    }


def mind_scores(lm: LocalLM, pairs: Sequence[Pair], bank: Sequence[str]) -> dict[str, np.ndarray]:
    """The `likelihood` mind's own two measures: the weaker of a pair's ends, by its first and by its second question."""
    found = {"proposing": np.zeros((len(pairs), len(bank))), "verifying": np.zeros((len(pairs), len(bank)))}
    for noun in sorted({pair.noun for pair in pairs}):
        rows = [n for n, pair in enumerate(pairs) if pair.noun == noun]
        titles = sorted({title for n in rows for title in (pairs[n].first, pairs[n].second)})
        report = LoadReport("by hand", 0, 0, len(titles))
        catalogue = Catalogue((Item(title, title) for title in titles), noun)
        with tempfile.TemporaryDirectory() as folder:
            mind = LikelihoodMind(Dataset("pairs", catalogue, {}, report, reason_phrases=tuple(bank)), lm, Path(folder))
            columns = [mind.bank.index(reason) for reason in bank]
            for name, profile in (("proposing", mind._first), ("verifying", mind._second)):
                z = dict(zip(titles, profile.z(titles)[:, columns], strict=True))
                found[name][rows] = [np.minimum(z[pairs[n].first], z[pairs[n].second]) for n in rows]
    return found


def measure_quality(lm: LocalLM, pairs: Sequence[Pair]) -> dict[str, Any]:
    bank = sorted({pair.reason for pair in pairs})
    true = np.array([bank.index(pair.reason) for pair in pairs])
    found: dict[str, Any] = {}
    for name, question in QUESTIONS.items():
        for formula, scores in pair_formulas(lm, question, pairs, bank).items():
            found[f"{name}: {formula}"] = quality(scores, true)
    for role, scores in mind_scores(lm, pairs, bank).items():
        found[f"per item, {role}: z"] = quality(scores, true)
        if role == "verifying":
            right = scores[np.arange(len(scores)), true]
            wrong = np.delete(scores.ravel(), np.arange(len(scores)) * len(bank) + true)
            found["accepted at z >= 1.04 (tau 0.85)"] = {
                "true": float((right >= 1.04).mean()),
                "wrong": float((wrong >= 1.04).mean()),
            }
    return found


# -- speed ---------------------------------------------------------------------------------------------------------------
def rate(lm: LocalLM, prompts: Sequence[str], tails: Sequence[Sequence[str]]) -> dict[str, float]:
    """Prompts a second of wall time, and of processor time: the latter holds for one thread on a busy machine too."""
    start, spent = time.monotonic(), time.process_time()
    lm.score(prompts, tails)
    seconds, spent = time.monotonic() - start, time.process_time() - spent
    return {"per_second": len(prompts) / seconds, "per_processor_second": len(prompts) / spent}


def measure_speed(lm: LocalLM, number: int) -> dict[str, Any]:
    """Items and pairs a second on the demo's books and bank."""
    generator = random.Random(0)
    titles = [f"{book.title} by {book.values('author')[0]}" for book in demo_catalogue()]
    bank = sorted({f" {theme}" for book in demo_catalogue() for theme in book.values("theme")})
    sample = generator.sample(titles, number + 8)
    items = [f"{title}\nThis book is about:" for title in sample]
    lm.score(items[:8], [bank] * 8)  # first calls are slow
    items = items[8:]
    found = {
        f"items, {len(bank)} reasons": rate(lm, items, [bank] * len(items)),
        f"items, {len(bank)} reasons cut to what tells them apart": rate(lm, items, [lm.telling_apart(bank)] * len(items)),
    }
    pairs = [(first, second) for first in sample[: number // 6] for second in generator.sample(titles, 6)]
    for name, question in QUESTIONS.items():
        for reasons in (4, 8, len(bank)):
            asked = pairs if reasons < len(bank) else pairs[: number // 2]
            prompts = [question.format(first=first, second=second, reader="reader") for first, second in asked]
            tails = [generator.sample(bank, reasons) for _ in prompts]
            found[f"{name}, {reasons} reasons"] = rate(lm, prompts, tails)
    return found


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    start = time.monotonic()
    value = action()
    return time.monotonic() - start, value


def measure(name: str, pairs: Sequence[Pair], number: int, known: dict[str, Any] | None) -> dict[str, Any]:
    """Args: known: what was measured of this model before; its quality is taken over."""
    cache = load_settings().cache_dir.expanduser()
    with tempfile.TemporaryDirectory() as folder:
        convert, _ = timed(lambda: model_folder(name, Path(folder)))
    model_folder(name, cache)
    load, lm = timed(lambda: LocalLM.load(name, cache, dtype="float32"))
    quality = known["quality"] if known else measure_quality(lm, pairs)
    threads = torch.get_num_threads()
    speed = {f"float32, {threads} threads": measure_speed(lm, number)}
    torch.set_num_threads(1)
    speed["float32, 1 thread"] = measure_speed(lm, number // 4)
    del lm
    speed["bfloat16, 1 thread"] = measure_speed(LocalLM.load(name, cache, dtype="bfloat16"), number // 16)
    torch.set_num_threads(threads)
    return {"seconds": {"first conversion": convert, "load": load}, "speed": speed, "quality": quality}


# -- report --------------------------------------------------------------------------------------------------------------
def markdown(models: dict[str, Any], pairs: int, load: float | None) -> list[str]:
    """The tables that the results and the guide show."""
    names = list(models)
    columns = " | ".join(f"{name}: AUC | first of {pairs}" for name in names)
    lines = [f"| score of a reason | {columns} |", "|---" * (1 + 2 * len(names)) + "|"]
    rows = [row for row in models[names[0]]["quality"] if not row.startswith("accepted")]
    for row in rows:
        cells = [_interval(models[name]["quality"][row][what]) for name in names for what in ("auc", "first")]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"{pairs} pairs of famous books and films, reasons written by hand; 95 % bootstrap intervals over the pairs.",
        "",
    ]
    busy = load is not None and load > 1
    settings = [(name, s) for name in names for s in models[name]["speed"] if s.endswith("1 thread") or not busy]
    lines += ["| a second | " + " | ".join(f"{name}, {setting}" for name, setting in settings) + " |"]
    lines += ["|---" * (1 + len(settings)) + "|"]
    for row in models[names[0]]["speed"][settings[0][1]]:
        cells = [_rate(models[name]["speed"][setting][row], setting) for name, setting in settings]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    lines += ["", "One thread: a second of processor time. Several threads: a second of wall time."]
    if busy:
        lines[-1] += f" Other work ran (load {load:.0f}), so several threads are left out, and all figures are on the low side."
    for name in names:
        seconds, accepted = models[name]["seconds"], models[name]["quality"]["accepted at z >= 1.04 (tau 0.85)"]
        lines += [
            "",
            f"{name}: first conversion {seconds['first conversion']:.0f} s, later loads {seconds['load']:.0f} s; verification "
            f"accepts {accepted['true']:.0%} of true and {accepted['wrong']:.0%} of wrong reasons.",
        ]
    return lines


def _rate(value: dict[str, float], setting: str) -> str:
    return f"{value['per_processor_second' if setting.endswith('1 thread') else 'per_second']:.1f}"


def _interval(value: dict[str, float]) -> str:
    return f"{value['value']:.2f} [{value['low']:.2f}, {value['high']:.2f}]"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--models", nargs="+", default=list(NAMED_MODELS))
    options.add_argument("--speed", action="store_true", help="measure speed only, and keep the quality of the result file")
    options.add_argument("--quick", action="store_true", help="a quarter of the items; nothing is written")
    chosen = options.parse_args()
    pairs = read_pairs()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # other work on the machine slows what is measured here
    if chosen.quick:
        pairs = pairs[::4]
    known = json.loads(RESULT.read_text(encoding="utf-8"))["models"] if chosen.speed else {}
    models = {}
    for name in chosen.models:
        try:
            models[name] = measure(name, pairs, 24 if chosen.quick else 96, known.get(name))
        except MissingPackageError as error:
            print(f"{name} is left out: {error}")
    lines = markdown(models, len(pairs), load)
    print("\n".join(lines))
    if not chosen.quick:
        result = {"machine": machine() | {"load_before": load}, "pairs": len(pairs), "models": models, "markdown": lines}
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
