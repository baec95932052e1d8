"""Graphs as bytes: back again equal, known by their format, refused when they are not as they were written."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.records import ReasoningGraph
from llmrg.graph_store.packed_graph import FORMAT, pack, unpack
from llmrg.testing.store_examples import any_graph, make_graph


@given(st.lists(st.sampled_from(("ann", "bob", "cleo")).flatmap(any_graph), max_size=4, unique_by=lambda graph: graph.user))
def test_graphs_come_back_equal_in_their_order(graphs: list[ReasoningGraph]) -> None:
    table = unpack(pack(graph) for graph in graphs)
    assert list(table.values()) == graphs


def test_the_layout_is_that_of_its_number() -> None:
    """Bytes that stores hold. If these change, `FORMAT` must, and stores need a migration."""
    packed = pack(replace(make_graph(), version=3))
    body = zlib.decompress(packed[1:])
    assert (FORMAT, packed[0], len(body)) == (1, 1, 888)
    assert hashlib.sha256(body).hexdigest()[:16] == "0a0197749a196740"
    assert len(packed) < len(body) / 2


@given(st.data())
def test_any_change_is_told_or_does_no_harm(data: st.DataObject) -> None:
    packed = bytearray(pack(make_graph()))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = unpack([bytes(packed)])["ann"]
    except ValueError:
        return
    assert found == make_graph()


@given(st.integers(0, 250))
def test_an_early_end_is_told(end: int) -> None:
    with pytest.raises(ValueError, match="packed graph"):
        unpack([pack(make_graph())[:end]])
