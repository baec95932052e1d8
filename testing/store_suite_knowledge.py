"""Contract of the knowledge base."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from llmrg.core.errors import CallerError, StoreError, UnknownItemError
from llmrg.core.records import Knowledge, ReasoningGraph, VectorSpace
from llmrg.graph_store.protocol import GraphStore
from llmrg.testing.store_examples import ITEMS, NAMESPACE, OTHER, fill, make_knowledge, make_step

OFF = 0.0005
"""What half precision may change a cosine by, for vectors of unit length."""


def by_key(entries: list[Knowledge]) -> dict[str, Knowledge]:
    assert len({entry.key for entry in entries}) == len(entries)
    return {entry.key: entry for entry in entries}


class KnowledgeContract:
    def test_entries_come_back_equal(self, store: GraphStore) -> None:
        fill(store)
        entries = [
            make_knowledge(0, 1, 'it\'s "so"\n🦉', score=0.1 + 0.2, uses=7, vector=(0.5, -0.25, 0.125)),
            make_knowledge(0, 2, "", source_user="", source_position=0),
        ]
        store.put_knowledge(NAMESPACE, iter(entries))
        assert by_key(store.knowledge(NAMESPACE)) == by_key(entries)

    def test_an_entry_that_is_there_keeps_uses_and_source_and_takes_the_higher_score(self, store: GraphStore) -> None:
        fill(store)
        first = make_knowledge(score=0.5, uses=2, source_user="ann", source_position=3, vector=(1.0, 0.0))
        store.put_knowledge(NAMESPACE, [first])
        store.put_knowledge(NAMESPACE, [replace(first, score=0.75, uses=0, source_user="bob", source_position=9)])
        assert store.knowledge(NAMESPACE) == [replace(first, score=0.75)]
        store.put_knowledge(NAMESPACE, [replace(first, score=0.25, uses=50)])
        assert store.knowledge(NAMESPACE) == [replace(first, score=0.75)]

    def test_equal_entries_of_one_call_are_merged_alike(self, store: GraphStore) -> None:
        fill(store)
        first = make_knowledge(score=0.5, source_user="ann")
        store.put_knowledge(NAMESPACE, [first, replace(first, score=0.9, source_user="bob"), replace(first, score=0.1)])
        assert store.knowledge(NAMESPACE) == [replace(first, score=0.9)]

    def test_entries_of_different_minds_never_merge_and_are_never_mixed(self, store: GraphStore) -> None:
        fill(store)
        nobody, ours, theirs = (make_knowledge(mind=mind, vector=(1.0, 0.0)) for mind in ("", "ours", "theirs"))
        only_ours = make_knowledge(2, 1, "another", mind="ours", score=0.4, vector=(0.0, 1.0))
        store.put_knowledge(NAMESPACE, [nobody, ours, only_ours])
        store.put_knowledge(NAMESPACE, [replace(theirs, score=0.9)])
        assert by_key(store.knowledge(NAMESPACE)) == by_key([nobody, ours, only_ours, replace(theirs, score=0.9)])
        pairs, query = [(ITEMS[0], ITEMS[1]), (ITEMS[2], ITEMS[1])], np.array([1.0, 0.0], dtype=np.float32)
        for mind, expected in (("", [nobody]), ("ours", [ours, only_ours]), ("theirs", [replace(theirs, score=0.9)]), ("x", [])):
            assert store.knowledge_for(NAMESPACE, pairs, mind) == expected
            assert [entry for entry, _ in store.nearest_knowledge(NAMESPACE, ITEMS[1], query, 10, mind)] == expected
        assert store.knowledge_for(NAMESPACE, pairs) == [nobody]
        assert [entry for entry, _ in store.nearest_knowledge(NAMESPACE, ITEMS[1], query)] == [nobody]
        store.count_uses(NAMESPACE, {ours.key: 3})
        assert store.top_knowledge(NAMESPACE, 1) == [replace(ours, uses=3)]
        assert store.knowledge_for(NAMESPACE, pairs[:1], "theirs")[0].uses == 0

    def test_a_vector_fills_one_that_was_missing(self, store: GraphStore) -> None:
        fill(store)
        store.put_knowledge(NAMESPACE, [make_knowledge()])
        store.put_knowledge(NAMESPACE, [make_knowledge(vector=(0.5, 0.5))])
        store.put_knowledge(NAMESPACE, [make_knowledge()])
        assert store.knowledge(NAMESPACE) == [make_knowledge(vector=(0.5, 0.5))]

    def test_an_unknown_item_is_refused_whole(self, store: GraphStore) -> None:
        fill(store)
        for entry in (Knowledge("nothing", "r", ITEMS[0], 0.5), Knowledge(ITEMS[0], "r", "nothing", 0.5)):
            with pytest.raises(UnknownItemError) as caught:
                store.put_knowledge(NAMESPACE, [make_knowledge(), entry])
            assert caught.value.item == "nothing"
        assert store.knowledge(NAMESPACE) == []

    def test_entries_page_by_key(self, store: GraphStore) -> None:
        fill(store)
        entries = [make_knowledge(n % 12, (n + 1) % 12, f"reason {n}") for n in range(25)]
        store.put_knowledge(NAMESPACE, entries)
        pages = [store.knowledge(NAMESPACE, limit=10)]
        while pages[-1]:
            pages.append(store.knowledge(NAMESPACE, after=pages[-1][-1].key, limit=10))
        assert [len(page) for page in pages] == [10, 10, 5, 0]
        assert [entry for page in pages for entry in page] == sorted(entries, key=lambda entry: entry.key)

    def test_look_up_by_pairs(self, store: GraphStore) -> None:
        fill(store)
        good, better = make_knowledge(0, 1, "good", score=0.5), make_knowledge(0, 1, "better", score=0.9)
        best = make_knowledge(2, 3, "best", score=0.95)
        store.put_knowledge(
            NAMESPACE, [good, better, best, *(make_knowledge(*pair, "other") for pair in ((1, 0), (0, 3), (2, 1), (1, 3)))]
        )
        first, second = (ITEMS[0], ITEMS[1]), (ITEMS[2], ITEMS[3])
        assert store.knowledge_for(NAMESPACE, [first]) == [better, good]
        assert store.knowledge_for(NAMESPACE, [first, second, first, ("nothing", ITEMS[1])]) == [best, better, good]
        assert store.knowledge_for(NAMESPACE, [(ITEMS[1], ITEMS[2])]) == []

    def test_nearest_is_ordered_by_cosine(self, store: GraphStore) -> None:
        fill(store)
        along, near, across, against = (
            make_knowledge(n, 5, f"reason {n}", vector=vector)
            for n, vector in enumerate([(1.0, 0.0, 0.0), (0.75, 0.5, 0.0), (0.0, 0.0, 2.0), (-0.5, 0.0, 0.0)])
        )
        elsewhere = make_knowledge(0, 6, vector=(1.0, 0.0, 0.0))
        store.put_knowledge(NAMESPACE, [against, across, near, along, elsewhere, make_knowledge(9, 5, "no vector")])
        nearest = store.nearest_knowledge(NAMESPACE, ITEMS[5], np.array([2.0, 0.0, 0.0], dtype=np.float32), limit=10)
        assert [entry for entry, _ in nearest] == [along, near, across, against]
        assert [cosine for _, cosine in nearest] == pytest.approx([1.0, 0.75 / np.hypot(0.75, 0.5), 0.0, -1.0], abs=1e-6)
        assert store.nearest_knowledge(NAMESPACE, ITEMS[5], np.array([1.0, 0.0, 0.0]), limit=2) == nearest[:2]
        assert store.nearest_knowledge(NAMESPACE, ITEMS[7], np.array([1.0, 0.0, 0.0])) == []

    def test_nearest_agrees_with_numpy(self, store: GraphStore) -> None:
        fill(store)
        rng = np.random.default_rng(7)
        vectors = rng.normal(size=(60, 16)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        entries = [make_knowledge(n % 12, 5, f"reason {n}", vector=tuple(v.tolist())) for n, v in enumerate(vectors)]
        store.put_knowledge(NAMESPACE, entries)
        query = rng.normal(size=16).astype(np.float32)
        cosines = vectors @ query / np.linalg.norm(query)
        nearest = store.nearest_knowledge(NAMESPACE, ITEMS[5], query, limit=10)
        assert [entry.reason for entry, _ in nearest] == [f"reason {n}" for n in np.argsort(-cosines)[:10]]
        assert [cosine for _, cosine in nearest] == pytest.approx(np.sort(cosines)[::-1][:10], abs=OFF)

    @pytest.mark.parametrize("centres", [0, 8])
    def test_nearest_agrees_with_a_search_in_full_precision(self, store: GraphStore, centres: int) -> None:
        """Among vectors without order, and among those of some clusters, which are much alike."""
        fill(store)
        generator = np.random.default_rng(11)
        vectors = generator.normal(size=(200, 384))
        if centres:
            vectors = generator.normal(size=(centres, 384))[np.arange(200) % centres] + 0.2 * vectors
        queries = vectors[::20] + 0.3 * generator.normal(size=(10, 384))
        vectors, queries = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (vectors, queries))
        entries = [make_knowledge(n % 12, 5, f"reason {n}", vector=tuple(v.tolist())) for n, v in enumerate(vectors)]
        row_of = {entry.key: n for n, entry in enumerate(entries)}
        store.put_knowledge(NAMESPACE, entries)
        agreed = 0
        for query in queries:
            cosines = vectors @ query
            nearest = np.argsort(-cosines)[:10]
            found = store.nearest_knowledge(NAMESPACE, ITEMS[5], query.astype(np.float32), limit=10)
            rows = [row_of[entry.key] for entry, _ in found]
            assert [cosine for _, cosine in found] == pytest.approx(cosines[rows], abs=OFF)
            assert (cosines[rows] > cosines[nearest] - 2 * OFF).all()
            agreed += len(set(rows) & set(nearest.tolist()))
        assert agreed >= 99

    def test_vectors_come_back_in_half_precision_and_then_equal(self, store: GraphStore) -> None:
        fill(store)
        fill(store, OTHER)
        vectors = np.random.default_rng(5).normal(size=(20, 48))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        entries = [make_knowledge(n % 12, 5, f"reason {n}", vector=tuple(v.tolist())) for n, v in enumerate(vectors)]
        store.put_knowledge(NAMESPACE, entries)
        rounded = [replace(e, vector=tuple(np.asarray(e.vector, dtype=np.float16).tolist())) for e in entries]
        assert by_key(store.knowledge(NAMESPACE)) == by_key(rounded)
        store.put_knowledge(OTHER, store.knowledge(NAMESPACE))
        assert by_key(store.knowledge(OTHER)) == by_key(rounded)

    def test_very_long_and_very_short_vectors_keep_their_direction(self, store: GraphStore) -> None:
        fill(store)
        for n, size in enumerate((1e-300, 1e-30, 1e-3, 1.0, 7e4, 1e30, 1e300)):
            store.put_knowledge(NAMESPACE, [make_knowledge(n, 7, vector=(3 * size, -4 * size, 0.0))])
        nearest = store.nearest_knowledge(NAMESPACE, ITEMS[7], np.array([0.6, -0.8, 0.0]), limit=10)
        assert [cosine for _, cosine in nearest] == pytest.approx([1.0] * 7, abs=OFF)
        for entry, _ in nearest:
            assert entry.vector[0] / entry.vector[1] == pytest.approx(-0.75, abs=1e-3)

    def test_vectors_of_another_dimension_are_refused(self, store: GraphStore) -> None:
        fill(store)
        fill(store, OTHER)
        store.put_knowledge(NAMESPACE, [make_knowledge(vector=(1.0, 0.0, 0.0))])
        with pytest.raises(StoreError, match="3"):
            store.nearest_knowledge(NAMESPACE, ITEMS[1], np.array([1.0, 0.0], dtype=np.float32))
        with pytest.raises(StoreError, match="3"):
            store.put_knowledge(NAMESPACE, [make_knowledge(0, 2), make_knowledge(0, 3, vector=(1.0, 0.0))])
        assert len(store.knowledge(NAMESPACE)) == 1
        store.put_knowledge(OTHER, [make_knowledge(vector=(1.0, 0.0))])
        assert len(store.nearest_knowledge(OTHER, ITEMS[1], np.array([1.0, 0.0]))) == 1

    def test_vectors_of_two_encoders_never_mix(self, store: GraphStore) -> None:
        fill(store)
        fill(store, OTHER)
        assert store.vector_space(NAMESPACE) is None
        ours, same_size, larger = VectorSpace("ours", 3), VectorSpace("theirs", 3), VectorSpace("ours", 4)
        store.claim_vector_space(NAMESPACE, ours)
        store.put_knowledge(NAMESPACE, [make_knowledge(vector=(1.0, 0.0, 0.0))])
        for other in (same_size, larger):
            with pytest.raises(StoreError, match=rf"(?s)ours.*3.*{other.encoder}.*{other.dimension}"):
                store.claim_vector_space(NAMESPACE, other)
        store.claim_vector_space(NAMESPACE, ours)
        assert store.vector_space(NAMESPACE) == ours
        assert store.vector_space(OTHER) is None
        store.claim_vector_space(OTHER, same_size)
        assert store.vector_space(OTHER) == same_size

    def test_vectors_of_nobody_are_the_first_claimant_s(self, store: GraphStore) -> None:
        fill(store)
        store.put_knowledge(NAMESPACE, [make_knowledge(vector=(1.0, 0.0, 0.0))])
        assert store.vector_space(NAMESPACE) == VectorSpace("", 3)
        with pytest.raises(StoreError, match="unknown"):
            store.claim_vector_space(NAMESPACE, VectorSpace("ours", 4))
        store.claim_vector_space(NAMESPACE, VectorSpace("ours", 3))
        assert store.vector_space(NAMESPACE) == VectorSpace("ours", 3)

    def test_a_space_without_vectors_can_be_claimed_anew(self, store: GraphStore) -> None:
        fill(store)
        store.claim_vector_space(NAMESPACE, VectorSpace("ours", 3))
        store.put_knowledge(NAMESPACE, [make_knowledge(vector=(1.0, 0.0, 0.0)), make_knowledge(0, 2)])
        store.prune_knowledge(NAMESPACE)
        store.claim_vector_space(NAMESPACE, VectorSpace("theirs", 2))
        store.put_knowledge(NAMESPACE, [make_knowledge(vector=(1.0, 0.0))])
        assert len(store.nearest_knowledge(NAMESPACE, ITEMS[1], np.array([1.0, 0.0]))) == 1

    @pytest.mark.parametrize("space", [VectorSpace("", 3), VectorSpace("ours", 0)])
    def test_a_space_needs_a_name_and_a_dimension(self, store: GraphStore, space: VectorSpace) -> None:
        with pytest.raises(CallerError):
            store.claim_vector_space(NAMESPACE, space)
        assert store.vector_space(NAMESPACE) is None

    def test_no_vectors_no_neighbours(self, store: GraphStore) -> None:
        fill(store)
        store.put_knowledge(NAMESPACE, [make_knowledge()])
        assert store.nearest_knowledge(NAMESPACE, ITEMS[1], np.array([1.0, 0.0])) == []

    def test_uses_add_up_and_unknown_keys_are_ignored(self, store: GraphStore) -> None:
        fill(store)
        first, second = make_knowledge(0, 1, uses=3), make_knowledge(0, 2)
        store.put_knowledge(NAMESPACE, [first, second])
        store.count_uses(NAMESPACE, {first.key: 2, "no such key": 5})
        store.count_uses(NAMESPACE, {first.key: 1, second.key: 0})
        assert by_key(store.knowledge(NAMESPACE)) == by_key([replace(first, uses=6), second])

    def test_top_is_most_used_then_best(self, store: GraphStore) -> None:
        fill(store)
        entries = [
            make_knowledge(0, 1, score=0.2, uses=9),
            make_knowledge(0, 2, score=0.9, uses=1),
            make_knowledge(0, 3, score=0.8, uses=1),
            make_knowledge(0, 4, score=1.0, uses=0),
        ]
        store.put_knowledge(NAMESPACE, entries[::-1])
        assert store.top_knowledge(NAMESPACE) == entries
        assert store.top_knowledge(NAMESPACE, limit=2) == entries[:2]

    def test_pruning_takes_what_is_little_used_and_weak(self, store: GraphStore) -> None:
        fill(store)
        fill(store, OTHER)
        entries = [
            make_knowledge(0, 1, score=0.2, uses=0),
            make_knowledge(0, 2, score=0.5, uses=0),
            make_knowledge(0, 3, score=0.2, uses=2),
            make_knowledge(0, 4, score=1.0, uses=0),
        ]
        store.put_knowledge(NAMESPACE, entries)
        store.put_knowledge(OTHER, entries)
        assert store.prune_knowledge(NAMESPACE, max_score=0.5, dry_run=True) == 2
        assert len(store.knowledge(NAMESPACE)) == 4, "a dry run deletes none"
        assert store.prune_knowledge(NAMESPACE, max_score=0.5) == 2
        assert by_key(store.knowledge(NAMESPACE)) == by_key(entries[2:])
        assert store.prune_knowledge(NAMESPACE) == 1
        assert store.prune_knowledge(NAMESPACE, max_uses=2, dry_run=True) == store.prune_knowledge(NAMESPACE, max_uses=2) == 1
        assert store.knowledge(NAMESPACE) == []
        assert by_key(store.knowledge(OTHER)) == by_key(entries)

    def test_a_step_keeps_what_it_took_from_pruned_knowledge(self, store: GraphStore) -> None:
        fill(store)
        store.put_knowledge(NAMESPACE, [make_knowledge()])
        graph = ReasoningGraph("ann", (make_step(cause=ITEMS[0], item=ITEMS[1], reason="same author", origin="knowledge"),))
        store.replace_graph(NAMESPACE, graph)
        assert store.prune_knowledge(NAMESPACE) == 1
        assert store.graph(NAMESPACE, "ann").steps == graph.steps

    @pytest.mark.parametrize("bounds", [{"max_uses": -1}, {"max_score": 1.1}, {"max_score": float("nan")}])
    def test_senseless_bounds_of_pruning_are_refused(self, store: GraphStore, bounds: dict[str, Any]) -> None:
        fill(store)
        store.put_knowledge(NAMESPACE, [make_knowledge()])
        with pytest.raises(CallerError, match=next(iter(bounds))):
            store.prune_knowledge(NAMESPACE, **bounds)
        assert len(store.knowledge(NAMESPACE)) == 1
