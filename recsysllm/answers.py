"""What a fitted net answers to a prompt: stars, yes or no, one of several items, a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from llmrg.recommenders.fusion.concat import ConcatGraphs
from llmrg.recsysllm.candidates import score_candidates
from llmrg.recsysllm.config import RecSysLlmConfig
from llmrg.recsysllm.exact import score_catalogue
from llmrg.recsysllm.net import RecSysNet
from llmrg.recsysllm.reading import Reading
from llmrg.recsysllm.tasks.layouts import end_of_text, positions_of, text_layout
from llmrg.recsysllm.tasks.past import ANSWER_TOKENS
from llmrg.recsysllm.tasks.protocol import TextExample
from llmrg.recsysllm.tasks.words import STARS, star_words, yes_no_answer
from llmrg.recsysllm.textualise import Textualiser
from llmrg.recsysllm.trie import TitleTrie
from llmrg.recsysllm.write import write

Graphs = ConcatGraphs | None
"""Graphs of some users."""


@dataclass(frozen=True, slots=True)
class Stars:
    """How many stars the net expects."""

    shares: tuple[float, ...]
    """Probability of each of 1 to 5; they sum to 1."""

    @property
    def mean(self) -> float:
        """In [1, 5]: what has the least squared error."""
        return min(max(sum(star * share for star, share in zip(STARS, self.shares, strict=True)), STARS[0]), STARS[-1])

    @property
    def median(self) -> int:
        """1 to 5: what has the least absolute error."""
        return STARS[min(int(np.searchsorted(np.cumsum(self.shares), 0.5)), len(STARS) - 1)]


def read(
    net: RecSysNet,
    config: RecSysLlmConfig,
    text: Textualiser,
    example: TextExample,
    graphs: Graphs = None,
    user: int = 0,
) -> Reading:
    """The prompt, read up to [S]; its answer is not looked at.

    Args: user: the number of this one among those in `graphs`.
    """
    stop, stand_ins = end_of_text(net.backbone), net.backbone.stand_ins
    layout = text_layout(example, config, text, stand_ins, user, stop=stop, answered=False, window=net.backbone.window)
    placed = config.model_copy(update={"positions": positions_of(example.kind, config)})
    return Reading(net, placed, layout, graphs)


def rate(
    net: RecSysNet,
    config: RecSysLlmConfig,
    text: Textualiser,
    example: TextExample,
    graphs: Graphs = None,
    user: int = 0,
) -> Stars:
    """To a prompt that asks for stars: a softmax over the five words at [S].

    Raises: ConfigError: the tokenizer has no token of its own for each of 1 to 5.
    """
    words, state = np.array(star_words(text.coder)), read(net, config, text, example, graphs, user).state
    with torch.no_grad():
        shares = net.backbone.some_logits(state[None], words)[0].double().softmax(dim=0)
    return Stars(tuple(shares.tolist()))


def agree(
    net: RecSysNet,
    config: RecSysLlmConfig,
    text: Textualiser,
    example: TextExample,
    graphs: Graphs = None,
    user: int = 0,
) -> float:
    """To a prompt that asks for yes or no: the probability of yes, in [0, 1]."""
    answers = [yes_no_answer(yes, text.coder).ids.tolist() for yes in (True, False)]
    yes, no = score_candidates(read(net, config, text, example, graphs, user), answers).tolist()
    return float(1.0 / (1.0 + np.exp(no - yes)))


def choose(
    net: RecSysNet,
    config: RecSysLlmConfig,
    text: Textualiser,
    example: TextExample,
    candidates: Sequence[int],
    graphs: Graphs = None,
    user: int = 0,
) -> np.ndarray:
    """(C,) float64 log-probabilities of the titles of C catalogue rows; the best is the choice.

    With the trie loss they are those of a trie of the candidates alone, and their probabilities sum to 1; candidates of one title
    share its part. With the vocabulary's each is that of the whole title and its end among all words.

    Raises: CallerError: no candidates.
    """
    titles = [text.titles[row - 1] for row in candidates]
    reading = read(net, config, text, example, graphs, user)
    if config.loss == "vocabulary":
        return score_candidates(reading, [(*title, text.end) for title in titles])
    trie = TitleTrie.of(titles, text.end)
    return score_catalogue(reading, trie, trie.log_shares(np.zeros(len(titles)))).astype(np.float64)


def say(
    net: RecSysNet,
    config: RecSysLlmConfig,
    text: Textualiser,
    example: TextExample,
    graphs: Graphs = None,
    user: int = 0,
    max_tokens: int = ANSWER_TOKENS,
) -> str:
    """To a prompt that asks for words: what the net writes, word by likeliest word, up to its end of text or `max_tokens`."""
    reading = read(net, config, text, example, graphs, user)
    return text.coder.text(write(reading, text.pool, {end_of_text(net.backbone)}, max_tokens)).strip()
