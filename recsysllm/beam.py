"""The best titles of a catalogue by a beam search over its trie: all beams of a question lie in one row."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch

from llmrg.core.errors import CallerError
from llmrg.recsysllm.reading import Reading
from llmrg.recsysllm.trie import ROOT, TitleTrie
from llmrg.recsysllm.trie_loss import child_log_probs


@dataclass(frozen=True)
class Beams:
    """What a search found."""

    items: np.ndarray
    """(k,) catalogue rows, best first; fewer than k only where fewer may be recommended."""
    scores: np.ndarray
    """(k,) float64 log-probabilities."""
    exact: bool
    """Whether no beam that was dropped could have held one of them."""
    tokens_fed: int


@dataclass(frozen=True, slots=True)
class _Beam:
    score: float
    node: int
    fed: int
    """Number of its last token in the reading's tree, -1 for the question."""


def beam_search(
    reading: Reading, trie: TitleTrie, log_shares: np.ndarray, k: int, beams: int = 20, hidden: Collection[int] = (),
    renormalised: bool = True,
) -> Beams:  # fmt: skip
    """The k likeliest items.

    A beam under which one title is left is finished at once where scores are renormalised: what follows is certain.
    Where the beams end before k items are found, the best of those dropped are taken up again. Log-probabilities only fall on the
    way down, so the list is exact if every beam left is below the k-th item found.

    Args:
        log_shares: (N,) each item's part among items of its title.
        hidden: catalogue rows that may not be recommended; they take no place.
        renormalised: as the model was trained: among a node's children, or among all words.
    Raises: CallerError: k or beams below 1.
    """
    if k < 1 or beams < 1:
        raise CallerError(f"k and beams must be 1 or more, not {k} and {beams}")
    free = np.ones(trie.items, dtype=bool)
    free[[row - 1 for row in hidden]] = False
    below = trie.summed(trie.terminal[free])
    done: list[tuple[float, int]] = []
    open_beams, left = [_Beam(0.0, ROOT, -1)], list[_Beam]()
    states = reading.state[None]
    while open_beams:
        children: list[_Beam] = []
        for beam, child, score in _children(reading, states, open_beams, trie, renormalised):
            if not below[child]:
                continue
            alone = trie.terminals_below[child] == 1
            if alone and (renormalised or not len(trie.children(child))):
                done += _items(trie, _only(trie, child), score, free, log_shares)
            else:
                children.append(_Beam(score, child, beam.fed))
        children.sort(key=lambda branch: -branch.score)
        best_scores = sorted((score for score, _ in done), reverse=True)
        worst = best_scores[k - 1] if len(best_scores) >= k else -np.inf
        children = [branch for branch in children if branch.score > worst]
        open_beams, left = children[:beams], left + children[beams:]
        if not open_beams and len(done) < k:
            left.sort(key=lambda branch: -branch.score)
            open_beams, left = left[:beams], left[beams:]
        if open_beams:
            words, parents = [int(trie.token[branch.node]) for branch in open_beams], [branch.fed for branch in open_beams]
            first = reading.fed
            states = reading.feed(words, parents, (trie.depth[[branch.node for branch in open_beams]] + 1).tolist())
            open_beams = [_Beam(branch.score, branch.node, first + number) for number, branch in enumerate(open_beams)]
    done.sort(key=lambda pair: (-pair[0], pair[1]))
    best = done[:k]
    exact = not left or best[-1][0] >= max(branch.score for branch in left)
    fed = reading.tokens_fed
    reading.forget()
    return Beams(np.array([row for _, row in best], dtype=np.int64), np.array([score for score, _ in best]), exact, fed)


def _children(
    reading: Reading, states: torch.Tensor, beams: list[_Beam], trie: TitleTrie, renormalised: bool
) -> list[tuple[_Beam, int, float]]:
    nodes = np.array([beam.node for beam in beams])
    with torch.no_grad():
        if renormalised:
            row, child, values = child_log_probs(reading.net.backbone, states, nodes, trie)
            logs = values.double().cpu().numpy()
        else:
            table = reading.net.backbone.word_logits(states).log_softmax(dim=1).double().cpu().numpy()
            row = np.repeat(np.arange(len(nodes)), np.diff(trie.first)[nodes])
            child = np.concatenate([trie.children(node) for node in nodes.tolist()])
            logs = table[row, trie.token[child]]
    return [
        (beams[r], c, beams[r].score + value) for r, c, value in zip(row.tolist(), child.tolist(), logs.tolist(), strict=True)
    ]


def _only(trie: TitleTrie, node: int) -> int:
    """The one terminal under a node."""
    while len(children := trie.children(node)):
        node = int(children[0])
    return node


def _items(trie: TitleTrie, terminal: int, score: float, free: np.ndarray, log_shares: np.ndarray) -> list[tuple[float, int]]:
    order, starts = trie.items_at
    items = order[starts[terminal] : starts[terminal + 1]]
    return [(score + float(log_shares[item]), int(item) + 1) for item in items.tolist() if free[item]]
