"""The catalogue as a tree of tokens: every path is an item, and every item a path."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.errors import CallerError
from llmrg.core.records import Item
from llmrg.recsysllm.pieces import LONGEST_ENTITY, PieceCoder
from llmrg.recsysllm.textualise import SEPARATORS, Textualiser
from llmrg.recsysllm.trie import ROOT, TitleTrie

END = 9
titles_of = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6).map(tuple), min_size=1, max_size=14)


def test_a_small_tree_by_hand() -> None:
    """`1 2 END`, `1 2 3 END` (twice) and `4 END`: 1 > 2 > (3 > END, END), 4 > END."""
    trie = TitleTrie.of([(1, 2, 3), (4,), (1, 2), (1, 2, 3)], END)
    assert len(trie) == 8
    assert trie.items == 4
    assert [trie.path(node) for node in trie.terminal] == [[1, 2, 3, END], [4, END], [1, 2, END], [1, 2, 3, END]]
    assert trie.terminal[0] == trie.terminal[3]
    two = trie.step(trie.step(ROOT, 1), 2)
    assert trie.token[trie.children(two)].tolist() == [3, END]
    assert trie.step(two, 4) == trie.step(two, 10) == trie.step(int(trie.terminal[0]), END) == -1
    assert np.flatnonzero(trie.branching).tolist() == [ROOT, two]
    assert trie.live.tolist() == sorted([trie.step(ROOT, 1), two]), "with the root, all that is fed to rank this catalogue"
    assert trie.terminals_below[[ROOT, two]].tolist() == [3, 2]
    np.testing.assert_allclose(np.exp(trie.log_shares(np.array([2, 5, 0, 0]))), [3 / 4, 1, 1, 1 / 4])


@given(titles_of)
def test_every_path_is_an_item(titles: list[tuple[int, ...]]) -> None:
    trie = TitleTrie.of(titles, END)
    leaves = [node for node in range(len(trie)) if not len(trie.children(node))]
    assert sorted(tuple(trie.path(leaf)) for leaf in leaves) == sorted({(*title, END) for title in titles})
    assert sorted(set(trie.terminal.tolist())) == leaves
    for title, terminal, path in zip(titles, trie.terminal, trie.path_of_item, strict=True):
        assert trie.path(terminal) == [*title, END] == trie.token[path].tolist()
        node = ROOT
        for word, expected in zip((*title, END), path, strict=True):
            node = trie.step(node, word)
            assert node == expected


@given(titles_of)
def test_what_is_known_of_a_node(titles: list[tuple[int, ...]]) -> None:
    trie = TitleTrie.of(titles, END)
    whole = {(*title, END) for title in titles}
    for node in range(len(trie)):
        path = tuple(trie.path(node))
        below = {title for title in whole if title[: len(path)] == path}
        nexts = sorted({title[len(path)] for title in below if len(title) > len(path)})
        children = trie.children(node)
        assert trie.token[children].tolist() == nexts
        assert (trie.parent[children] == node).all()
        assert (children > node).all()
        assert trie.depth[node] == len(path)
        assert trie.terminals_below[node] == len(below)
        assert trie.branching[node] == (len(nexts) > 1)
        assert (node in trie.live) == (node != ROOT and len(below) > 1)
        for word in range(END + 1):
            assert (trie.step(node, word) >= 0) == (word in nexts)
    order, starts = trie.items_at
    for node in range(len(trie)):
        mine = [number for number, title in enumerate(titles) if (*title, END) == tuple(trie.path(node))]
        assert order[starts[node] : starts[node + 1]].tolist() == mine


@given(titles_of, st.data())
def test_shares_of_equal_titles_are_a_distribution(titles: list[tuple[int, ...]], data: st.DataObject) -> None:
    trie = TitleTrie.of(titles, END)
    counts = np.array(data.draw(st.lists(st.integers(0, 1000), min_size=len(titles), max_size=len(titles))))
    shares = np.exp(trie.log_shares(counts))
    for title in set(titles):
        group = [number for number, other in enumerate(titles) if other == title]
        assert shares[group].sum() == pytest.approx(1.0)
        assert (np.argsort(shares[group], kind="stable") == np.argsort(counts[group], kind="stable")).all()


@pytest.mark.parametrize(
    ("titles", "problem"),
    [([], "without items"), ([(1,), ()], "item 2 has no tokens"), ([(1, END, 2)], "item 1 holds the token 9")],
)
def test_what_is_no_catalogue_is_refused(titles: list[tuple[int, ...]], problem: str) -> None:
    with pytest.raises(CallerError, match=problem):
        TitleTrie.of(titles, END)


# -- titles as text ------------------------------------------------------------------------------------------------------
def told(coder: PieceCoder, *titles: str, themes: tuple[str, ...] = ()) -> Textualiser:
    items = [Item(f"i{n}", title, tuple(("theme", theme) for theme in themes)) for n, title in enumerate(titles)]
    return Textualiser.of(items, coder, ("theme",))


def test_the_separator_is_one_that_no_title_holds(coder: PieceCoder) -> None:
    assert told(coder, "Emma", "Dune").end == coder.ids(";")[-1]
    assert told(coder, "Emma; or, Love", "Dune").end == coder.ids("\n")[-1]
    assert told(coder, "Emma;", "Dune\nMessiah").end == coder.ids("\n")[-1], "white space of a title is made single blanks"


def test_where_all_separators_occur_one_is_taken_out(coder: PieceCoder) -> None:
    everything = "".join(text.strip() or text for text in SEPARATORS) + " and more ¶ \t"
    text = told(coder, everything, "Emma", "|")
    for row in (1, 2, 3):
        assert text.end not in text.titles[row - 1]
        assert text.items[row - 1].ids[-1] == text.end
        assert (text.items[row - 1].ids[:-1] != text.end).all()


def test_attributes_never_hold_the_separator(coder: PieceCoder) -> None:
    text = told(coder, "Emma", "Dune", themes=("love; and money", "manners"))
    line = text.items[0]
    assert text.end == coder.ids(";")[-1]
    assert (line.ids == text.end).sum() == 1
    assert coder.text(line.ids.tolist()).replace(" ", "") == "Emma(loveandmoney,manners);"


@given(st.lists(st.text(alphabet="ab; \n|", max_size=8), min_size=1, max_size=8))
def test_any_titles_make_a_catalogue(coder: PieceCoder, titles: list[str]) -> None:
    text = told(coder, *titles)
    assert text.trie.items == len(titles)
    for row in range(1, len(titles) + 1):
        path = text.trie.path(int(text.trie.terminal[row - 1]))
        assert tuple(path) == (*text.titles[row - 1], text.end)
        assert text.nodes(row) == (ROOT, *text.trie.path_of_item[row - 1][:-1])
        assert 1 <= len(text.titles[row - 1]) <= LONGEST_ENTITY


def test_a_title_is_the_same_tokens_wherever_it_stands(coder: PieceCoder) -> None:
    text = told(coder, "Emma", "Dune", themes=("love",))
    title = text.titles[1]
    line = text.history([1, 2, 1]).ids.tolist()
    at = len(text.items[0])
    assert tuple(line[at : at + len(title)]) == title
    listed = text.listed([2, 1])
    assert tuple(listed.ids[: len(title)].tolist()) == title
    assert listed.entity.tolist() == [1] * 5 + [0] + [2] * 5
    assert text.history([1, 2]).entity.max() == 4, "two titles and two themes"


def test_very_long_titles_are_cut(coder: PieceCoder) -> None:
    text = told(coder, "x" * 2000, "x" * 2000 + "y", "y" + "x" * 2000)
    assert {len(title) for title in text.titles} == {LONGEST_ENTITY}
    assert text.trie.terminal[0] == text.trie.terminal[1] != text.trie.terminal[2]


def test_an_empty_catalogue_is_refused(coder: PieceCoder) -> None:
    with pytest.raises(CallerError, match="without items"):
        Textualiser.of([], coder)


def test_a_whole_word_tokenizer_keeps_the_promises(words: Callable[..., PieceCoder]) -> None:
    """With a byte-level tokenizer that joins letters, titles keep their leading blank and their tokens."""
    coder = words(["the old man and the sea", "the sea", "the sea wolf", "emma"])
    text = told(coder, "The Sea", "The Sea Wolf", "Emma")
    assert coder.text(text.titles[0]) == " The Sea"
    assert text.titles[1][: len(text.titles[0])] == text.titles[0]
    assert text.history([3]).ids.tolist() == [*text.titles[2], text.end]
