"""Given texts scored after a question: candidates as one tree over a question that is read once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from llmrg.core.errors import CallerError
from llmrg.recsysllm.layout import answer_intra
from llmrg.recsysllm.pieces import IntArray
from llmrg.recsysllm.reading import Reading


def score_candidates(reading: Reading, candidates: Sequence[Sequence[int]]) -> np.ndarray:
    """(C,) float64 sum of the log-probabilities of each candidate's tokens among all words.

    Raises: CallerError: none, or one without tokens.
    """
    if not candidates or not all(len(words) for words in candidates):
        raise CallerError("give at least one candidate, and each at least one token")
    words, parents, intra, place_of, asks = list[int](), list[int](), list[int](), dict[tuple[int, int], int](), []
    for number, candidate in enumerate(candidates):
        node = -1
        inner: IntArray = answer_intra(np.ones(len(candidate), dtype=np.int64))
        for step, word in enumerate(candidate):
            asks.append((node, word, number))
            if step + 1 == len(candidate):
                break
            if (node, word) not in place_of:
                place_of[node, word] = len(words)
                words.append(word)
                parents.append(node)
                intra.append(int(inner[step]))
            node = place_of[node, word]
    states = reading.state[None]
    if words:
        states = torch.cat([states, reading.feed(words, parents, intra)])
        reading.forget()
    scores = np.zeros(len(candidates))
    nodes = sorted({node for node, _, _ in asks})
    for start in range(0, len(nodes), 64):
        part = nodes[start : start + 64]
        with torch.no_grad():
            logs = reading.net.backbone.word_logits(states[[node + 1 for node in part]]).log_softmax(dim=1).double().cpu().numpy()
        place = {node: row for row, node in enumerate(part)}
        for node, word, number in asks:
            if node in place:
                scores[number] += logs[place[node], word]
    return scores
