"""One training or inference example as arrays: what is read, in which order it sees itself, and what is asked where.

Two layouts share one record. `blank` is the paper's: part A (the text with each span replaced by one [MASK]) is read both ways,
part B (the spans, each after a [S]) left to right. `causal` reads the text left to right; what is asked at several places of one
text stands in branches, each of which sees the text up to its place and itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from llmrg.core.errors import CallerError
from llmrg.recsysllm.config import Level, Positions
from llmrg.recsysllm.pieces import IntArray, Tokens

NOTHING = -100
"""Target where nothing is predicted."""
VOCABULARY = -1
"""Node of a target that is chosen among all words."""


class Control(IntEnum):
    """Places with a meaning of their own. Each is read as a token that the model knows, plus what is learnt for it."""

    NONE = 0
    MASK = 1
    SENTENCE_MASK = 2
    DOCUMENT_MASK = 3
    START = 4
    """[S]: before a span of part B, and before an answer in a branch."""
    REASONED = 5
    """Slot of E_rea."""
    IMAGINED = 6
    """Slot of E_div."""


MASK_OF: dict[Level, Control] = {
    "entity": Control.MASK,
    "sentence": Control.SENTENCE_MASK,
    "document": Control.DOCUMENT_MASK,
}


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens [start, stop) that are masked together."""

    start: int
    stop: int
    item: int = 0
    """Catalogue row of the item that the span is, 0 for none."""
    position: int = 0
    """Its position in the history."""
    nodes: tuple[int, ...] = ()
    """Trie node that each of its tokens, and its end, is a child of; empty where words are chosen among the whole vocabulary."""


@dataclass(frozen=True, slots=True)
class Layout:
    """L tokens of one example. Token q sees token k iff
    (part[k] = 0 and k <= sees[q]) or (part[k] = part[q] > 0 and k <= q)."""

    ids: IntArray
    """(L,) numbers in the vocabulary; where `control` is set, of the token that stands in."""
    control: IntArray
    """(L,) `Control`."""
    part: IntArray
    """(L,) 0: the text itself (part A); n > 0: the n-th branch (part B of `blank` is one branch)."""
    sees: IntArray
    """(L,) last index of part 0 that a token sees."""
    inter: IntArray
    """(L,) position given to the model; of part B, counted from the [MASK]."""
    intra: IntArray
    """(L,) place within an entity, from 1; 0 outside."""
    target: IntArray
    """(L,) the token to be predicted at this place, -100 for none."""
    node: IntArray
    """(L,) trie node that the target is a child of, -1 where it is any word."""
    ask: IntArray = field(default_factory=lambda: np.zeros((0, 3), dtype=np.int64))
    """(Q, 3): index at which the item head is asked, position in the history, catalogue row of the answer (0: none is known)."""
    slot_position: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(S,) for each slot token, in order, the position whose graph it shows."""
    user: int = -1
    """Number of the user whose history and graph are asked, -1 for none."""

    def __len__(self) -> int:
        return len(self.ids)


class Builder:
    """Puts an example together, token by token."""

    def __init__(self, stand_ins: Sequence[int]) -> None:
        """Args: stand_ins: a token for each `Control`."""
        self._stand_ins = stand_ins
        self._columns: dict[str, list[int]] = {name: [] for name in _COLUMNS}
        self._asks: list[tuple[int, int, int]] = []
        self._slots: list[int] = []
        self._branches = 0

    def __len__(self) -> int:
        return len(self._columns["ids"])

    def text(self, tokens: Tokens) -> int:
        """Tokens of the causal main line; returns the index of the last one."""
        for word, intra in zip(tokens.ids.tolist(), tokens.intra.tolist(), strict=True):
            at = len(self)
            self.put(word, part=0, sees=at, inter=at, intra=intra)
        return len(self) - 1

    def put(
        self,
        word: int,
        *,
        part: int,
        sees: int,
        inter: int,
        intra: int = 0,
        control: int = 0,
        target: int = NOTHING,
        node: int = -1,
    ) -> int:
        """One token; returns its index."""
        row = {"ids": word, "control": control, "part": part, "sees": sees, "inter": inter, "intra": intra}
        for name, value in {**row, "target": target, "node": node}.items():
            self._columns[name].append(value)
        return len(self) - 1

    def mark(self, control: Control, **columns: int) -> int:
        """A control token."""
        return self.put(self._stand_ins[control], control=control, **columns)

    def ask(self, at: int, position: int, item: int = 0) -> None:
        """Ask the item head at an index."""
        self._asks.append((at, position, item))

    def slots(self, position: int, *, part: int, sees: int, inter: int) -> int:
        """[G1] [G2], both showing the graph of one position; returns the next inter position."""
        for step, control in enumerate((Control.REASONED, Control.IMAGINED)):
            self.mark(control, part=part, sees=sees, inter=inter + step)
            self._slots.append(position)
        return inter + 2

    def branch(
        self,
        anchor: int,
        before: Tokens,
        answer: Tokens | None = None,
        *,
        end: int | None = None,
        nodes: Sequence[int] = (),
        slot_position: int | None = None,
        item: int = 0,
        position: int | None = None,
    ) -> int:
        """A question after the text up to `anchor`, and its answer: `before` [G1] [G2] [S] answer `end`.

        Args:
            nodes: trie node that each token of the answer, and `end`, is a child of; empty for words of the whole vocabulary.
            slot_position: the position whose graph stands in the slots; None leaves them out.
            position: the position that the item head is asked about at [S]; None does not ask it.
        Returns: index of [S].
        """
        self._branches += 1
        part, inter = self._branches, int(self._columns["inter"][anchor]) + 1 if anchor >= 0 else 0
        for word, intra in zip(before.ids.tolist(), before.intra.tolist(), strict=True):
            self.put(word, part=part, sees=anchor, inter=inter, intra=intra)
            inter += 1
        if slot_position is not None:
            inter = self.slots(slot_position, part=part, sees=anchor, inter=inter)
        start = self.mark(Control.START, part=part, sees=anchor, inter=inter, intra=1)
        if position is not None:
            self.ask(start, position, item)
        if answer is not None:
            words = [*answer.ids.tolist(), *([end] if end is not None else [])]
            self.answer(words, answer.entity, nodes or [VOCABULARY] * len(words), "running")
        return start

    def answer(self, words: Sequence[int], entity: IntArray, nodes: Sequence[int], positions: Positions) -> None:
        """Words after an [S], which is the last token: each place predicts the next word; the last word is not read."""
        last = {name: values[-1] for name, values in self._columns.items()}
        intra = answer_intra(entity)
        for step, (word, node) in enumerate(zip(words, nodes, strict=True)):
            self._columns["target"][-1], self._columns["node"][-1] = word, node
            if step + 1 < len(words):
                inter = last["inter"] + (step + 1 if positions == "running" else 0)
                self.put(word, part=last["part"], sees=last["sees"], inter=inter, intra=int(intra[step]))

    def build(self, user: int = -1) -> Layout:
        arrays = {name: np.array(values, dtype=np.int64) for name, values in self._columns.items()}
        asks = np.array(self._asks, dtype=np.int64).reshape(-1, 3)
        return Layout(**arrays, ask=asks, slot_position=np.array(self._slots, dtype=np.int64), user=user)


_COLUMNS = ("ids", "control", "part", "sees", "inter", "intra", "target", "node")


def blank(
    tokens: Tokens,
    spans: Sequence[Span],
    level: Level,
    positions: Positions,
    end: int | None,
    stand_ins: Sequence[int],
    *,
    slots_at: int | None = None,
    slot_position: int = 0,
    whole_entities: bool = True,
    user: int = -1,
    answered: bool = True,
) -> Layout:
    """The paper's example (figure 1): part A with one [MASK] a span, then each span after its [S], in the order given.

    The intra position of part A counts within an entity; that of part B counts within an entity too, and begins anew with each,
    the [S] being the first of its span's first entity: ([S], x1, x2, x3) -> 1, 2, 3, 4.

    Args:
        spans: not overlapping.
        end: the token that ends each span; None ends them without one.
        slots_at: index of `tokens` before which the two graph slots stand; None leaves them out.
        answered: False leaves part B with its [S] alone, as inference begins.
    Raises: CallerError: a span is empty, overlaps another, or cuts an entity.
    """
    cover = _covered(tokens, spans, whole_entities)
    builder, place_of, intra = Builder(stand_ins), dict[int, int](), tokens.intra
    last = int((cover < 0).sum()) + len(spans) + (0 if slots_at is None else 2) - 1
    for at in range(len(tokens)):
        if slots_at == at:
            builder.slots(slot_position, part=0, sees=last, inter=len(builder))
        number = int(cover[at])
        if number < 0:
            builder.put(int(tokens.ids[at]), part=0, sees=last, inter=len(builder), intra=int(intra[at]))
        elif number not in place_of:
            place_of[number] = builder.mark(MASK_OF[level], part=0, sees=last, inter=len(builder))
    for number, span in enumerate(spans):
        mask = place_of[number]
        start = builder.mark(Control.START, part=1, sees=last, inter=mask, intra=1)
        if span.position or span.item:
            builder.ask(start, span.position, span.item)
        if answered:
            words = [*tokens.ids[span.start : span.stop].tolist(), *([] if end is None else [end])]
            builder.answer(words, tokens.entity[span.start : span.stop], span.nodes or [VOCABULARY] * len(words), positions)
    return builder.build(user)


def _covered(tokens: Tokens, spans: Sequence[Span], whole: bool) -> IntArray:
    """(L,) number of the span that a token is in, -1 for none."""
    cover = np.full(len(tokens), -1, dtype=np.int64)
    for number, span in enumerate(spans):
        if not 0 <= span.start < span.stop <= len(tokens):
            raise CallerError(f"the span [{span.start}, {span.stop}) is empty or outside the {len(tokens)} tokens")
        if (cover[span.start : span.stop] >= 0).any():
            raise CallerError(f"the span [{span.start}, {span.stop}) overlaps another")
        cover[span.start : span.stop] = number
        for border in (span.start, span.stop):
            inside = 0 < border < len(tokens) and tokens.entity[border] > 0
            if whole and inside and tokens.entity[border] == tokens.entity[border - 1]:
                raise CallerError(f"the span [{span.start}, {span.stop}) cuts an entity at {border}; mask all of it or none")
    return cover


def answer_intra(entity: IntArray) -> IntArray:
    """(L,) entity numbers of a span -> (L,) intra positions after an [S] that counts as 1.

    A token that goes on with its predecessor's entity counts on, any other begins anew at 1 (paper, inference); the first counts
    on from the [S].
    """
    intra = np.ones(len(entity), dtype=np.int64)
    for at in range(len(entity)):
        if at == 0:
            intra[0] = 2
        elif entity[at] and entity[at] == entity[at - 1]:
            intra[at] = intra[at - 1] + 1
    return intra
