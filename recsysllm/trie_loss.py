"""The probability of a title as a product over the catalogue's trie: at each node a softmax over its children alone.

It is an exact factorisation of a softmax over the catalogue: the probabilities of all titles sum to 1, and a node with one child
costs nothing.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from llmrg.recsysllm.backbone import Backbone
from llmrg.recsysllm.pieces import IntArray
from llmrg.recsysllm.trie import TitleTrie


def child_log_probs(backbone: Backbone, states: Tensor, nodes: IntArray, trie: TitleTrie) -> tuple[IntArray, IntArray, Tensor]:
    """log p of each child of each node.

    Args: states: (T, D) at which the child's token is predicted; nodes: (T,).
    Returns: flat (row of `states`, child node, log p), in order of rows; only the head's rows of the children's words are read.
    """
    counts = trie.first[nodes + 1] - trie.first[nodes]
    row = np.repeat(np.arange(len(nodes)), counts)
    edge = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(trie.first[nodes], counts)
    child = trie.child[edge]
    words, column = np.unique(trie.token[child], return_inverse=True)
    at = torch.from_numpy(row).to(states.device)
    logits = backbone.some_logits(states, words)[at, torch.from_numpy(column).to(states.device)]
    most = torch.full((len(nodes),), -torch.inf, device=states.device).scatter_reduce(0, at, logits.detach(), "amax")
    total = torch.zeros(len(nodes), device=states.device).scatter_add(0, at, (logits - most[at]).exp())
    return row, child, logits - most[at] - total.log()[at]


def title_nll(backbone: Backbone, states: Tensor, nodes: IntArray, words: IntArray, trie: TitleTrie) -> Tensor:
    """(T,) -log p of each word as the child of its node; 0 where the node has no other child."""
    nll = states.new_zeros(len(nodes), dtype=torch.float32)
    open_rows = np.flatnonzero(trie.branching[nodes])
    if not len(open_rows):
        return nll
    where = torch.from_numpy(open_rows).to(states.device)
    row, child, log_p = child_log_probs(backbone, states[where], nodes[open_rows], trie)
    hit = torch.from_numpy(trie.token[child] == words[open_rows][row]).to(states.device)
    return nll.index_put((where,), -log_p[hit])
