"""Scoring a catalogue of 12,000 items: theme scores beside the base model, CPU seconds of one thread.

    python benchmarks/theme_speed.py [--items 12000]

Items stand for 12 themes each, of 3,000 whose frequencies fall off as those of words do; histories hold 50 items, graphs 98
steps. The bar: theme scores of any view take at most 1.3 times as long as SASRec's scores of the same questions.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
from machine import machine

from llmrg.cli.tables import print_rows
from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.core.themes import Appeal, Profile, ProfileSource, Themes, strongest
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.recommenders.base import BaseRecommender
from llmrg.recommenders.models.sasrec import SasRecConfig
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.sequential import SequentialRecommender
from llmrg.recommenders.theme_scores import ThemeScores, ThemeScoresConfig
from llmrg.recommenders.training import RunOptions, TrainingConfig

RESULT = Path(__file__).parent / "results" / "theme_speed.json"
USERS, HISTORY, THEMES, OWN, BAR, ROUNDS = 512, 50, 3000, 12, 1.3, 7
VIEWS = ("bag", "shared", "graph")


def world(items: int) -> tuple[Dataset, Themes, list[Query]]:
    dice = np.random.default_rng(0)
    share = 1.0 / np.arange(1, THEMES + 1)
    ids = [f"item-{n:05}" for n in range(items)]
    said = [(item, f"theme {t:04}") for item in ids for t in dice.choice(THEMES, OWN, p=share / share.sum()).tolist()]
    profile = Profile(ProfileSource("expert"), strongest([Appeal(item, theme, 1.0) for item, theme in said]))
    own: dict[str, list[str]] = {}
    for item, theme in said:
        own.setdefault(item, []).append(theme)
    histories = {f"u{n}": History(f"u{n}", tuple(dice.choice(ids, HISTORY, replace=False).tolist())) for n in range(USERS)}
    queries = []
    for user, history in histories.items():
        steps = []
        for position in range(1, HISTORY):
            item = history.items[position]
            for theme in own[item][:2]:
                at = int(dice.integers(position))
                steps.append(Step(user, position, "reasoned", "item", history.items[at], at, theme, item, 0.9, 0, position + 1))
        queries.append(Query.at(history, HISTORY, ReasoningGraph(user, tuple(steps))))
    catalogue = Catalogue([Item(item, f"Title {item}") for item in ids])
    report = LoadReport("speed", USERS * HISTORY, USERS, items)
    return Dataset("speed", catalogue, histories, report), Themes({}, (profile,)), queries


def timed(recommender: BaseRecommender, queries: list[Query]) -> float:
    """Median CPU ms of a question."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        recommender.scores(queries)
        found.append(time.process_time() - began)
    return 1000 * statistics.median(found) / len(queries)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--items", type=int, default=12_000)
    chosen = options.parse_args()
    dataset, themes, queries = world(chosen.items)
    training = TrainingConfig(epochs=1)
    base = SequentialRecommender(SasRecConfig(), training=training, options=RunOptions(threads=1))
    base.fit(dataset)
    times = {"sasrec": timed(base, queries)}
    for view in VIEWS:
        scores = ThemeScores(ThemeScoresConfig(view=view, source="expert"))  # type: ignore[arg-type]
        scores.fit(dataset, {}, themes)
        times[view] = timed(scores, queries)
    ratios = {view: times[view] / times["sasrec"] for view in VIEWS}
    result = {
        "machine": machine(),
        "items": chosen.items,
        "questions": len(queries),
        "ms_a_question": {name: round(value, 3) for name, value in times.items()},
        "times_sasrec": {name: round(value, 2) for name, value in ratios.items()},
        "bar": BAR,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_rows(
        f"{chosen.items:,} items", ("scores", "CPU ms a question", "times SASRec"),
        [(name, f"{value:.3f}", f"{value / times['sasrec']:.2f}") for name, value in times.items()],
    )  # fmt: skip
    slow = {view: round(ratio, 2) for view, ratio in ratios.items() if ratio > BAR}
    assert not slow, f"slower than {BAR} times SASRec: {slow}"


if __name__ == "__main__":
    main()
