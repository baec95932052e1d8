"""A store against a plain dict, under random operations.

    TestMyStoreMachine = make_store_machine(open_empty_store).TestCase

The dict says what the store must answer. Hypothesis finds a sequence of calls where the two part, and shortens it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from llmrg.core.errors import DraftConflictError, VersionConflictError
from llmrg.core.records import History, Knowledge, ReasoningGraph, Step, in_order
from llmrg.core.themes import Profile, Themes, strongest
from llmrg.graph_store.protocol import GraphStore
from llmrg.testing.store_examples import (
    ITEMS,
    NAMESPACE,
    OTHER,
    any_graph,
    any_knowledge,
    any_profile,
    any_step,
    fill,
    make_history,
)

USERS = ("ann", "bob", 'it\'s "me"\n')
RUNS = ("run 1", "run 2")
TEXTS = ("a", "first", "  a ", "it's")
"""Of reasons: a theme's own name among them, and a text that differs from it in spaces alone."""
_namespaces = st.sampled_from((NAMESPACE, OTHER))
_users = st.sampled_from(USERS)
_runs = st.sampled_from(RUNS)


class _Model:
    """What one namespace holds."""

    def __init__(self) -> None:
        self.histories: dict[str, History] = {user: make_history(user) for user in USERS}
        self.graphs: dict[tuple[str, str], ReasoningGraph] = {}
        """By run and user."""
        self.drafts: dict[tuple[str, str], tuple[frozenset[Step], int]] = {}
        self.blocks: dict[tuple[str, str], set[tuple[object, ...]]] = {}
        """The calls that each draft was made of."""
        self.knowledge: dict[str, Knowledge] = {}
        self.theme_texts: dict[str, str] = {}
        self.profiles: dict[str, Profile] = {}

    def newest(self) -> dict[str, ReasoningGraph]:
        """Of each user the graph with the highest version."""
        return {graph.user: graph for graph in sorted(self.graphs.values(), key=lambda graph: graph.version)}

    def forget(self, gone: Callable[[str, str], bool]) -> None:
        """Graphs and drafts of those runs and users of which `gone` is true."""
        for stored in (self.graphs, self.drafts, self.blocks):
            for key in [key for key in stored if gone(*key)]:
                del stored[key]  # type: ignore[attr-defined]

    def put_knowledge(self, entry: Knowledge) -> None:
        stored = self.knowledge.get(entry.key, entry)
        self.knowledge[entry.key] = replace(stored, score=max(stored.score, entry.score), vector=stored.vector or entry.vector)


class _StoreMachine(RuleBasedStateMachine):
    open_empty_store: ClassVar[Callable[[], GraphStore]]

    def __init__(self) -> None:
        super().__init__()
        self.store = type(self).open_empty_store()
        self.models = {NAMESPACE: _Model(), OTHER: _Model()}

    @initialize()
    def put_catalogue(self) -> None:
        for namespace in self.models:
            fill(self.store, namespace, USERS)

    @rule(namespace=_namespaces, user=_users, items=st.lists(st.sampled_from(ITEMS), max_size=5))
    def put_history(self, namespace: str, user: str, items: list[str]) -> None:
        history = History(user, tuple(items))
        self.store.put_histories(namespace, [history])
        self.models[namespace].histories[user] = history
        assert self.store.history(namespace, user) == history

    @rule(namespace=_namespaces, graph=_users.flatmap(any_graph), expected=st.sampled_from((None, "right", "wrong")))
    def replace_graph(self, namespace: str, graph: ReasoningGraph, expected: str | None) -> None:
        model = self.models[namespace]
        newest = model.newest().get(graph.user)
        version = newest.version if newest else 0
        if expected == "wrong":
            with pytest.raises(VersionConflictError):
                self.store.replace_graph(namespace, graph, version + 1)
            return
        new = self.store.replace_graph(namespace, graph, version if expected else None)
        assert new == version + 1
        model.graphs[graph.run, graph.user] = replace(graph, version=new)
        model.drafts.pop((graph.run, graph.user), None)
        model.blocks.pop((graph.run, graph.user), None)

    @rule(namespace=_namespaces, run=_runs)
    def forget_run(self, namespace: str, run: str) -> None:
        model = self.models[namespace]
        there = any(key[0] == run for stored in (model.graphs, model.drafts) for key in stored)
        assert self.store.forget_run(namespace, run) == there
        assert not self.store.graphs(namespace, USERS, run)
        model.forget(lambda of, _: of == run)

    @rule(namespace=_namespaces, user=_users)
    def forget_user(self, namespace: str, user: str) -> None:
        """Who comes back has only a history."""
        model = self.models[namespace]
        assert self.store.forget_user(namespace, user)
        assert user not in self.store.users(namespace)
        model.forget(lambda _, of: of == user)
        model.knowledge = {key: entry for key, entry in model.knowledge.items() if entry.source_user != user}
        model.histories[user] = make_history(user)
        self.store.put_histories(namespace, [make_history(user)])

    @rule(namespace=_namespaces)
    def forget_namespace(self, namespace: str) -> None:
        assert self.store.forget_namespace(namespace)
        assert namespace not in self.store.namespaces()
        self.models[namespace] = _Model()
        fill(self.store, namespace, USERS)

    @rule(
        namespace=_namespaces,
        run=_runs,
        block=_users.flatmap(lambda user: st.tuples(st.just(user), st.lists(any_step(user), max_size=3))),
        length=st.integers(0, 4),
        start=st.sampled_from((None, None, 0, 3)),
        times=st.integers(1, 2),
    )
    def append_draft(
        self, namespace: str, run: str, block: tuple[str, list[Step]], length: int, start: int | None, times: int
    ) -> None:
        """`start`: None where the draft ends, which is where a build goes on."""
        (user, steps), model = block, self.models[namespace]
        drafted, done = model.drafts.get((run, user), (frozenset(), 0))
        start = done if start is None else start
        call = (tuple(steps), start + length, start)
        blocks = model.blocks.setdefault((run, user), set())
        if call not in blocks and done != start:
            with pytest.raises(DraftConflictError):
                self.store.append_draft(namespace, run, user, *call)
            return
        for _ in range(times):
            self.store.append_draft(namespace, run, user, *call)
        if call not in blocks:
            model.drafts[run, user] = (drafted | frozenset(steps), start + length)
            blocks.add(call)

    @rule(namespace=_namespaces, entries=st.lists(any_knowledge(), max_size=4))
    def put_knowledge(self, namespace: str, entries: list[Knowledge]) -> None:
        self.store.put_knowledge(namespace, entries)
        for entry in entries:
            self.models[namespace].put_knowledge(entry)

    @precondition(lambda self: any(model.knowledge for model in self.models.values()))
    @rule(namespace=_namespaces, data=st.data())
    def count_uses(self, namespace: str, data: st.DataObject) -> None:
        keys = sorted({key for model in self.models.values() for key in model.knowledge})
        uses = data.draw(st.dictionaries(st.sampled_from(keys), st.integers(0, 5), max_size=3))
        self.store.count_uses(namespace, uses)
        entries = self.models[namespace].knowledge
        for key in uses.keys() & entries.keys():
            entries[key] = replace(entries[key], uses=entries[key].uses + uses[key])

    @rule(namespace=_namespaces, uses=st.integers(0, 2), score=st.floats(0, 1), dry_run=st.booleans())
    def prune_knowledge(self, namespace: str, uses: int, score: float, dry_run: bool) -> None:
        entries = self.models[namespace].knowledge
        weak = [key for key, entry in entries.items() if entry.uses <= uses and entry.score <= score]
        assert self.store.prune_knowledge(namespace, max_uses=uses, max_score=score, dry_run=dry_run) == len(weak)
        for key in [] if dry_run else weak:
            del entries[key]

    @rule(namespace=_namespaces, of_text=st.dictionaries(st.sampled_from(TEXTS), st.sampled_from(("a", "b", "c")), max_size=3))
    def put_theme_texts(self, namespace: str, of_text: dict[str, str]) -> None:
        self.store.put_theme_texts(namespace, of_text)
        self.models[namespace].theme_texts |= of_text

    @rule(namespace=_namespaces, profile=any_profile())
    def put_profile(self, namespace: str, profile: Profile) -> None:
        self.store.put_profile(namespace, profile)
        self.models[namespace].profiles[profile.source.name] = replace(profile, appeals=strongest(profile.appeals))

    @rule(namespace=_namespaces, source=st.sampled_from(("one", "two")))
    def delete_profile(self, namespace: str, source: str) -> None:
        there = self.models[namespace].profiles.pop(source, None) is not None
        assert self.store.delete_profile(namespace, source) == there

    @rule(namespace=_namespaces)
    def compare(self, namespace: str) -> None:
        store, model = self.store, self.models[namespace]
        assert store.graphs(namespace, USERS) == model.newest()
        for run in RUNS:
            of_run = {user: graph for (of, user), graph in model.graphs.items() if of == run}
            assert store.graphs(namespace, USERS, run) == of_run
            assert store.graphs_by_run(namespace).get(run, 0) == len(of_run)
        assert store.histories(namespace, USERS) == model.histories
        for run in RUNS:
            for user in USERS:
                steps, through = store.draft(namespace, run, user)
                expected, done = model.drafts.get((run, user), (frozenset(), 0))
                assert (in_order(steps), through) == (in_order(expected), done)
        assert store.knowledge(namespace) == [model.knowledge[key] for key in sorted(model.knowledge)]
        best = sorted(model.knowledge.values(), key=lambda entry: (-entry.uses, -entry.score, entry.key))
        assert store.top_knowledge(namespace, 5) == best[:5]
        profiles = tuple(model.profiles[name] for name in sorted(model.profiles))
        assert store.themes(namespace) == Themes(model.theme_texts, profiles)
        graphs, counts = model.newest().values(), store.counts(namespace)
        appeals = [appeal for profile in profiles for appeal in profile.appeals]
        named = {*model.theme_texts.values(), *(appeal.theme for appeal in appeals)}
        assert (counts.themes, counts.appeals) == (len(named), len(appeals))
        assert counts.graphs == len(graphs)
        assert counts.accepted == sum(len(graph.reasoned()) for graph in graphs)
        assert counts.imagined == sum(len(graph.imagined()) for graph in graphs)
        assert counts.rejected == sum(len(graph.rejected()) for graph in graphs)

    def teardown(self) -> None:
        try:
            for namespace in self.models:
                if self.store.items(namespace):
                    self.compare(namespace)
        finally:
            self.store.close()


def make_store_machine(open_empty_store: Callable[[], GraphStore]) -> type[RuleBasedStateMachine]:
    """A machine whose every run opens a store of its own, which must be empty, and closes it."""
    return type("StoreMachine", (_StoreMachine,), {"open_empty_store": staticmethod(open_empty_store)})
