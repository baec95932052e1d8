"""Examples in words as layouts: the prompt, the graph's slots, [S], and the answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmrg.core.errors import CallerError
from llmrg.recsysllm.backbone import Backbone
from llmrg.recsysllm.config import Positions, RecSysLlmConfig
from llmrg.recsysllm.layout import Builder, Layout, Span, blank
from llmrg.recsysllm.pieces import Tokens, joined
from llmrg.recsysllm.sequences import NO_TOKENS, title_target
from llmrg.recsysllm.tasks.past import ANSWER_TOKENS
from llmrg.recsysllm.tasks.protocol import AnswerKind, TextExample
from llmrg.recsysllm.textualise import Textualiser

SLOTS_AND_START = 3
"""[G1] [G2] [S]."""


def text_layout(
    example: TextExample,
    config: RecSysLlmConfig,
    text: Textualiser,
    stand_ins: Sequence[int],
    user: int = -1,
    *,
    stop: int,
    answered: bool = True,
    window: int = 1 << 30,
) -> Layout:
    """One example of a family of texts.

    `causal`: prompt [G1] [G2] [S] answer. `blank`: prompt [G1] [G2] [M] as part A, with [sM] where a text is asked for; then [S]
    answer. A title ends with the catalogue's end of a title, a text with `stop`, a word with nothing.

    A prompt that would make the example longer than `config.max_tokens` loses the oldest items of its history, whole ones; the
    newest stays, and so does all that is no history.

    Args:
        user: number of the user whose graph stands in the slots.
        stop: `end_of_text` of the model.
        answered: False ends with [S], as inference begins.
        window: positions that the model has, the answer's among them.
    Raises: CallerError: what is no history does not fit into the window.
    """
    end = {"item": text.end, "text": stop, "word": None}[example.kind]
    start = Tokens(np.array(text.coder.start(), dtype=np.int64), np.zeros(len(text.coder.start()), dtype=np.int64))
    answer = example.answer if answered else Tokens(np.array([stop]), np.array([0]))
    fixed = len(start) + SLOTS_AND_START + (len(answer) if answered else 0) + (config.layout == "blank")
    window -= 0 if answered else ANSWER_TOKENS
    prompt = joined([start, _shortened(example, text, min(config.max_tokens, window) - fixed)])
    if len(prompt) - len(start) + fixed > window:
        raise CallerError(
            f"a prompt of {len(prompt)} tokens and its answer do not fit into the model's positions; "
            "ask something shorter, or take another model"
        )
    if config.layout == "causal":
        builder = Builder(stand_ins)
        anchor = builder.text(prompt)
        nodes = tuple[int, ...]()
        if answered and example.kind == "item":
            answer, nodes = title_target(text, config, example.item)
            end = None
        target = answer if answered else None
        builder.branch(anchor, NO_TOKENS, target, end=end, nodes=nodes, slot_position=example.position)
        return builder.build(user)
    nodes = text.nodes(example.item) if answered and example.kind == "item" and config.loss == "trie" else ()
    return blank(
        joined([prompt, answer]),
        [Span(len(prompt), len(prompt) + len(answer), nodes=nodes)],
        "sentence" if example.kind == "text" else "entity",
        positions_of(example.kind, config),
        end,
        stand_ins,
        slots_at=len(prompt),
        slot_position=example.position,
        user=user,
        answered=answered,
    )


def positions_of(kind: AnswerKind, config: RecSysLlmConfig) -> Positions:
    """A text has many entities, and between them nothing but their positions keeps an order: it always runs on."""
    return "running" if kind == "text" else config.positions


def end_of_text(backbone: Backbone) -> int:
    """The token with which the model ends a text; of several the first; for a model that names none, the line break."""
    end = getattr(backbone.causal.config, "eos_token_id", None)
    if isinstance(end, list | tuple):
        end = end[0] if end else None
    return int(end) if end is not None else backbone.coder.ids("\n")[-1]


def _shortened(example: TextExample, text: Textualiser, room: int) -> Tokens:
    """The prompt with as many of the newest items of its history as there is room for, one at least."""
    prompt, (start, stop) = example.prompt, example.history
    ends = start + 1 + np.flatnonzero(prompt.ids[start:stop] == text.end)
    begin = start
    for begin in [start, *ends[:-1].tolist()]:
        if len(prompt) - (begin - start) <= room:
            break
    keep = np.concatenate([np.arange(start), np.arange(begin, len(prompt))])
    return Tokens(prompt.ids[keep], prompt.entity[keep])
