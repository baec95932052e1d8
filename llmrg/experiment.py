"""The honest table: the same base model without a graph, with graphs that should not help, and with the reasoning graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from llmrg.core.errors import ConfigError
from llmrg.core.records import ReasoningGraph
from llmrg.core.settings import Settings
from llmrg.data.dataset import Dataset
from llmrg.evaluation.comparison import Comparison, compare
from llmrg.evaluation.controls import plain_sequence, shuffled
from llmrg.evaluation.protocol import ProtocolCard
from llmrg.evaluation.ranking import Ranks, rank_held_out
from llmrg.recommenders.protocol import Recommender
from llmrg.wiring import text_vectors

if TYPE_CHECKING:
    from llmrg.recommenders.training import Epoch, TrainingConfig

RECOMMENDERS = ("popularity", "skip-markov", "sasrec", "graph")
BASE = "SASRec"
SMALL = 2000
"""Items of a catalogue up to which training takes one thread."""
OURS = f"{BASE} + reasoning graph"


def make_recommender(
    name: str,
    settings: Settings,
    *,
    config: TrainingConfig | None = None,
    seed: int = 0,
    progress: Callable[[Epoch], None] | None = None,
    checkpoint: Path | None = None,
) -> Recommender:
    """An untrained recommender by name. Raises: ConfigError: unknown name."""
    from llmrg.recommenders import FusionConfig, GraphRecommender, Popularity, RunOptions, SasRec, SkipMarkov

    options = RunOptions(seed=seed, progress=progress, checkpoint=checkpoint)
    match name:
        case "popularity":
            return Popularity()
        case "skip-markov":
            return SkipMarkov()
        case "sasrec":
            return SasRec(training=config, options=options)
        case "graph":
            fusion = FusionConfig(backend=settings.backend)
            return GraphRecommender(text_vectors(settings), config=fusion, training=config, options=options)
    raise ConfigError(f"no recommender is named {name!r}; choose one of {', '.join(RECOMMENDERS)}")


def run_comparison(
    dataset: Dataset,
    graphs: Mapping[str, ReasoningGraph],
    settings: Settings,
    *,
    seeds: Sequence[int] = (0,),
    config: TrainingConfig | None = None,
    progress: Callable[[str], None] | None = None,
    trained: Callable[[str, Recommender], None] | None = None,
    more: Mapping[str, Mapping[str, ReasoningGraph]] | None = None,
) -> Comparison:
    """Fit six recommenders (or more) on the training parts and rank every user's test item once with each.

    Args:
        seeds: trainings per trained recommender; the shuffled graphs are dealt anew for each seed.
        more: further graphs, each a row of its own under its name.
        trained: given each recommender of the first seed that was trained on no control graph, with its name.
    """
    with one_thread(len(dataset.catalogue)):
        ranks = _rank_all(dataset, graphs, settings, seeds, config, progress or (lambda _: None), trained, more or {})
    users = len(ranks[BASE][0].users)
    card = ProtocolCard(dataset.name, users, len(dataset.catalogue), tuple(seeds))
    return compare(ranks, BASE, card, len(dataset.catalogue))


def _rank_all(
    dataset: Dataset,
    graphs: Mapping[str, ReasoningGraph],
    settings: Settings,
    seeds: Sequence[int],
    config: TrainingConfig | None,
    say: Callable[[str], None],
    trained: Callable[[str, Recommender], None] | None,
    more: Mapping[str, Mapping[str, ReasoningGraph]],
) -> dict[str, list[Ranks]]:
    plain = plain_sequence(dataset.histories, like=graphs)
    rows: list[tuple[str, str, Callable[[int], Mapping[str, ReasoningGraph]]]] = [
        ("skip-Markov", "skip-markov", lambda _: {}),
        ("popularity", "popularity", lambda _: {}),
        (BASE, "sasrec", lambda _: {}),
        (f"{BASE} + plain sequence graph", "graph", lambda _: plain),
        (f"{BASE} + shuffled graph", "graph", lambda seed: shuffled(graphs, seed, histories=dataset.histories)),
        *((f"{BASE} + {title}", "graph", lambda _, given=given: given) for title, given in more.items()),
        (OURS, "graph", lambda _: graphs),
    ]
    ranks: dict[str, list[Ranks]] = {}
    for title, name, graphs_for in rows:
        for seed in seeds[:1] if name in ("skip-markov", "popularity") else seeds:
            say(title if len(seeds) == 1 else f"{title}, seed {seed}")
            given = graphs_for(seed)
            made = make_recommender(name, settings, seed=seed, config=config)
            made.fit(dataset, given)
            ranks.setdefault(title, []).append(rank_held_out(made, dataset, given))
            if trained and seed == seeds[0] and (title == OURS or name != "graph"):
                trained(name, made)
    return ranks


@contextmanager
def one_thread(items: int) -> Iterator[None]:
    """Train small models on one thread: their matrices are so small that threads cost more than they give."""
    import torch

    before = torch.get_num_threads()
    if items <= SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
