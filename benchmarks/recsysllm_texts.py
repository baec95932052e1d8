"""RecSysLLM in words: stars, explanations and headlines of Amazon Musical Instruments, stars of MovieLens latest small.

    python benchmarks/recsysllm_texts.py --data FOLDER [--home FOLDER] [--only reviews] [--users N] [--asked N] [--writing N]
    python benchmarks/recsysllm_texts.py --data FOLDER --table      what has been run, without running anything

FOLDER holds the data sets (`docs/data.md`), by default the one that LLMRG_TEST_DATA names. Each (data, model) is kept as it is
done, and so is a training that is cut short: the same command goes on. A training sees a subset of the users, so that it takes
about ten CPU minutes of one thread; the table asks users of the whole set, and its baselines are fitted on all training parts, so
they know more than the model. Beside the trained model stands the same net before its training.

The instruments have no titles, and an id says nothing to a language model. So each is called by up to three nouns that its
training reviews have in common and that those of other items have seldom; held-out reviews are not among them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
from collections import Counter
from dataclasses import dataclass, replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine

from llmrg.cli.families import print_families
from llmrg.data.dataset import Catalogue, Dataset
from llmrg.data.registry import load_data
from llmrg.evaluation.families import FamilyRow, FamilyTable, family_table
from llmrg.recommenders.loading import load_recommender
from llmrg.recommenders.training import RunOptions
from llmrg.recsysllm.config import LlmTrainingConfig, RecSysLlmConfig
from llmrg.recsysllm.recommender import RecSysLlm
from llmrg.recsysllm.tasks.features import OTHERS, SHARE, Features

RESULT = Path(__file__).parent / "results" / "recsysllm_texts.json"
SETTINGS = {"model": "smollm2-135m", "train_layers": 6, "draws": 2, "max_tokens": 128}
"""Two versions of each example: one an epoch. What a prompt needs stays beyond `max_tokens`; its history is shortened."""
EPOCHS, RATE = 2, 5e-4
NOUNS = 3
"""Of a title made of reviews."""
UNTRAINED, TRAINED = "untrained", "trained"
NOBODY = 1e-9
"""Seconds: no epoch starts."""


@dataclass(frozen=True)
class Source:
    """A data set, what it is asked, and how much of it a training of ten CPU minutes can read."""

    name: str
    families: tuple[str, ...]
    users: int
    texts_per_user: int
    about: str


SOURCES = {
    "reviews": Source(
        "amazon-musical-instruments",
        ("rating", "explanation", "review"),
        300,
        1,
        "no titles: items are called by nouns of their training reviews, ids stand in no prompt",
    ),
    "films": Source("ml-latest-small", ("rating",), 350, 1, "titles and genres as published"),
}


@dataclass(frozen=True)
class Bench:
    data: Path
    home: Path
    threads: int
    seconds: float
    users: int | None
    asked: int
    writing: int
    model: str
    result: Path

    def dataset(self, which: str) -> Dataset:
        found = load_data(SOURCES[which].name, data_dir=self.data)
        return named_by_reviews(found) if which == "reviews" else found

    def subset(self, which: str, dataset: Dataset) -> Dataset:
        """Users that training sees, drawn by seed 0."""
        names, count = list(dataset.histories), self.users or SOURCES[which].users
        drawn = np.sort(np.random.default_rng(0).permutation(len(names))[:count])
        return dataset.only(names[number] for number in drawn.tolist())

    def fitted(self, which: str, kind: str, dataset: Dataset) -> tuple[RecSysLlm, int]:
        """The model, and how many users it saw. The untrained one reads a few, and starts no epoch."""
        source, known = SOURCES[which], self.subset(which, dataset)
        if kind == UNTRAINED:
            known = known.only(list(known.histories)[:5])
        folder = self.home / f"{which}-{kind}"
        options = RunOptions(threads=self.threads, checkpoint=folder.with_suffix(".training"), progress=lambda e: say(which, e))
        if (folder / "config.json").exists():
            return load_recommender(folder, options=replace(options, checkpoint=None)), len(known.histories)  # type: ignore
        config = RecSysLlmConfig(
            **{**SETTINGS, "model": self.model},  # type: ignore[arg-type]
            families=source.families,  # type: ignore[arg-type]
            texts_per_user=source.texts_per_user,
        )
        seconds = NOBODY if kind == UNTRAINED else self.seconds
        how = LlmTrainingConfig(epochs=EPOCHS, learning_rate=RATE, max_seconds=seconds)
        made = RecSysLlm(config, training=how, options=options, step=step_line(which))
        made.fit(known)
        made.save(folder)
        options.checkpoint.unlink(missing_ok=True)  # type: ignore[union-attr]
        return made, len(known.histories)


def named_by_reviews(dataset: Dataset) -> Dataset:
    """The same data, each item called by nouns that two of its training reviews have at least, the most telling first."""
    features, said = Features.of(dataset), dict[str, Counter[str]]()
    nouns = {noun for noun, count in features.nouns.items() if count >= max(OTHERS, SHARE * features.words[noun])}
    for user, history in dataset.histories.items():
        known = dataset.opinions_before(user, dataset.split.train_length(history))
        for item, opinion in zip(history.items, known, strict=False):
            words = set(re.findall(r"[^\W\d_]{4,}", opinion.text.lower())) if opinion is not None else set()
            said.setdefault(item, Counter()).update(words & nouns)
    users = len(dataset.opinions)
    titles = {}
    for item, counts in said.items():
        worth = {noun: count * log(users / features.words[noun]) for noun, count in counts.items() if count > 1}
        titles[item] = " ".join(sorted(worth, key=lambda noun: (-worth[noun], noun))[:NOUNS])
    named = [replace(item, title=titles.get(item.id) or "something") for item in dataset.catalogue]
    return replace(dataset, catalogue=Catalogue(named, dataset.catalogue.noun))


def say(which: str, what: object) -> None:
    print(f"{which}: {what}", flush=True)


def step_line(which: str) -> Any:
    def show(now: Any) -> None:
        if now.step % 20 == 0:
            say(which, f"epoch {now.epoch}, step {now.step} of {now.of}, loss {now.loss:.3f}")

    return show


def answer_line(which: str) -> Any:
    def show(what: str, done: int, total: int) -> None:
        if done % 50 == 0:
            say(which, f"{done} of {total} answers ({what})")

    return show


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run(bench: Bench, which: str, kind: str) -> None:
    kept = bench.home / f"{which}-{kind}.json"
    if kept.exists():
        return
    dataset, began = bench.dataset(which), cpu_seconds()
    model, users = bench.fitted(which, kind, dataset)
    fitted = cpu_seconds()
    say(which, f"{kind}: fitted, {fitted - began:,.0f} CPU s")
    table = family_table(model, dataset, users=bench.asked, writing=bench.writing, progress=answer_line(which))
    found = {
        "users_in_training": users if kind == TRAINED else 0,
        "of_users": len(dataset.histories),
        "texts_per_user_and_family": SOURCES[which].texts_per_user,
        "items": SOURCES[which].about,
        "some_titles": [item.title for item in list(dataset.catalogue)[:5]],
        "epochs": [[epoch.number, round(epoch.loss, 4), epoch.nll] for epoch in model.epochs],
        "cpu_s_fit": round(fitted - began, 1),
        "cpu_s_answers": round(cpu_seconds() - fitted, 1),
        "settings": model.config.model_dump(mode="json"),
        "table": table.to_json(),
    }
    kept.write_text(json.dumps(found), encoding="utf-8")


def result(bench: Bench) -> None:
    """Print and write what is there; what is missing is named."""
    found, missing = dict[str, dict[str, Any]](), list[str]()
    for which, source in SOURCES.items():
        for kind in (UNTRAINED, TRAINED):
            kept = bench.home / f"{which}-{kind}.json"
            if not kept.exists():
                missing.append(f"{source.name}, {kind}")
                continue
            found.setdefault(source.name, {})[kind] = one = json.loads(kept.read_text(encoding="utf-8"))
            rows = tuple(FamilyRow(**row) for row in one["table"]["rows"])
            seen = f"{one['users_in_training']} of {one['of_users']} users seen in training"
            print(f"\n{source.name}, {kind} ({seen}; {source.about})")
            print_families(FamilyTable(rows, one["table"]["card"], one["table"]["model"]))
    protocol = {
        "training": {"epochs": EPOCHS, "learning_rate": RATE, "max_seconds": bench.seconds, "threads": bench.threads},
        "subset": "users of training drawn by seed 0; users asked drawn by seed 0 from the whole set",
        "baselines": "fitted on the training parts of all users, so of more than the model has read",
        "untrained": "the same net with its adapters at zero",
        "selection": "the epoch with the lowest validation NLL; test is read once",
    }
    wrote = {"machine": machine(), "protocol": protocol, "missing": missing, "data": found}
    bench.result.write_text(json.dumps(wrote, indent=1) + "\n", encoding="utf-8")
    print("missing:", "; ".join(missing) or "nothing")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, default=os.environ.get("LLMRG_TEST_DATA"), help="folder of the data sets")
    options.add_argument("--home", type=Path, default=Path(".llmrg/benchmarks/recsysllm_texts"), help="where parts are kept")
    options.add_argument("--only", default=",".join(SOURCES), help=f"data: {','.join(SOURCES)}")
    options.add_argument("--users", type=int, help="users that a training sees [default: by data]")
    options.add_argument("--asked", type=int, default=300, help="users at most asked for stars")
    options.add_argument("--writing", type=int, default=50, help="users at most for whom texts are written")
    options.add_argument(
        "--seconds",
        type=float,
        default=86400,
        help="start no epoch after so many seconds of a training, as the clock on the wall has it, reading included",
    )
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--model", default=SETTINGS["model"], help="base model")
    options.add_argument("--result", type=Path, default=RESULT, help="file of the figures")
    options.add_argument("--table", action="store_true", help="only print and write what has been run")
    chosen = options.parse_args()
    if chosen.data is None:
        options.error("name the folder of the data sets with --data, or in LLMRG_TEST_DATA")
    torch.set_num_threads(chosen.threads)
    chosen.home.mkdir(parents=True, exist_ok=True)
    how = (chosen.threads, chosen.seconds, chosen.users, chosen.asked, chosen.writing, chosen.model, chosen.result)
    bench = Bench(Path(chosen.data), chosen.home, *how)
    for which in chosen.only.split(","):
        for kind in (TRAINED, UNTRAINED):
            if not chosen.table:
                run(bench, which, kind)
                result(bench)
    if chosen.table:
        result(bench)


if __name__ == "__main__":
    main()
