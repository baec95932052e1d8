"""The protocol card: what a number means. It is printed under every table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Visibility:
    """Where a recommender saw one layer of its graphs. What is never seen while training is never learnt."""

    layer: str
    """`reasoned`, `imagined`, or a row and its layer (`shuffled, imagined`)."""
    training: float
    """Share of the training positions, in [0, 1], at which a step was visible."""
    test: float
    """Share of the test positions."""

    def __str__(self) -> str:
        return f"{self.layer}: {self.training:.1%} of training positions, {self.test:.1%} of test positions"


@dataclass(frozen=True)
class ProtocolCard:
    """How the figures of one table came about. What is empty is not printed."""

    data: str
    users: int
    items: int
    seeds: tuple[int, ...]
    split: str = "leave-one-out: last item for test, the one before for validation"
    ranking: str = "the whole catalogue, no sampled negatives"
    seen: str = "items taken before are masked (the unmasked figure stands beside)"
    ties: str = "count against the target"
    query: str = "history[:p] and the steps made by someone who saw history[:p] at most"
    mind: str = ""
    """Who reasoned and who verified, and that nobody did where it was so."""
    run: str = ""
    """The run that built the graphs."""
    graphs_of: str = ""
    """How many of the users have a graph."""
    graphs_at: tuple[Visibility, ...] = ()
    """Where graphs were visible, one entry a layer."""
    objective: str = ""
    """What a position is asked while training: next item, cloze, contrast."""
    loss: str = "full-softmax cross-entropy over all training positions"
    fusion: str = ""
    """How graphs enter the score."""
    weights: str = ""
    """How the weights of mixed scores were fitted, and on which items."""
    selection: str = "early stopping on validation NDCG@10; test is read once"
    interval: str = "95 % percentile bootstrap over users, seeds averaged within a user; p: paired sign-flip test, Holm-corrected"

    def lines(self) -> list[tuple[str, str]]:
        """(label, text) pairs for a card of any format."""
        size = f"{self.data}: {self.users:,} users, {self.items:,} items"
        texts = {
            **{name: getattr(self, name) for name in ("split", "ranking", "seen", "ties", "query", "mind", "run")},
            "graphs of": self.graphs_of,
            "graphs at": "; ".join(map(str, self.graphs_at)),
            **{name: getattr(self, name) for name in ("objective", "loss", "fusion", "weights", "selection")},
            "seeds": f"{len(self.seeds)} ({', '.join(map(str, self.seeds))})",
            "interval": self.interval,
        }
        return [("data", size), *((label, text) for label, text in texts.items() if text)]
