"""The protocol card: what a number means. It is printed under every table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProtocolCard:
    """How the figures of one table came about."""

    data: str
    users: int
    items: int
    seeds: tuple[int, ...]
    split: str = "leave-one-out: last item for test, the one before for validation"
    ranking: str = "the whole catalogue, no sampled negatives"
    seen: str = "items taken before are masked (the unmasked figure stands beside)"
    ties: str = "count against the target"
    query: str = "history[:p] and the steps made by someone who saw history[:p] at most"
    loss: str = "full-softmax cross-entropy over all training positions"
    selection: str = "early stopping on validation NDCG@10; test is read once"
    interval: str = "95 % percentile bootstrap over users, seeds averaged within a user; p: paired sign-flip test, Holm-corrected"

    def lines(self) -> list[tuple[str, str]]:
        """(label, text) pairs for a card of any format."""
        seeds = f"{len(self.seeds)} ({', '.join(map(str, self.seeds))})"
        size = f"{self.data}: {self.users:,} users, {self.items:,} items"
        rest = [(name, getattr(self, name)) for name in ("split", "ranking", "seen", "ties", "query", "loss", "selection")]
        return [("data", size), *rest, ("seeds", seeds), ("interval", self.interval)]
