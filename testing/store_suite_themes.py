"""Contract of themes and of the profiles of items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from llmrg.core.errors import CallerError, UnknownItemError
from llmrg.core.themes import Appeal, Profile, ProfileSource, Themes, strongest
from llmrg.graph_store.protocol import GraphStore
from llmrg.testing.store_examples import ITEMS, NAMESPACE, OTHER, fill, make_graph, make_profile, make_run
from llmrg.testing.store_suite_concurrency import ROUNDS, WRITERS, all_at_once


class ThemeContract:
    def test_themes_come_back_equal_and_in_order(self, store: GraphStore) -> None:
        fill(store)
        assert store.themes(NAMESPACE) == Themes()
        odd = 'it\'s "pirates"\n🦉'
        texts = {"pirates!": odd, odd: odd, "reason 1": "the sea"}
        catalogue = Profile(
            ProfileSource("catalogue", "2026-03-01", True, "from the shop"),
            (Appeal(ITEMS[0], odd, 0.1 + 0.2, 7), Appeal(ITEMS[0], "the sea"), Appeal(ITEMS[3], odd, 1e-9)),
        )
        recorded = Profile(ProfileSource("a recorded run"), (Appeal(ITEMS[1], "the sea", 1.0, 2**40),))
        store.put_theme_texts(NAMESPACE, texts)
        store.put_profile(NAMESPACE, replace(catalogue, appeals=catalogue.appeals[::-1]))
        store.put_profile(NAMESPACE, recorded)
        in_order = replace(catalogue, appeals=strongest(catalogue.appeals))
        assert store.themes(NAMESPACE) == Themes(texts, (recorded, in_order))
        assert store.themes(NAMESPACE).theme("reason 1") == "the sea"
        counts = store.counts(NAMESPACE)
        assert (counts.themes, counts.appeals) == (2, 4)

    def test_putting_texts_again_replaces_their_themes_and_keeps_the_others(self, store: GraphStore) -> None:
        fill(store)
        store.put_theme_texts(NAMESPACE, {"a": "x", "b": "x"})
        store.put_theme_texts(NAMESPACE, {"b": "y", "c": "y"})
        store.put_theme_texts(NAMESPACE, {})
        assert store.themes(NAMESPACE).of_text == {"a": "x", "b": "y", "c": "y"}
        assert store.counts(NAMESPACE).themes == 2
        store.put_theme_texts(NAMESPACE, {"a": "y"})
        assert store.counts(NAMESPACE).themes == 1, "nothing belongs to x any more"

    def test_putting_a_profile_again_replaces_it_whole(self, store: GraphStore) -> None:
        fill(store)
        store.put_profile(NAMESPACE, make_profile("one", 3))
        other = make_profile("other", 2)
        store.put_profile(NAMESPACE, other)
        less = Profile(ProfileSource("one", "2026", True, "again"), (Appeal(ITEMS[7], "theme 9", 0.25),))
        store.put_profile(NAMESPACE, less)
        assert store.themes(NAMESPACE).profiles == (less, other)
        counts = store.counts(NAMESPACE)
        assert (counts.themes, counts.appeals) == (3, 3)
        store.put_profile(NAMESPACE, Profile(ProfileSource("one"), ()))
        assert store.themes(NAMESPACE).profile("one") == Profile(ProfileSource("one"), ())
        assert store.counts(NAMESPACE).appeals == 2

    def test_deleting_a_profile(self, store: GraphStore) -> None:
        fill(store)
        first, other = make_profile("one", 3), make_profile("other", 2)
        for profile in (first, other):
            store.put_profile(NAMESPACE, profile)
        store.put_theme_texts(NAMESPACE, {"a text": "theme 2"})
        assert store.delete_profile(NAMESPACE, "one") is True
        assert store.delete_profile(NAMESPACE, "one") is False
        assert store.delete_profile(NAMESPACE, "nothing") is False
        assert store.themes(NAMESPACE) == Themes({"a text": "theme 2"}, (other,))
        assert store.counts(NAMESPACE).themes == 3, "a text still belongs to theme 2"

    def test_a_profile_with_an_unknown_item_is_refused_whole(self, store: GraphStore) -> None:
        fill(store)
        before = make_profile("one", 2)
        store.put_profile(NAMESPACE, before)
        for source in ("one", "new"):
            with pytest.raises(UnknownItemError) as caught:
                store.put_profile(
                    NAMESPACE, Profile(ProfileSource(source), (*make_profile("", 3).appeals, Appeal("no such", "x")))
                )
            assert caught.value.item == "no such"
        assert store.themes(NAMESPACE).profiles == (before,)
        assert store.counts(NAMESPACE).themes == 2

    @pytest.mark.parametrize(
        "call",
        [
            lambda s: s.put_theme_texts("", {"a": "b"}),
            lambda s: s.put_theme_texts(NAMESPACE, {"fine": "fine", "": "b"}),
            lambda s: s.put_theme_texts(NAMESPACE, {"fine": "fine", "a": " \n"}),
            lambda s: s.put_theme_texts(NAMESPACE, {"fine": "fine", "a": 7}),
            lambda s: s.put_theme_texts(NAMESPACE, {"fine": "fine", "a": "\ud800"}),
            lambda s: s.put_profile(NAMESPACE, make_profile("", 2)),
            lambda s: s.put_profile(NAMESPACE, Profile(ProfileSource("x", note="\ud800"), ())),
            lambda s: s.put_profile(NAMESPACE, Profile(ProfileSource("x"), (Appeal(ITEMS[0], "t"), Appeal(ITEMS[0], "t", 0.5)))),
            lambda s: s.put_profile(NAMESPACE, Profile(ProfileSource("x"), (Appeal(ITEMS[0], "\ud800"),))),
            lambda s: s.put_profile(NAMESPACE, Profile(ProfileSource("x"), (Appeal(ITEMS[0], "t", 0.5, 2**63),))),
            lambda s: s.put_profile(NAMESPACE, Profile(ProfileSource("x"), (_careless(score=1.5),))),
            lambda s: s.put_profile(NAMESPACE, Profile(ProfileSource("x"), (_careless(uses=-1),))),
            lambda s: s.delete_profile(NAMESPACE, ""),
            lambda s: s.themes(""),
        ],
    )
    def test_bad_themes_are_refused_and_nothing_is_written(self, store: GraphStore, call: Callable[[GraphStore], object]) -> None:
        fill(store)
        with pytest.raises(CallerError):
            call(store)
        assert store.themes(NAMESPACE) == Themes()
        assert store.counts(NAMESPACE).themes == 0

    def test_themes_of_namespaces_are_apart(self, store: GraphStore) -> None:
        fill(store)
        fill(store, OTHER)
        for namespace, theme in ((NAMESPACE, "ours"), (OTHER, "theirs")):
            store.put_theme_texts(namespace, {"text": theme})
            store.put_profile(namespace, make_profile("one", 2, theme))
        store.put_theme_texts(OTHER, {"text": "changed"})
        assert store.delete_profile(OTHER, "one")
        assert store.themes(NAMESPACE) == Themes({"text": "ours"}, (make_profile("one", 2, "ours"),))
        assert store.themes(OTHER) == Themes({"text": "changed"})
        with pytest.raises(UnknownItemError):
            store.put_profile("nowhere", make_profile("one", 2))

    def test_graphs_and_catalogue_may_be_put_again_and_themes_stay(self, store: GraphStore) -> None:
        fill(store)
        store.put_theme_texts(NAMESPACE, {step.reason: "a theme" for step in make_graph().steps})
        store.put_profile(NAMESPACE, make_profile("one", 3))
        before = store.themes(NAMESPACE)
        store.replace_graph(NAMESPACE, make_graph())
        fill(store)
        store.replace_graph(NAMESPACE, make_graph(mark="second"))
        store.put_run(NAMESPACE, make_run())
        assert store.forget_run(NAMESPACE, "run 1")
        assert store.graphs(NAMESPACE, ["ann"]) == {}
        assert store.themes(NAMESPACE) == before
        assert store.problems() == []

    def test_a_large_profile(self, store: GraphStore) -> None:
        fill(store)
        appeals = [Appeal(item, f"theme {n:04}", 0.5) for item in ITEMS for n in range(2100)]
        store.put_profile(NAMESPACE, Profile(ProfileSource("large"), tuple(appeals)))
        assert store.themes(NAMESPACE).profiles[0].appeals == tuple(appeals)
        counts = store.counts(NAMESPACE)
        assert (counts.themes, counts.appeals) == (2100, len(appeals))
        assert store.problems() == []
        assert store.delete_profile(NAMESPACE, "large")
        assert store.counts(NAMESPACE).themes == 0

    def test_of_writers_of_one_profile_one_stays_whole(self, store: GraphStore) -> None:
        fill(store)

        def put(number: int) -> None:
            for n in range(ROUNDS):
                store.put_profile(NAMESPACE, make_profile("one", 5, f"writer {number}"))
                store.put_theme_texts(NAMESPACE, {f"text {n}": f"writer {number}", f"own {number}": "shared"})

        all_at_once(put)
        (profile,) = store.themes(NAMESPACE).profiles
        assert profile in [make_profile("one", 5, f"writer {number}") for number in range(WRITERS)]
        assert store.counts(NAMESPACE).appeals == 5
        assert store.problems() == []


def _careless(**changes: object) -> Appeal:
    """An appeal that its own checks would refuse."""
    appeal = Appeal(ITEMS[0], "theme")
    for name, value in changes.items():
        object.__setattr__(appeal, name, value)
    return appeal
