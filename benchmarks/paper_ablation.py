"""The paper's ablation (arXiv 2308.10835, table 6) for DuoRec on MovieLens latest-small: what each part of the graphs is worth.

    python benchmarks/paper_ablation.py --data FOLDER [--seeds 2] [--fusions themes concat] [--last 50] [--home FOLDER]

The reasons are those that a large language model gave per film (`llmrg profiles import films`); graphs are built from them by all
stages, and for the controls without verification, without divergence, as plain sequences, and as the imaginer's bare lists. Each
comes into DuoRec by the default fusion (late weights), and by the paper's own (concatenation). An interrupted run goes on where
it stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from base_models import MIN_INTERACTIONS, SHAPE, TRAINING
from machine import machine
from table_parts import without_coverage

from llmrg.agents.config import BuildConfig
from llmrg.cli.tables import print_comparison
from llmrg.core.records import ReasoningGraph, stable_key
from llmrg.core.themes import Themes
from llmrg.data.dataset import Dataset
from llmrg.evaluation.comparison import compare
from llmrg.evaluation.controls import plain_sequence, shuffled
from llmrg.evaluation.held_out import Ranks, rank_held_out
from llmrg.evaluation.protocol import ProtocolCard
from llmrg.progress.bars import building, steps
from llmrg.recommenders.base import BaseRecommender
from llmrg.recommenders.making import GraphOptions, make_recommender, with_graphs
from llmrg.recommenders.sequential import SequentialRecommender
from llmrg.recommenders.training import RunOptions
from llmrg.sdk import Project
from llmrg.wiring import text_vectors

SET, MIND = "ml-latest-small", "profiles/films"
TRAIN = TRAINING[SET].model_copy(update={"epochs": 40})
"""Fewer epochs at most than the base models' table, alike for every row."""
BASE, WHOLE = "DuoRec", "DuoRec + reasoning graph"
RESULT = Path(__file__).parent / "results" / "paper_ablation.json"
Graphs = Mapping[str, ReasoningGraph]


def built(project: Project, config: BuildConfig, what: str) -> Graphs:
    """Graphs of one configuration, in a store of its own."""
    home = project.settings.home
    with Project(project.dataset, store=f"sqlite:///{home / what}.db", home=home) as other:
        with building(f"{what}: users") as show:
            other.build(mind=project.mind, config=config, progress=show)
        return dict(other.graphs())


def all_graphs(project: Project, last: int) -> dict[str, Graphs]:
    """By row."""
    config = BuildConfig(l_tru=last)
    whole = built(project, config, "whole")
    return {
        WHOLE: whole,
        "w/o divergent reasoning": whole,
        "w/o verification": built(project, config.model_copy(update={"verification": False}), "unverified"),
        "plain sequence graph": plain_sequence(project.dataset.histories, whole),
        "direct list, no graph": project.direct_list(config=config),
        "shuffled graph": shuffled(whole, 0, histories=project.dataset.histories),
    }


def ranked(file: Path, make: Callable[[], BaseRecommender], dataset: Dataset, graphs: Graphs, themes: Themes) -> Ranks:
    """Ranks of the test items; read from the file where an earlier call has left them there."""
    users = tuple(user for user, history in dataset.histories.items() if dataset.split.test_position(history))
    none = np.zeros((len(users), 1), dtype=np.int64)
    if not file.exists():
        began, made = time.process_time(), make()
        made.fit(dataset, graphs, themes)
        found = rank_held_out(made, dataset, graphs)
        assert found.users == users
        file.parent.mkdir(exist_ok=True)
        np.save(file, np.stack([found.masked, found.unmasked]))
        said = f"validation NDCG@10 {getattr(made, 'validation_ndcg', 0):.4f}, {time.process_time() - began:.0f} CPU s"
        print(f"{file.stem}: {said}", flush=True)
    masked, unmasked = np.load(file)
    return Ranks(users, masked, unmasked, none)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", required=True, help="folder with ml-latest-small")
    options.add_argument("--seeds", type=int, default=2)
    options.add_argument("--fusions", nargs="+", choices=("themes", "concat"), default=["themes", "concat"])
    options.add_argument("--last", type=int, default=50, help="items reasoned over per user")
    options.add_argument("--home", type=Path, default=Path(".llmrg/benchmarks/ablation"))
    chosen = options.parse_args()
    load = {"min_interactions": MIN_INTERACTIONS[SET]}
    with Project(SET, home=chosen.home, data_dir=chosen.data, mind=MIND, load=load) as project:
        if not any(stored.source.name == "films" for stored in project.profiles.list()):
            project.profiles.import_("films")
        dataset, text, themes = project.dataset, text_vectors(project.settings), project.themes()
        graphs = all_graphs(project, chosen.last)
    rows: dict[str, dict[str, list[Ranks]]] = {fusion: {} for fusion in chosen.fusions}
    kept = chosen.home / f"ranks-{stable_key(TRAINING[SET].model_dump(), SHAPE[SET], chosen.last)[:8]}"
    with steps("train and rank", chosen.seeds * (1 + len(rows) * len(graphs))) as say:
        for seed in range(chosen.seeds):
            run = RunOptions(seed, threads=1, checkpoint=kept / f"duorec-{seed}.training")
            base = make_recommender("duorec", text, training=TRAIN, options=run, **SHAPE[SET])
            say(f"{BASE}, seed {seed}")
            found = ranked(kept / f"{BASE}-{seed}.npy", lambda base=base: base, dataset, {}, themes)
            if not base.is_fitted:
                base.fit(dataset)  # from its checkpoint
            for fusion, table in rows.items():
                table.setdefault(BASE, []).append(found)
                for title, given in graphs.items():
                    say(f"{fusion}: {title}, seed {seed}")
                    how = options_for(title, fusion)
                    file = kept / f"{how.fusion}, {title.replace('/', '')}-{seed}.npy"
                    make = partial(with_graphs, bare(base), how)
                    table.setdefault(title, []).append(ranked(file, make, dataset, given, themes))
    first = next(iter(rows.values()))[BASE][0]
    tables = {}
    for fusion, table in rows.items():
        card = ProtocolCard(SET, len(first.users), len(dataset.catalogue), tuple(range(chosen.seeds)), fusion=fusion)
        contrasts = [(WHOLE, title) for title in table if title not in (BASE, WHOLE)]
        made = compare(table, BASE, card, len(dataset.catalogue), contrasts)
        print_comparison(made)
        tables[fusion] = without_coverage(made)
    result = {
        "machine": machine(),
        "training": TRAIN.model_dump(),
        "mind": MIND,
        "last": chosen.last,
        "steps": {title: sum(len(graph.steps) for graph in given.values()) for title, given in graphs.items()},
        "tables": tables,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def bare(base: BaseRecommender) -> SequentialRecommender:
    """The fitted base, without the checkpoint: what is trained from it is something else."""
    assert isinstance(base, SequentialRecommender)
    base.options = replace(base.options, checkpoint=None)
    return base


def options_for(title: str, fusion: str) -> GraphOptions:
    """How a row's graphs come in; a plain graph has no reasons, so that it can only come in by the paper's fusion."""
    how = GraphOptions(source="films", fit="late", fusion="concat" if title == "plain sequence graph" else fusion)  # type: ignore[arg-type]
    if title in ("w/o divergent reasoning", "plain sequence graph"):
        return replace(how, use_imagined=False)
    return replace(how, use_reasoned=False) if title == "direct list, no graph" else how


if __name__ == "__main__":
    main()
