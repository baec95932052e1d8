"""Free text after a question: explanations, headlines. Greedy, one token at a time, each with its dynamic position."""

from __future__ import annotations

from collections.abc import Collection

import torch

from llmrg.recsysllm.entity_pool import EntityPool
from llmrg.recsysllm.reading import Reading


def write(reading: Reading, pool: EntityPool, stop: Collection[int], max_tokens: int = 48, no_repeat: int = 3) -> list[int]:
    """Tokens up to a stop token, which is not among them.

    Args: no_repeat: no run of so many tokens is written twice, since greedy text would circle; 0 allows it.
    """
    words: list[int] = []
    state, node, intra, parent = reading.state, 0, 1, -1
    while len(words) < max_tokens:
        with torch.no_grad():
            logits = reading.net.backbone.word_logits(state[None])[0]
        for word in _repeats(words, no_repeat):
            logits[word] = -torch.inf
        word = int(logits.argmax())
        if word in stop:
            break
        node, intra = pool.step(node, intra, word) if words else pool.begin(word)
        words.append(word)
        state = reading.feed([word], [parent], [intra])[0]
        parent = reading.fed - 1
    reading.forget()
    return words


def _repeats(words: list[int], size: int) -> set[int]:
    """Words that would complete a run that stands there already."""
    if size < 1 or len(words) < size:
        return set()
    last = words[len(words) - size + 1 :]
    return {words[at + size - 1] for at in range(len(words) - size + 1) if words[at : at + size - 1] == last}
