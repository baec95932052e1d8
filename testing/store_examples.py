"""Small worlds for tests of a store: ids that break careless code, a catalogue, histories, graphs, knowledge."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from llmrg.core.records import History, Item, Knowledge, ReasoningGraph, Run, Step, VectorSpace, in_order
from llmrg.core.themes import Appeal, Profile, ProfileSource
from llmrg.graph_store.protocol import GraphStore

NAMESPACE = "shop"
OTHER = "other shop"
SEVEN_USERS = tuple(f"user {n}" for n in range(7))
ITEMS = tuple(f"item {n:02}" for n in range(12))

ODD_IDS = {
    "single quote": "O'Brien's",
    "double quotes": 'the "best" item',
    "backslash": "C:\\users\\n\\'",
    "newline": "line one\nline two\r\n\tthree",
    "cypher": "x'}) DETACH DELETE n //",
    "cypher parameter": "$key {id: 1} `label`",
    "sql": "x'; DROP TABLE steps; --",
    "emoji": "🦉👩‍👩‍👧",
    "right to left": "\u202eעברית",
    "combining": "e\u0301 is not é",
    "spaces": "  two before, two after  ",
    "one space": " ",
    "percent": "100%_?*[a-z]",
    "json": '{"a": [1, null]}',
    "number": "007",
    "null word": "NULL",
    "control": "\x01\x1f\x7f\x85\u2028",
    "beyond the BMP": "\U0010fffd\uffff",
    "long": "long id 🦉 " * 500,
}
"""Name -> an id that every store must keep exactly."""


def make_item(item: str, title: str = "A title") -> Item:
    return Item(item, title, (("theme", "space"), ("theme", "time"), ("author", "N. O'Body")))


def make_history(user: str, items: tuple[str, ...] = ITEMS[:8]) -> History:
    return History(user, items, tuple(1.5e9 + n / 3 if n % 3 else None for n in range(len(items))), (("age", "25-34"),))


def fill(store: GraphStore, namespace: str = NAMESPACE, users: tuple[str, ...] = ("ann", "bob")) -> None:
    """The catalogue, and a history of eight items for each user."""
    store.put_items(namespace, [make_item(item, f"Title of {item}") for item in ITEMS])
    store.put_histories(namespace, [make_history(user) for user in users])


def make_step(user: str = "ann", position: int = 1, **changes: Any) -> Step:
    """An accepted reasoned step whose cause is the item before; `changes` replace fields."""
    at: dict[str, Any] = {
        "user": user,
        "position": position,
        "kind": "reasoned",
        "cause_kind": "item",
        "cause": ITEMS[position - 1],
        "cause_position": position - 1,
        "reason": f"reason {position}",
        "item": ITEMS[position],
        "score": 0.75,
        "chain": 0,
        "seen": position + 1,
    }
    return Step(**at | changes)


def make_graph(user: str = "ann", mark: str = "first", run: str = "run 1") -> ReasoningGraph:
    """Every kind of step and cause; `mark` stands in each reason, so that a mixture of two graphs would show."""
    root: dict[str, Any] = {"cause_kind": "root", "cause": "", "cause_position": None}
    steps = [
        make_step(user, 1, reason=f"{mark}: root", **root, score=0.1 + 0.2),
        make_step(user, 2, reason=f"{mark}: attribute", **root | {"cause_kind": "attribute", "cause": "age=25-34"}, chain=1),
        make_step(user, 3, reason=f"{mark}: item", origin="knowledge", score=1.0),
        make_step(user, 5, reason=f"{mark}: block", seen=8, score=1 / 3),
        make_step(user, 6, reason=f"{mark}: no", accepted=False, chain=-1, why_rejected="too vague", score=0.0),
        make_step(user, 8, reason=f"{mark}: imagined", kind="imagined", item=ITEMS[10], seen=8, grounding=0.875),
        make_step(user, 8, reason=f"{mark}: imagined no", kind="imagined", item=ITEMS[11], seen=8, accepted=False, chain=-1),
    ]
    return ReasoningGraph(user, in_order(steps), run)


def make_knowledge(from_item: int = 0, to_item: int = 1, reason: str = "same author", **changes: Any) -> Knowledge:
    at: dict[str, Any] = {"score": 0.5, "source_user": "ann", "source_position": to_item}
    return Knowledge(ITEMS[from_item], reason, ITEMS[to_item], **at | changes)


def make_profile(source: str, size: int, theme: str = "theme") -> Profile:
    """An appeal of one theme each to the first `size` items; at most nine, so that they stand in order."""
    date = "2026-03-01" if source else ""
    appeals = [Appeal(ITEMS[n], f"{theme} {n}", (n + 1) / 10, n) for n in range(size)]
    return Profile(ProfileSource(source, date, size % 2 == 0, "for tests"), tuple(appeals))


def make_run(run: str = "run 1", started_at: float = 1.7e9, **changes: Any) -> Run:
    at: dict[str, Any] = {
        "status": "running",
        "settings": {"mind": "chat/x", "tau": 0.5, "prompts": {"reason": 3}, "deep": [1, None, True, "é'\n"]},
        "costs": {"calls": 12.0, "seconds": 0.1},
    }
    return Run(run, **at | changes, started_at=started_at)


def fill_everything(store: GraphStore, namespace: str = NAMESPACE, users: tuple[str, ...] = ("ann", "bob")) -> None:
    """One of each: the first user has no graph; two profiles; knowledge with vectors, counted; two runs, a failed user."""
    fill(store, namespace, users)
    for user in users[1:]:
        store.replace_graph(namespace, make_graph(user))
    put_themes(store, namespace)
    store.claim_vector_space(namespace, VectorSpace("letters", 2))
    store.put_knowledge(namespace, [make_knowledge(0, n, uses=n, vector=(1.0, n / 8)) for n in range(1, 6)])
    for run in ("run 1", "run 2"):
        store.put_run(namespace, make_run(run))
        store.set_user_status(namespace, run, users[1], "done")
    store.set_user_status(namespace, "run 1", users[0], "failed", "no reply")


def put_themes(store: GraphStore, namespace: str = NAMESPACE) -> None:
    """Two wordings, two profiles; four themes in all."""
    store.put_theme_texts(namespace, {"first: root": "a root", "first: item": "theme 1"})
    store.put_profile(namespace, make_profile("recorded", 3))
    store.put_profile(namespace, make_profile("steps", 2))


# -- for property tests ---------------------------------------------------------------------------------------------------
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


@st.composite
def any_step(draw: st.DrawFn, user: str) -> Step:
    """Any step that a graph of `user` may hold, over `ITEMS`."""
    kind = draw(st.sampled_from(("reasoned", "imagined")))
    position = draw(st.integers(0, 9))
    cause_kind = draw(st.sampled_from(("item", "attribute", "root") if position else ("attribute", "root")))
    accepted = draw(st.booleans())
    unit = st.floats(0.0, 1.0)
    return make_step(
        user,
        position,
        kind=kind,
        cause_kind=cause_kind,
        cause={"item": draw(st.sampled_from(ITEMS)), "attribute": draw(texts), "root": ""}[cause_kind],
        cause_position=draw(st.integers(0, position - 1)) if cause_kind == "item" else None,
        reason=draw(texts),
        item=draw(st.sampled_from(ITEMS)),
        score=draw(unit),
        chain=draw(st.integers(0, 5)) if accepted else -1,
        seen=position + (kind == "reasoned") + draw(st.integers(0, 3)),
        accepted=accepted,
        why_rejected="" if accepted else draw(texts),
        origin=draw(st.sampled_from(("model", "knowledge"))),
        grounding=draw(unit),
    )


@st.composite
def any_graph(draw: st.DrawFn, user: str, runs: tuple[str, ...] = ("run 1", "run 2")) -> ReasoningGraph:
    """Up to six steps that differ in what they say, in order."""
    steps = draw(st.lists(any_step(user), max_size=6, unique_by=lambda step: step.key))
    return ReasoningGraph(user, in_order(steps), draw(st.sampled_from(runs)))


@st.composite
def any_profile(draw: st.DrawFn) -> Profile:
    """Few sources, items and themes, so that they meet again."""
    named = st.tuples(st.sampled_from(ITEMS[:4]), st.sampled_from(("a", "b", "it's", "first: item")))
    score = st.floats(0.0, 1.0, exclude_min=True)
    appeals = [Appeal(*draw(named), draw(score), draw(st.integers(0, 3))) for _ in range(draw(st.integers(0, 5)))]
    source = ProfileSource(draw(st.sampled_from(("one", "two"))), draw(texts), draw(st.booleans()), draw(texts))
    return Profile(source, tuple({(a.item, a.theme): a for a in appeals}.values()))


@st.composite
def any_knowledge(draw: st.DrawFn) -> Knowledge:
    """Few pairs and reasons, so that entries meet again; vectors of dimension 3, or none."""
    vector = draw(st.sampled_from(((), (1.0, 0.0, 0.0), (0.0, 0.5, 0.25), (-0.5, 0.5, 0.0))))
    return make_knowledge(
        draw(st.integers(0, 2)),
        draw(st.integers(0, 2)),
        draw(st.sampled_from(("a", "b", "it's"))),
        score=draw(st.floats(0.0, 1.0)),
        uses=draw(st.integers(0, 3)),
        source_user=draw(st.sampled_from(("ann", "bob", ""))),
        source_position=draw(st.integers(0, 9)),
        vector=vector,
        mind=draw(st.sampled_from(("", "ours"))),
    )
