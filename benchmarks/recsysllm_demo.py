"""RecSysLLM on the demo: the item head and titles, with the graph in each of its ways, and every control beside it.

    python benchmarks/recsysllm_demo.py [--home FOLDER] [--rows a,b] [--seeds N] [--threads 1]
    python benchmarks/recsysllm_demo.py --table      the table of what has been run, without running anything

Each (row, seed) is kept as it is done, and so are trainings that are cut short: the same command goes on, and several may run at
once with rows of their own. Graphs are those of the attributes mind: the planted reasons are made of what it reads, so a graph
that does not help here could help nowhere. CPU seconds are those of one thread, of training and of everything else.
"""

from __future__ import annotations

import argparse
import json
import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from machine import machine

from llmrg.cli.tables import print_comparison
from llmrg.core.records import ReasoningGraph
from llmrg.core.settings import load_settings
from llmrg.data.dataset import Dataset
from llmrg.data.demo_set import load_demo
from llmrg.demo_config import DEMO_BUILD, DEMO_TRAINING
from llmrg.evaluation.comparison import compare
from llmrg.evaluation.controls import plain_sequence, shuffled
from llmrg.evaluation.held_out import Ranks, rank_held_out
from llmrg.evaluation.protocol import ProtocolCard
from llmrg.progress.bars import building
from llmrg.recommenders.base import BaseRecommender
from llmrg.recommenders.making import GraphOptions, make_recommender
from llmrg.recommenders.training import RunOptions
from llmrg.recsysllm.config import LlmTrainingConfig, RecSysLlmConfig
from llmrg.recsysllm.lower_states import LowerStates
from llmrg.recsysllm.making import with_themes
from llmrg.recsysllm.recommender import RecSysLlm
from llmrg.sdk import Project
from llmrg.wiring import text_vectors

RESULT = Path(__file__).parent / "results" / "recsysllm_demo.json"
SETTINGS = {"train_layers": 6, "item_attributes": ()}
"""What ten CPU minutes a training allow."""
TRAINING = LlmTrainingConfig(epochs=3, learning_rate=5e-4, head_rate=1e-3)
"""Chosen by the validation NLL of one training of the item head without graphs."""
LLM, BARE = "RecSysLLM", "RecSysLLM without attributes"
"""The second knows titles and no attribute of any item: what it knows of reasons, a graph must have told it. It is what
`--fusion themes` trains."""
SIMPLE = {
    "popularity": "popularity",
    "rules": "sequential rules",
    "overlap": "content: theme overlap",
    "text": "content: text cosine",
}


@dataclass(frozen=True)
class Bench:
    """Data, graphs, and where results are kept."""

    dataset: Dataset
    graphs: Mapping[str, ReasoningGraph]
    home: Path
    threads: int
    lower: LowerStates = field(default_factory=lambda: LowerStates(6000))
    """Texts that the frozen layers have read: rows and seeds of one process share them."""

    def options(self, row: str, seed: int) -> RunOptions:
        return RunOptions(
            seed=seed, threads=self.threads, checkpoint=self.home / f"{row}-{seed}.training", progress=_say(row, seed)
        )

    def simple(self, name: str, seed: int) -> BaseRecommender:
        made = make_recommender(name, text_vectors(load_settings()))
        made.fit(self.dataset)
        return made

    def sasrec(self, graphs: bool, seed: int) -> BaseRecommender:
        how = GraphOptions() if graphs else None
        options = RunOptions(seed=seed, threads=self.threads)
        made = make_recommender("sasrec", text_vectors(load_settings()), graphs=how, training=DEMO_TRAINING, options=options)
        made.fit(self.dataset, self.graphs if graphs else {})
        return made

    def llm(self, row: str, seed: int, graphs: Mapping[str, ReasoningGraph], **settings: object) -> BaseRecommender:
        config = RecSysLlmConfig(**{**SETTINGS, **settings})  # type: ignore[arg-type]
        made = RecSysLlm(config, text_vectors(load_settings()), TRAINING, self.options(row, seed), lower=self.lower)
        made.fit(self.dataset, graphs)
        made.save(self.home / f"{row}-{seed}")
        return made

    def themes(self, seed: int, graphs: Mapping[str, ReasoningGraph], base_row: str = "items") -> BaseRecommender:
        """The trained item head of this seed, with themes beside it: late or joint, as validation chooses."""
        options = RunOptions(seed=seed, threads=self.threads)
        base = RecSysLlm.load(
            self.home / f"{base_row}-{seed}", text=text_vectors(load_settings()), options=options, lower=self.lower
        )
        made = with_themes(base, GraphOptions())
        made.fit(self.dataset, graphs)
        return made

    def shuffled(self, seed: int) -> Mapping[str, ReasoningGraph]:
        return shuffled(self.graphs, seed, histories=self.dataset.histories)

    def plain(self) -> Mapping[str, ReasoningGraph]:
        return plain_sequence(self.dataset.histories, self.graphs)


@dataclass(frozen=True)
class Row:
    title: str
    make: Callable[[Bench, int], tuple[BaseRecommender, Mapping[str, ReasoningGraph]]]
    seeded: bool = True


def _plain(name: str) -> Row:
    return Row(SIMPLE[name], lambda bench, seed: (bench.simple(name, seed), {}), seeded=False)


ROWS: dict[str, Row] = {
    **{name: _plain(name) for name in SIMPLE},
    "sasrec": Row("SASRec", lambda b, s: (b.sasrec(False, s), {})),
    "sasrec-themes": Row("SASRec + themes", lambda b, s: (b.sasrec(True, s), b.graphs)),
    "items": Row(LLM, lambda b, s: (b.llm("items", s, {}), {})),
    "titles": Row(f"{LLM}, titles", lambda b, s: (b.llm("titles", s, {}, head="titles"), {})),
    "slots": Row(f"{LLM} + graph in slots", lambda b, s: (b.llm("slots", s, b.graphs, graph="slots"), b.graphs)),
    "slots-shuffled": Row(
        f"{LLM} + shuffled graph in slots",
        lambda b, s: (b.llm("slots-shuffled", s, b.shuffled(s), graph="slots"), b.shuffled(s)),
    ),
    "slots-plain": Row(
        f"{LLM} + plain sequence graph in slots", lambda b, s: (b.llm("slots-plain", s, b.plain(), graph="slots"), b.plain())
    ),
    "slots-random": Row(
        f"{LLM} + graph of random vectors in slots", lambda b, s: (b.llm("slots-random", s, b.graphs, graph="random"), b.graphs)
    ),
    "words": Row(f"{LLM} + graph as words", lambda b, s: (b.llm("words", s, b.graphs, graph="words"), b.graphs)),
    "words-shuffled": Row(
        f"{LLM} + shuffled graph as words",
        lambda b, s: (b.llm("words-shuffled", s, b.shuffled(s), graph="words"), b.shuffled(s)),
    ),
    "themes": Row(f"{LLM} + themes beside attributes", lambda b, s: (b.themes(s, b.graphs), b.graphs)),
    "themes-shuffled": Row(
        f"{LLM} + themes of a shuffled graph beside attributes", lambda b, s: (b.themes(s, b.shuffled(s)), b.shuffled(s))
    ),
    "bare": Row(BARE, lambda b, s: (b.llm("bare", s, {}, content_attributes=False), {})),
    "bare-themes": Row(f"{LLM} + themes", lambda b, s: (b.themes(s, b.graphs, "bare"), b.graphs)),
    "bare-themes-shuffled": Row(
        f"{LLM} + themes of a shuffled graph", lambda b, s: (b.themes(s, b.shuffled(s), "bare"), b.shuffled(s))
    ),
    "bare-slots": Row(
        f"{BARE} + graph in slots",
        lambda b, s: (b.llm("bare-slots", s, b.graphs, graph="slots", content_attributes=False), b.graphs),
    ),
}


def _say(row: str, seed: int) -> Callable[[object], None]:
    return lambda epoch: print(f"{row}, seed {seed}: {epoch}", flush=True)


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def base_of(name: str) -> str:
    """The row whose trained model a row of themes starts from."""
    return "bare" if name.startswith("bare") else "items"


def run(bench: Bench, name: str, seed: int) -> None:
    kept = bench.home / f"{name}-{seed}.json"
    if kept.exists():
        return
    if "themes" in name and "sasrec" not in name and not (bench.home / f"{base_of(name)}-{seed}" / "config.json").exists():
        return
    began = cpu_seconds()
    made, graphs = ROWS[name].make(bench, seed)
    trained = cpu_seconds()
    ranks = rank_held_out(made, bench.dataset, graphs)
    found = {
        "users": list(ranks.users),
        "masked": ranks.masked.tolist(),
        "unmasked": ranks.unmasked.tolist(),
        "top": ranks.top[:, :10].tolist(),
        "cpu_s_training": round(trained - began, 1),
        "cpu_s_ranking": round(cpu_seconds() - trained, 1),
        "epochs": [[epoch.number, round(epoch.loss, 4), epoch.nll] for epoch in getattr(made, "epochs", [])],
        "chosen": getattr(made, "chosen", ""),
        "validation": getattr(made, "validation", {}),
    }
    kept.write_text(json.dumps(found), encoding="utf-8")
    (bench.home / f"{name}-{seed}.training").unlink(missing_ok=True)
    ndcg = np.where(ranks.masked <= 10, 1 / np.log2(1.0 + ranks.masked), 0).mean()
    print(f"{name}, seed {seed}: NDCG@10 {ndcg:.4f}, {trained - began:,.0f} CPU s of training", flush=True)


def table(bench: Bench, seeds: int) -> None:
    """Of all rows with as many seeds as the others; what is missing is named."""
    runs: dict[str, list[dict[str, object]]] = {}
    for name, row in ROWS.items():
        kept = [bench.home / f"{name}-{seed}.json" for seed in range(seeds if row.seeded else 1)]
        runs[name] = [json.loads(path.read_text(encoding="utf-8")) for path in kept if path.exists()]
    missing = [f"{ROWS[name].title}: {seeds - len(found)} of {seeds} seeds" for name, found in runs.items() if len(found) < seeds]
    missing = [line for line in missing if not any(line.startswith(title) for title in SIMPLE.values())]
    ranks = {ROWS[name].title: [_ranks(one) for one in found] for name, found in runs.items() if found}
    pairs = [(f"{LLM}", SIMPLE["rules"]), (f"{LLM}", SIMPLE["overlap"])]
    for way in ("bare-themes", "themes", "slots", "words", "bare-slots"):
        mine = ROWS[way].title
        pairs += [(mine, LLM), (mine, SIMPLE["overlap"])]
        pairs += [(mine, BARE)] if way.startswith("bare") else []
        pairs += [(mine, row.title) for name, row in ROWS.items() if name.startswith(f"{way}-")]
    pairs += [(ROWS["bare-themes"].title, ROWS["sasrec-themes"].title)]
    pairs = [(one, other) for one, other in pairs if one in ranks and other in ranks and other != "SASRec"]
    card = ProtocolCard(
        bench.dataset.name,
        len(bench.dataset.histories),
        len(bench.dataset.catalogue),
        tuple(range(seeds)),
        mind="attributes (no language model reasoned); graphs are cut at the position asked for",
        selection="early stopping on the validation items' NLL; test is read once",
        fusion="slots: E_rea and E_div added to two tokens; words: live reasons in the prompt; themes: late or joint",
    )
    found = compare(ranks, "SASRec", card, len(bench.dataset.catalogue), pairs)
    print_comparison(found)
    result = {
        "machine": machine(),
        "settings": RecSysLlmConfig(**SETTINGS).model_dump(mode="json"),  # type: ignore[arg-type]
        "training": TRAINING.model_dump(),
        "seeds_done": {ROWS[name].title: len(found) for name, found in runs.items()},
        "missing": missing,
        "cpu_s_training": {ROWS[name].title: [one["cpu_s_training"] for one in found] for name, found in runs.items() if found},
        "cpu_s_ranking": {ROWS[name].title: [one["cpu_s_ranking"] for one in found] for name, found in runs.items() if found},
        "epochs": {ROWS[name].title: [one["epochs"] for one in found] for name, found in runs.items() if found},
        "table": found.to_json(),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print("missing:", "; ".join(missing) or "nothing")


def _ranks(found: Mapping[str, object]) -> Ranks:
    masked, unmasked, top = (np.array(found[name]) for name in ("masked", "unmasked", "top"))
    return Ranks(tuple(found["users"]), masked, unmasked, top)  # type: ignore[arg-type]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--home", type=Path, default=Path(".llmrg/benchmarks/recsysllm_demo"))
    options.add_argument("--rows", default=",".join(ROWS))
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--table", action="store_true")
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    chosen.home.mkdir(parents=True, exist_ok=True)
    dataset = load_demo()
    with Project(dataset, home=chosen.home / "graphs", mind="attributes") as project:
        if not chosen.table:
            with building("attributes: readers") as show:
                project.build(config=DEMO_BUILD, progress=show)
        graphs = {user: replace(graph) for user, graph in project.graphs().items()}
    bench = Bench(dataset, graphs, chosen.home, chosen.threads)
    if not chosen.table:
        for seed in range(chosen.seeds):
            for name in chosen.rows.split(","):
                if ROWS[name].seeded or seed == 0:
                    run(bench, name, seed)
    table(bench, chosen.seeds)


if __name__ == "__main__":
    main()
