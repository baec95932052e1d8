"""Every title of the catalogue scored exactly, with only those nodes of the trie fed at which something is left to decide."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from llmrg.recsysllm.backbone import Backbone
from llmrg.recsysllm.pieces import IntArray
from llmrg.recsysllm.reading import Reading
from llmrg.recsysllm.trie import ROOT, TitleTrie
from llmrg.recsysllm.trie_loss import child_log_probs

CHUNK = 512
"""Nodes fed at once; the ancestors of a further chunk are fed again."""


def score_titles(reading: Reading, trie: TitleTrie, renormalised: bool = True) -> np.ndarray:
    """(V,) float64 log-probability of the path to each node; of nodes below the last choice, that of the choice.

    Args: renormalised: each node's softmax is over its children (what the trie loss trains); else over the vocabulary, and then
        every inner node is fed.
    """
    paths = np.full(len(trie), -np.inf)
    paths[ROOT] = 0.0
    inner = np.flatnonzero(np.diff(trie.first) > 0)
    wanted = inner[trie.branching[inner]] if renormalised else inner
    needed = trie.live if renormalised else inner[inner != ROOT]
    log_p = np.zeros(len(trie))
    for nodes, states in _states(reading, trie, needed):
        chosen = np.isin(nodes, wanted)
        if chosen.any():
            _fill(
                log_p, reading.net.backbone, states[torch.from_numpy(chosen).to(states.device)], nodes[chosen], trie, renormalised
            )
    for level in trie.levels:
        paths[level] = paths[trie.parent[level]] + log_p[level]
    return paths


def score_catalogue(reading: Reading, trie: TitleTrie, log_shares: np.ndarray, renormalised: bool = True) -> np.ndarray:
    """(N,) float32 log-probability of each item. Args: log_shares: (N,) each item's part among items of its title."""
    return np.asarray(score_titles(reading, trie, renormalised)[trie.terminal] + log_shares, dtype=np.float32)


def _states(reading: Reading, trie: TitleTrie, nodes: IntArray) -> list[tuple[IntArray, Tensor]]:
    """States at the root and at these nodes, in chunks in depth-first order; each node once."""
    states_of = [(np.array([ROOT]), reading.state[None])]
    done: set[int] = {ROOT}
    order = _depth_first(trie, set(nodes.tolist()))
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        above: list[int] = []
        if start:
            reading.forget()
            at = int(trie.parent[chunk[0]])
            while at != ROOT:
                above.append(at)
                at = int(trie.parent[at])
        fed = above[::-1] + chunk
        place = {node: number for number, node in enumerate(fed)}
        parents = [place.get(int(trie.parent[node]), -1) for node in fed]
        words, depths = trie.token[fed], trie.depth[fed]
        states = reading.feed(words.tolist(), parents, (depths + 1).tolist())
        fresh = [number for number, node in enumerate(fed) if node not in done]
        done.update(fed)
        states_of.append((np.array(fed)[fresh], states[torch.tensor(fresh, device=states.device)]))
    reading.forget()
    return states_of


def _depth_first(trie: TitleTrie, wanted: set[int]) -> list[int]:
    """Nodes so that a node's descendants follow it. A chunk's nodes then hang on one path above its first."""
    order: list[int] = []
    stack = [ROOT]
    while stack:
        node = stack.pop()
        if node != ROOT:
            order.append(node)
        stack += [child for child in trie.children(node)[::-1].tolist() if child in wanted]
    return order


def _fill(log_p: np.ndarray, backbone: Backbone, states: Tensor, nodes: IntArray, trie: TitleTrie, renormalised: bool) -> None:
    with torch.no_grad():
        if renormalised:
            _, child, values = child_log_probs(backbone, states, nodes, trie)
            log_p[child] = values.double().cpu().numpy()
            return
        for start in range(0, len(nodes), 64):
            logs = backbone.word_logits(states[start : start + 64]).log_softmax(dim=1).double().cpu().numpy()
            for row, node in enumerate(nodes[start : start + 64].tolist()):
                below = trie.children(node)
                log_p[below] = logs[row, trie.token[below]]
