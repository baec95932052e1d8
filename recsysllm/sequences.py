"""Histories as examples: what comes next is asked after every item of a history at once, or at its masked places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmrg.core.records import History
from llmrg.recsysllm.config import Level, RecSysLlmConfig
from llmrg.recsysllm.horizons import by_horizon
from llmrg.recsysllm.layout import NOTHING, Builder, Layout, Span, blank
from llmrg.recsysllm.pieces import IntArray, Tokens, joined
from llmrg.recsysllm.textualise import Textualiser

Prompt = tuple[Tokens, Tokens]
"""What stands before a history, and between it and the answer."""
Words = Callable[[int], Tokens]
"""From a position to the words that tell the graph known there; empty where it is not told in words."""
NO_TOKENS = Tokens(np.zeros(0, np.int64), np.zeros(0, np.int64))


LEVELS: tuple[Level, ...] = ("entity", "sentence", "document")


def no_words(position: int) -> Tokens:
    return NO_TOKENS


@dataclass(frozen=True)
class SequenceExamples:
    """Makes the examples of one catalogue and one setting."""

    text: Textualiser
    config: RecSysLlmConfig
    stand_ins: Sequence[int]
    window: int = 1 << 30
    """Positions that the model has."""

    @property
    def _titles(self) -> bool:
        return self.config.head != "items"

    @property
    def _items(self) -> bool:
        return self.config.head != "titles"

    def training(
        self, history: History, rows: IntArray, prompt: Prompt, words: Words, user: int, dice: np.random.Generator
    ) -> Layout | None:
        """One example of a training part; None where it has nothing to ask.

        Causal and for the item head, it has a branch at the end too, whose answer training does not know (`last_question`).
        """
        if len(rows) < 2:
            return None
        if self.config.layout == "causal":
            layout = self._causal(history, rows, prompt, words, user, range(1, len(rows) + (not self._titles)))
        else:
            layout = self._blank(history, rows, prompt, words, user, dice)
        return layout if len(layout.ask) or (layout.target != NOTHING).any() else None

    def question(self, history: History, rows: IntArray, prompt: Prompt, words: Words, user: int, answer: int = 0) -> Layout:
        """What comes after all of `rows`? With an answer, its title is a target, for its likelihood."""
        if self.config.layout == "causal":
            return self._causal(history, rows, prompt, words, user, [len(rows)], answer)
        return self._tail(history, rows, prompt, words, user, answer)

    def last_question(self, layout: Layout, answer: int) -> Layout | None:
        """The same text, asked for the answer at its end alone; None where it has no such branch. It need not be read again."""
        if self.config.layout != "causal" or self._titles or not len(layout.ask) or layout.ask[-1, 2]:
            return None
        last = layout.ask[-1:].copy()
        last[0, 2] = answer
        return replace(layout, ask=last)

    # -- causal ----------------------------------------------------------------------------------------------------------
    def _causal(
        self, history: History, rows: IntArray, prompt: Prompt, words: Words, user: int, positions: Sequence[int], answer: int = 0
    ) -> Layout:
        before, after = prompt
        endings = {position: joined([after, words(position)]) for position in positions}
        most = max(map(len, endings.values()))
        cost = 3 + most + (6 if self._titles and len(positions) > 1 else 0)
        places = self._places(history, rows, len(before) + most, cost if len(positions) > 1 else 0)
        builder = Builder(self.stand_ins)
        end_of = {0: builder.text(before)}
        for place in places.tolist():
            end_of[place + 1] = builder.text(self._shown(int(rows[place])))
        for position in positions:
            if position in end_of:
                wanted = answer if position == len(rows) else int(rows[position])
                self._branch(builder, end_of[position], endings[position], position, wanted)
        return builder.build(user)

    def _branch(self, builder: Builder, anchor: int, before: Tokens, position: int, wanted: int) -> None:
        title, nodes = None, tuple[int, ...]()
        if self._titles and wanted:
            title, nodes = title_target(self.text, self.config, wanted)
        ask: dict[str, int] = {"item": wanted, "position": position} if self._items else {}
        builder.branch(anchor, before, title, end=None, nodes=nodes, slot_position=position, **ask)

    # -- blank -----------------------------------------------------------------------------------------------------------
    def _blank(
        self, history: History, rows: IntArray, prompt: Prompt, words: Words, user: int, dice: np.random.Generator
    ) -> Layout:
        level = LEVELS[int(dice.choice(3, p=_shares(self.config.levels)))]
        longest = max(len(words(position)) for position in range(len(rows)))
        places = self._places(history, rows, len(prompt[0]) + len(prompt[1]) + longest, 6)
        count = len(places)
        if level == "entity":
            number = max(1, round(self.config.mask_ratio * count))
            masked = np.sort(dice.choice(count, number, replace=False))
        elif level == "sentence":
            masked = np.arange(int(dice.integers(1, count)) if count > 1 else 0, count)
        else:
            length = int(np.ceil(dice.uniform(0.5, 1.0) * count))
            start = int(dice.integers(0, count - length + 1))
            return self._document(rows, places, prompt, words, user, slice(start, start + length))
        if self.config.order == "shuffled":
            masked = dice.permutation(masked)
        return self._masked(rows, places, prompt, words, user, masked.tolist(), level, dice)

    def _masked(
        self,
        rows: IntArray,
        places: IntArray,
        prompt: Prompt,
        words: Words,
        user: int,
        masked: Sequence[int],
        level: Level,
        dice: np.random.Generator,
    ) -> Layout:
        """Items are masked one by one: each is a span."""
        tokens, starts = self._line(rows, places, prompt[0])
        spans = list[Span]()
        for at in masked:
            row = int(rows[places[at]])
            start, stop = starts[at], starts[at] + len(self.text.titles[row - 1])
            if not self.config.whole_entities:  # as long a span anywhere near, whatever it cuts
                start = int(dice.integers(max(len(prompt[0]), start - 3), start + 4))
                stop = min(start + len(self.text.titles[row - 1]), len(tokens))
                if any(span.start < stop and start < span.stop for span in spans) or start >= stop:
                    continue
                spans.append(Span(start, stop))
                continue
            spans.append(self._span(start, row, int(places[at])))
        first = int(places[min(masked)])
        return self._layout(tokens, spans, level, len(prompt[0]), first, joined([prompt[1], words(first)]), user)

    def _document(self, rows: IntArray, places: IntArray, prompt: Prompt, words: Words, user: int, inside: slice) -> Layout:
        """One span of many items; its tokens run on, since nothing else would keep their order."""
        tokens, starts = self._line(rows, places, prompt[0])
        stops = [*starts[1:], len(tokens)]
        span = Span(starts[inside.start], stops[inside.stop - 1] - 1)
        first = int(places[inside.start])
        running = replace(self, config=self.config.model_copy(update={"positions": "running"}))
        return running._layout(tokens, [span], "document", len(prompt[0]), first, joined([prompt[1], words(first)]), user)

    def _tail(self, history: History, rows: IntArray, prompt: Prompt, words: Words, user: int, answer: int) -> Layout:
        """The history, and one [MASK] after it."""
        ending = joined([prompt[1], words(len(rows))])
        places = self._places(history, rows, len(prompt[0]) + len(ending), 6)
        tokens, _ = self._line(rows, places, prompt[0])
        wanted = self.text.title(answer) if answer else _entity([self.text.end])
        whole = joined([tokens, ending, wanted])
        start = len(tokens) + len(ending)
        nodes = self.text.nodes(answer) if answer and self.config.loss == "trie" else ()
        span = Span(start, start + len(wanted), answer, len(rows), nodes)
        return self._layout(whole, [span], "entity", len(prompt[0]), len(rows), NO_TOKENS, user, answered=bool(answer))

    def _line(self, rows: IntArray, places: IntArray, before: Tokens) -> tuple[Tokens, list[int]]:
        """All items as one text, and where each begins."""
        parts = [self._shown(int(rows[place])) for place in places.tolist()]
        starts = (len(before) + np.concatenate([[0], np.cumsum([len(part) for part in parts])[:-1]])).astype(int)
        return joined([before, *parts]), starts.tolist()

    def _span(self, start: int, row: int, position: int) -> Span:
        nodes = self.text.nodes(row) if self.config.loss == "trie" else ()
        return Span(start, start + len(self.text.titles[row - 1]), row, position, nodes)

    def _layout(
        self,
        tokens: Tokens,
        spans: Sequence[Span],
        level: Level,
        slots_at: int,
        position: int,
        after: Tokens,
        user: int,
        answered: bool = True,
    ) -> Layout:
        layout = blank(
            joined([tokens, after]) if len(after) else tokens,
            spans,
            level,
            self.config.positions,
            self.text.end,
            self.stand_ins,
            slots_at=slots_at,
            slot_position=position,
            whole_entities=self.config.whole_entities,
            user=user,
            answered=answered,
        )
        return layout if self._items else replace(layout, ask=layout.ask[:0])

    # -- what fits --------------------------------------------------------------------------------------------------------
    def _places(self, history: History, rows: IntArray, fixed: int, cost: int) -> IntArray:
        """Positions of the items that enter, by horizon where not all fit.

        Args: fixed: tokens of the prompt; cost: what an item adds beside its own.
        """
        sizes = np.array([len(self._shown(row)) + cost for row in rows.tolist()])
        room = min(self.config.max_tokens - 16, self.window - self.text.longest - 8) - fixed
        places = min(len(rows), self.config.history_items)
        while True:
            at = history.at[: len(rows)] if len(history.at) >= len(rows) else ()
            places_taken = by_horizon(len(rows), places, at, seed=len(rows))
            if places <= 1 or sizes[places_taken].sum() <= room:
                return places_taken
            places = max(1, min(places - 1, int(places * room / sizes[places_taken].sum())))

    def _shown(self, row: int) -> Tokens:
        """An item in a history: by its title alone where all that is known of it would fill a quarter of the prompt."""
        line = self.text.items[row - 1]
        if 4 * len(line) <= min(self.config.max_tokens, self.window):
            return line
        return joined([self.text.title(row), Tokens(np.array([self.text.end]), np.array([0]))])


def title_target(text: Textualiser, config: RecSysLlmConfig, row: int) -> tuple[Tokens, tuple[int, ...]]:
    """The part of a title, with its end, that must be predicted, and its nodes: after the last choice nothing is left."""
    nodes, words = text.nodes(row), [*text.titles[row - 1], text.end]
    if config.loss == "vocabulary":
        return _entity(words), (-1,) * len(words)
    choices = np.flatnonzero(text.trie.branching[list(nodes)])
    stop = int(choices[-1]) + 1 if len(choices) else 0
    return _entity(words[:stop]), nodes[:stop]


def _entity(words: Sequence[int]) -> Tokens:
    return Tokens(np.array(words, dtype=np.int64), np.ones(len(words), dtype=np.int64))


def _shares(levels: Sequence[float]) -> np.ndarray:
    total = sum(levels)
    return np.array(levels) / total if total else np.array([1.0, 0.0, 0.0])
