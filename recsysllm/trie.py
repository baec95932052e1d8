"""The catalogue's titles as a tree of tokens, in flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from llmrg.core.errors import CallerError
from llmrg.recsysllm.pieces import IntArray

ROOT = 0


@dataclass(frozen=True)
class TitleTrie:
    """V nodes; node 0 is the root, parents come before their children, and a node's children are in order of their tokens.

    Every title ends with the token `end`, so no title's node lies inside another's path, even where one is the other's beginning.
    """

    token: IntArray
    """(V,) token that leads to the node; -1 at the root."""
    parent: IntArray
    """(V,) -1 at the root."""
    depth: IntArray
    """(V,) tokens from the root."""
    first: IntArray
    """(V + 1,) where a node's children begin in `child`."""
    child: IntArray
    """(V - 1,) nodes."""
    terminal: IntArray
    """(N,) node at which each item's title ends."""
    end: int
    """The token that ends a title."""

    @classmethod
    def of(cls, titles: Sequence[Sequence[int]], end: int) -> Self:
        """Args: titles: tokens of each item's title, without `end`.

        Raises: CallerError: none, an empty one, or `end` inside one.
        """
        if not titles:
            raise CallerError("a catalogue without items has no titles to choose from")
        for number, title in enumerate(titles):
            if not len(title) or end in title:
                what = "has no tokens" if not len(title) else f"holds the token {end} that ends titles"
                raise CallerError(f"the title of item {number + 1} {what}")
        token, parent, depth = [-1], [-1], [0]
        child_of: dict[tuple[int, int], int] = {}
        terminal = np.zeros(len(titles), dtype=np.int64)
        for number in sorted(range(len(titles)), key=lambda n: tuple(titles[n])):
            node = ROOT
            for word in (*titles[number], end):
                below = child_of.get((node, int(word)))
                if below is None:
                    below = child_of[node, int(word)] = len(token)
                    token.append(int(word))
                    parent.append(node)
                    depth.append(depth[node] + 1)
                node = below
            terminal[number] = node
        parents, tokens = np.array(parent), np.array(token)
        child = np.lexsort((tokens[1:], parents[1:])) + 1
        first = np.concatenate([[0], np.cumsum(np.bincount(parents[1:], minlength=len(token)))])
        return cls(tokens, parents, np.array(depth), first, child, terminal, int(end))

    def __len__(self) -> int:
        return len(self.token)

    @property
    def items(self) -> int:
        return len(self.terminal)

    def children(self, node: int) -> IntArray:
        return self.child[self.first[node] : self.first[node + 1]]

    def step(self, node: int, token: int) -> int:
        """The child that a token leads to; -1 for none."""
        below = self.children(node)
        at = int(np.searchsorted(self.token[below], token))
        return int(below[at]) if at < len(below) and self.token[below[at]] == token else -1

    def path(self, node: int) -> list[int]:
        """Tokens from the root."""
        tokens: list[int] = []
        while node != ROOT:
            tokens.append(int(self.token[node]))
            node = int(self.parent[node])
        return tokens[::-1]

    @cached_property
    def branching(self) -> np.ndarray:
        """(V,) bool: nodes with at least two children, where there is something to decide."""
        return np.diff(self.first) >= 2

    @cached_property
    def items_at(self) -> tuple[IntArray, IntArray]:
        """Items sorted by terminal node, and (V + 1,) where each node's begin: equal titles share a node."""
        order = np.argsort(self.terminal, kind="stable")
        return order, np.searchsorted(self.terminal[order], np.arange(len(self) + 1))

    @cached_property
    def terminals_below(self) -> IntArray:
        """(V,) distinct titles under a node, itself included."""
        return self.summed(self.terminal)

    @cached_property
    def levels(self) -> list[IntArray]:
        """Nodes by depth, from the root's children on."""
        order = np.argsort(self.depth, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(self.depth[order])) + 1)[1:]

    def summed(self, terminals: IntArray) -> IntArray:
        """(V,) how many of these nodes, each counted once, lie under a node, itself included."""
        counts = np.zeros(len(self), dtype=np.int64)
        counts[np.unique(terminals)] = 1
        for nodes in self.levels[::-1]:
            np.add.at(counts, self.parent[nodes], counts[nodes])
        return counts

    @cached_property
    def live(self) -> IntArray:
        """Nodes but the root under which at least two titles lie: all that must be fed to rank the whole catalogue exactly."""
        return np.flatnonzero(self.terminals_below >= 2)[1:]

    @cached_property
    def path_of_item(self) -> list[list[int]]:
        """Nodes from below the root to the terminal, for each item."""
        paths: dict[int, list[int]] = {}
        for node in np.unique(self.terminal).tolist():
            way, at = [], node
            while at != ROOT:
                way.append(at)
                at = int(self.parent[at])
            paths[node] = way[::-1]
        return [paths[node] for node in self.terminal.tolist()]

    def log_shares(self, counts: np.ndarray) -> np.ndarray:
        """(N,) log of each item's part among the items of its title, by how often they were taken (one more than seen)."""
        weights = np.asarray(counts, dtype=np.float64) + 1.0
        totals = np.zeros(len(self))
        np.add.at(totals, self.terminal, weights)
        return np.asarray(np.log(weights / totals[self.terminal]), dtype=np.float64)
