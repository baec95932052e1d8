"""Many prompts with many continuations, laid out so that no token is fed to the model twice.

All token sequences of a batch form a tree: equal beginnings are one branch. A row of the batch is a part of that tree, its nodes
in order of insertion; a node attends to its ancestors and itself, and its position is its depth. So one prompt is shared by
its continuations, `First: A / Then:` by all pairs that begin with A, and an equal first word by two reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Ask:
    """One probability wanted: of `token` after the node `node`, to be added to continuation (prompt, number)."""

    node: int
    token: int
    prompt: int
    number: int


@dataclass(slots=True)
class TreeRow:
    """One row: tokens, parents (-1 at the root) and depths of its nodes, and what is asked of them."""

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    _children: dict[tuple[int, int], int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tokens)

    def _descend(self, node: int, tokens: Sequence[int]) -> tuple[int, int]:
        """How far `tokens` already lies below `node`: (last node reached, number of tokens matched)."""
        for matched, token in enumerate(tokens):
            below = self._children.get((node, token))
            if below is None:
                return node, matched
            node = below
        return node, len(tokens)

    def new_nodes(self, tokens: Sequence[int]) -> int:
        """How many nodes `tokens` would add."""
        return len(tokens) - self._descend(-1, tokens)[1]

    def add(self, tokens: Sequence[int], below: int = -1) -> int:
        """Insert a path below a node; returns its last node."""
        node, matched = self._descend(below, tokens)
        for token in tokens[matched:]:
            new = len(self.tokens)
            self._children[node, token] = new
            self.tokens.append(token)
            self.parents.append(node)
            self.depths.append(self.depths[node] + 1 if node >= 0 else 0)
            node = new
        return node

    def ask(self, prompt: int, prompt_tokens: Sequence[int], continuations: Sequence[Sequence[int]]) -> None:
        """Insert a prompt with its continuations. The last token of a continuation is asked for, not fed."""
        end = self.add(prompt_tokens)
        for number, tokens in enumerate(continuations):
            node = end
            for token in tokens[:-1]:
                self.asks.append(Ask(node, token, prompt, number))
                node = self.add([token], below=node)
            self.asks.append(Ask(node, tokens[-1], prompt, number))

    def mask(self, length: int) -> npt.NDArray[np.bool_]:
        """(length, length) bool: may node i (row) see node j (column). Rows beyond the tree see themselves only."""
        mask = np.eye(length, dtype=np.bool_)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                mask[node] |= mask[parent]
        return mask


def plant(prompts: Sequence[Sequence[int]], continuations: Sequence[Sequence[Sequence[int]]], row_tokens: int) -> list[TreeRow]:
    """Lay prompts with their continuations into rows of about `row_tokens` nodes.

    Prompts are taken in the order of their tokens, so that those with a common beginning meet in one row. One prompt is never
    cut: a row holds at least one, even if that is longer than `row_tokens`.
    """
    rows = [TreeRow()]
    for index in sorted(range(len(prompts)), key=lambda i: tuple(prompts[i])):
        prompt = prompts[index]
        row = rows[-1]
        grows_by = row.new_nodes(prompt) + sum(len(tokens) - 1 for tokens in continuations[index])
        if len(row) and len(row) + grows_by > row_tokens:
            row = TreeRow()
            rows.append(row)
        row.ask(index, prompt, continuations[index])
    return [row for row in rows if row.asks]
