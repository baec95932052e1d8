"""Examples in words as layouts: what is read, what is asked where, and what is left out when there is no room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.data.opinions import Opinion
from llmrg.recsysllm.config import FAMILIES, RecSysLlmConfig
from llmrg.recsysllm.layout import NOTHING, Control, Layout
from llmrg.recsysllm.masks import visible_in
from llmrg.recsysllm.pieces import PieceCoder
from llmrg.recsysllm.tasks import TASKS
from llmrg.recsysllm.tasks.layouts import end_of_text, text_layout
from llmrg.recsysllm.tasks.protocol import TaskData, TextExample
from llmrg.recsysllm.templates import load_templates
from llmrg.recsysllm.textualise import Textualiser
from llmrg.testing.recommender_suite import cycle_world

STOP = 0
STAND_INS = [40 + number for number in range(len(Control))]


def coder() -> PieceCoder:
    """One token a letter; a start token before every text."""
    tokenizers = pytest.importorskip("tokenizers")
    letters = {"<s>": 0, **{letter: number for number, letter in enumerate(map(chr, range(32, 127)), start=1)}}
    made: Any = tokenizers.Tokenizer(tokenizers.models.WordLevel(letters, unk_token="<s>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex(r"[\s\S]"), "isolated")
    made.decoder = tokenizers.decoders.Fuse()
    single = tokenizers.processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    made.post_processor = single
    return PieceCoder(made)


def task_data() -> TaskData:
    """A cycle of items, each of which got stars, a headline and a review."""
    dataset = cycle_world(8)
    said = tuple(Opinion(float(1 + n % 5), f"Headline {n}", f"The sound is number {n}. More of it.") for n in range(9))
    dataset = replace(dataset, opinions=dict.fromkeys(dataset.histories, said))
    return TaskData(dataset, Textualiser.of(list(dataset.catalogue), coder(), dataset.reason_attributes))


def layout_of(data: TaskData, example: TextExample, answered: bool = True, **config: Any) -> Layout:
    return text_layout(example, RecSysLlmConfig(**config), data.text, STAND_INS, stop=STOP, answered=answered)


@pytest.fixture(scope="module")
def examples() -> tuple[TaskData, list[TextExample]]:
    """Of one user, in all wordings of all families."""
    data = task_data()
    found = []
    for family in FAMILIES:
        for one in load_templates(family):
            found += list(TASKS[family].examples(data, "u3", 9, np.random.default_rng(1), one))
    return data, found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(30, 400), st.sampled_from(["causal", "blank"]), st.booleans())
def test_a_prompt_loses_whole_items_from_the_front_of_its_history_alone(
    examples: tuple[TaskData, list[TextExample]], number: int, budget: int, layout: str, answered: bool
) -> None:
    data, found = examples
    example = found[number % len(found)]
    start, stop = example.history
    ends = [start, *(start + 1 + np.flatnonzero(example.prompt.ids[start:stop] == data.text.end)).tolist()]
    made = layout_of(data, example, answered, layout=layout, max_tokens=budget)
    text = made.ids[(made.part == 0) & (made.control == 0)]
    possible = [np.r_[data.text.coder.start(), example.prompt.ids[:start], example.prompt.ids[at:]] for at in ends[:-1] or [0]]
    kept = [n for n, ids in enumerate(possible) if len(ids) == len(text) and (ids == text).all()]
    assert len(kept) == 1
    assert len(made) <= budget or kept[0] == len(possible) - 1
    if kept[0]:  # one item more would not have fitted; the answer's end takes one place that is never read
        assert len(made) + len(possible[kept[0] - 1]) - len(text) + 1 > budget


def test_causal_layouts_hold_prompt_slots_start_and_answer(examples: tuple[TaskData, list[TextExample]]) -> None:
    data, found = examples
    for example in found:
        made = layout_of(data, example, loss="vocabulary")
        bare = layout_of(data, example, answered=False)
        controls = [Control.REASONED, Control.IMAGINED, Control.START]
        begin = int(np.flatnonzero(made.control == Control.START)[0])
        assert made.control[begin - 2 : begin + 1].tolist() == controls == bare.control[-3:].tolist()
        assert made.slot_position.tolist() == [example.position] * 2
        end = {"item": [data.text.end], "text": [STOP], "word": []}[example.kind]
        answer = [*example.answer.ids.tolist(), *end]
        assert made.target[begin:].tolist() == answer
        assert made.ids[begin + 1 :].tolist() == answer[:-1]
        assert (made.target[:begin] == NOTHING).all()
        assert (bare.target == NOTHING).all()
        assert len(bare) == begin + 1
        assert made.inter.tolist() == list(range(len(made)))
        assert (visible_in(made) == np.tri(len(made), dtype=bool)).all()
        assert made.ids[0] == 0  # the tokenizer's start
        assert len(made.ask) == 0


def test_titles_are_asked_for_by_the_trie_and_words_are_not(examples: tuple[TaskData, list[TextExample]]) -> None:
    data, found = examples
    for layout in ("causal", "blank"):
        for example in found[::7]:
            made = layout_of(data, example, layout=layout)
            nodes = made.node[made.target != NOTHING].tolist()
            if example.kind == "item":
                assert nodes == list(data.text.nodes(example.item))[: len(nodes)]
                assert nodes
            else:
                assert set(nodes) == {-1}


def test_blank_layouts_mask_the_answer(examples: tuple[TaskData, list[TextExample]]) -> None:
    data, found = examples
    for positions in ("paper", "running"):
        for example in found[::5]:
            made = layout_of(data, example, layout="blank", loss="vocabulary", positions=positions)
            bare = layout_of(data, example, answered=False, layout="blank", positions=positions)
            start = int(np.flatnonzero(made.control == Control.START)[0])
            mask = Control.SENTENCE_MASK if example.kind == "text" else Control.MASK
            assert made.control[start - 3 : start].tolist() == [Control.REASONED, Control.IMAGINED, mask]
            assert bare.ids.tolist() == made.ids[: start + 1].tolist()
            assert bare.control[-1] == Control.START
            end = {"item": [data.text.end], "text": [STOP], "word": []}[example.kind]
            assert made.target[start:].tolist() == [*example.answer.ids.tolist(), *end]
            running = positions == "running" or example.kind == "text"
            assert made.inter[start:].tolist() == [start - 1 + step * running for step in range(len(made) - start)]
            assert visible_in(made)[:start, :start].all()
            assert not visible_in(made)[:start, start:].any()


def test_a_text_has_the_positions_that_it_gets_while_it_is_written() -> None:
    data = task_data()
    said = " So Item 1 beats Item 12 and theme 2 or themes"
    answer = data.text.written(said, 60)
    assert data.text.coder.text(answer.ids.tolist()) == said
    example = TextExample("t", data.text.coder.prose("Say", 9), answer, "text", 1)
    for layout in ("causal", "blank"):
        made = layout_of(data, example, layout=layout)
        start = int(np.flatnonzero(made.control == Control.START)[0])
        intra = made.intra[start + 1 :].tolist()
        assert intra == data.text.pool.positions(answer.ids.tolist())
        for entity in (" Item 1", " Item 12", " theme 2"):
            at = said.index(entity + " ")
            assert intra[at : at + len(entity)] == list(range(1, len(entity) + 1))
        at = said.index(" or themes")
        assert intra[at : at + 10] == [1, 1, 1, 1, 2, 3, 4, 5, 6, 1]


@pytest.mark.parametrize(("named", "expected"), [(7, 7), ([9, 3], 9), ((4,), 4), ([], None), (None, None)])
def test_the_end_of_a_text_is_the_models_or_a_line_break(named: Any, expected: int | None) -> None:
    class Some:
        pass

    backbone, config = Some(), Some()
    backbone.causal, backbone.coder, config.eos_token_id = Some(), Some(), named  # type: ignore[attr-defined]
    backbone.causal.config = config  # type: ignore[attr-defined]
    line_break: Callable[[str], tuple[int, ...]] = {"\n": (5, 11)}.__getitem__
    backbone.coder.ids = line_break  # type: ignore[attr-defined]
    assert end_of_text(backbone) == (11 if expected is None else expected)  # type: ignore[arg-type]
    del config.eos_token_id  # type: ignore[attr-defined]
    assert end_of_text(backbone) == 11  # type: ignore[arg-type]
