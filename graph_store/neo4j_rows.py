"""Records to the nodes of the Neo4j store, and back.

Every node carries `name`, the caption in Neo4j Browser, and all but those of steps carry `key` (a hash of their kind, namespace
and id: what they are found by), `namespace` and `space` (the namespace's hash: an index holds values of limited length, a
namespace has no limit). There is one node a step, so that a step has only what people look at: it is found through its user.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias, TypeVar

from llmrg.core.records import History, Item, Knowledge, ReasoningGraph, Run, Step, VectorSpace, stable_key
from llmrg.core.themes import Profile, strongest, theme_name
from llmrg.graph_store import packed_profile
from llmrg.graph_store.checks import to_json
from llmrg.graph_store.half_precision import to_half
from llmrg.graph_store.neo4j_labels import Label
from llmrg.graph_store.neo4j_shown import attribute_lists, moment
from llmrg.graph_store.packed_graph import pack, unpack

Row: TypeAlias = dict[str, Any]
T = TypeVar("T")

BATCH: Final = 1000
"""Rows of one UNWIND."""
LOAD: Final = 20_000
"""Rows of one transaction: a server of 1 GB undoes one of 300,000."""
CAPTION: Final = 40
"""Characters of a caption."""
_SIZE: Final = struct.Struct("<I")
"""Bytes of a block of a draft, before it."""
INDEXED: Final = 500
"""Characters of an id that the index on users holds; what comes after is compared outside the index."""


def batches(rows: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Lists of at most `size` rows."""
    left = iter(rows)
    while batch := list(islice(left, size)):
        yield batch


def portions(records: Iterable[T], rows_of: Callable[[T], int]) -> list[list[T]]:
    """Records in lists of at most LOAD rows each, but of one record at least."""
    parts: list[list[T]] = []
    room = 0
    for record in records:
        room -= rows_of(record)
        if room < 0 or not parts:
            parts.append([])
            room = LOAD - rows_of(record)
        parts[-1].append(record)
    return parts


def node_key(label: Label, namespace: str, *parts: object) -> str:
    """What a node is found by."""
    return stable_key(label.value, namespace, *parts)


def space_of(namespace: str) -> str:
    return stable_key("namespace", namespace)


def caption(text: str) -> str:
    """One short line of `text`."""
    line = " ".join(text.split())
    return line if len(line) <= CAPTION else line[: CAPTION - 1] + "…"


def sort_text(text: str) -> str:
    """A text that sorts by UTF-16 units, as the server sorts, like `text` by code points, as Python sorts.

    The two orders differ only where a character beyond U+FFFF meets one from U+E000 on; ordinary ids come back unchanged.
    """
    return "".join(c if c < "\uffff" else f"\uffff{ord(c):06x}" for c in text)


def sort_parts(text: str) -> tuple[str, str]:
    """(start held by the index, the rest), which compare like the whole."""
    sortable = sort_text(text)
    return sortable[:INDEXED], sortable[INDEXED:]


def _node(label: Label, namespace: str, name: str, *parts: object) -> Row:
    key = node_key(label, namespace, *parts)
    return {"key": key, "namespace": namespace, "space": space_of(namespace), "name": caption(name)}


# -- items and users ------------------------------------------------------------------------------------------------------
def item_row(namespace: str, item: Item) -> Row:
    node = _node(Label.ITEM, namespace, item.title or item.id, item.id)
    pairs = {"attributes_json": json.dumps(item.attributes, ensure_ascii=False)} if item.attributes else {}
    return attribute_lists(item.attributes) | node | {"id": item.id, "title": item.title} | pairs


def item_from(record: Row) -> Item:
    """From one property, which has the order and all names."""
    pairs = json.loads(record["attributes_json"] or "[]")
    return Item(record["id"], record["title"], tuple((name, value) for name, value in pairs))


def user_row(namespace: str, history: History) -> Row:
    sort, sort_rest = sort_parts(history.user)
    node = _node(Label.USER, namespace, history.user, history.user)
    return (
        attribute_lists(history.attributes)
        | node
        | {
            "id": history.user,
            "sort": sort,
            "sort_rest": sort_rest,
            "history": json.dumps([history.items, _times(history), history.attributes]),
        }
    )


def taken_rows(namespace: str, history: History) -> list[Row]:
    """The user's TOOK relations."""
    user = node_key(Label.USER, namespace, history.user)
    at = history.at or [None] * len(history.items)
    return [
        {"user": user, "item": node_key(Label.ITEM, namespace, item), "position": i, "at": moment(at[i])}
        for i, item in enumerate(history.items)
    ]


def history_from(record: Row) -> History:
    """From one property, so that a history which is being replaced is never seen half old and half new."""
    items, at, attributes = json.loads(record["history"])
    return History(record["user"], tuple(items), tuple(at), tuple((name, value) for name, value in attributes))


def _times(history: History) -> list[float | None]:
    return [None if at is None else float(at) for at in history.at]


# -- graphs ---------------------------------------------------------------------------------------------------------------
def step_rows(namespace: str, steps: Sequence[Step]) -> list[Row]:
    """For each step its node (`step`), and the keys of the nodes that it is related to, where it has them."""
    items = _Keys(Label.ITEM, namespace)
    return [_accepted(namespace, step, items) if step.accepted else _rejected(step, items) for step in steps]


class _Keys(dict[str, str]):
    """Id -> key of a node of one label, each made once."""

    def __init__(self, label: Label, namespace: str) -> None:
        self._label, self._namespace = label, namespace

    def __missing__(self, name: str) -> str:
        self[name] = key = node_key(self._label, self._namespace, name)
        return key


def _accepted(namespace: str, step: Step, items: _Keys) -> Row:
    own_theme = node_key(Label.THEME, namespace, theme_name(step.reason))
    reused = step.cause_kind == "item" and step.origin == "knowledge"
    return {
        "step": _shown(step) | {"chain": int(step.chain), "origin": step.origin, "wording": wording_of(own_theme)},
        "item": items[step.item],
        "cause": items[step.cause] if step.cause_kind == "item" else None,
        "attribute": node_key(Label.ATTRIBUTE, namespace, step.cause) if step.cause_kind == "attribute" else None,
        "text": node_key(Label.THEME_TEXT, namespace, step.reason),
        "own_theme": own_theme,
        "pair": pair_key(namespace, step.cause, step.item) if reused else None,
    }


def _rejected(step: Step, items: _Keys) -> Row:
    why = {"why_rejected": step.why_rejected, "cause": step.cause or None}
    return {"step": _shown(step) | why, "item": items[step.item]}


def _shown(step: Step) -> Row:
    """What people look at, and no relation says."""
    return {
        "name": step.reason,
        "kind": step.kind,
        "position": int(step.position),
        "score": float(step.score),
        "seen": int(step.seen),
        "grounding": float(step.grounding) if step.kind == "imagined" else None,
    }


def wording_of(theme_key: str) -> int:
    """A theme's key as a number of 64 bits. Each reason carries that of the theme which it is by itself."""
    return int.from_bytes(bytes.fromhex(theme_key[:16]), "big", signed=True)


def packed_row(namespace: str, graph: ReasoningGraph) -> Row:
    return _node(Label.PACKED_GRAPH, namespace, graph.user, graph.user, graph.run) | {
        "user": graph.user,
        "user_key": node_key(Label.USER, namespace, graph.user),
        "run": graph.run,
        "run_key": node_key(Label.RUN, namespace, graph.run),
        "version": graph.version,
        "data": pack(graph),
    }


def sizes_of(graph: ReasoningGraph) -> list[int]:
    """Accepted, rejected, imagined, as `StoreCounts` counts them."""
    return [len(graph.reasoned()), len(graph.rejected()), len(graph.imagined())]


def attribute_row(namespace: str, attribute: str) -> Row:
    return _node(Label.ATTRIBUTE, namespace, attribute, attribute) | {"id": attribute}


# -- drafts ---------------------------------------------------------------------------------------------------------------
def draft_row(namespace: str, run: str, user: str) -> Row:
    return _node(Label.DRAFT, namespace, user, run, user) | {"run": run, "user": user}


def draft_block(run: str, user: str, steps: Sequence[Step]) -> bytes:
    """Size and packed steps: blocks stand one after the other in one property."""
    packed = pack(ReasoningGraph(user, tuple(steps), run))
    return _SIZE.pack(len(packed)) + packed


def block_key(block: bytes, through: int, start: int) -> str:
    """What one call appends to a draft, by which it is known when it comes again."""
    return stable_key("block", int(start), int(through), block.hex())


def draft_steps(user: str, data: bytes) -> tuple[Step, ...]:
    """The steps of all blocks, equal ones once."""
    blocks, begin = [], 0
    while begin < len(data):
        end = begin + _SIZE.size + _SIZE.unpack_from(data, begin)[0]
        blocks.append(data[begin + _SIZE.size : end])
        begin = end
    return tuple(dict.fromkeys(step for block in blocks for step in unpack([block])[user].steps))


# -- knowledge base -------------------------------------------------------------------------------------------------------
def knowledge_row(namespace: str, entry: Knowledge) -> Row:
    node = _node(Label.KNOWLEDGE, namespace, entry.reason, entry.key)
    return node | {
        "id": entry.key,
        "pair": pair_key(namespace, entry.from_item, entry.to_item),
        "target": node_key(Label.ITEM, namespace, entry.to_item),
        "from_item": entry.from_item,
        "reason": entry.reason,
        "to_item": entry.to_item,
        "score": float(entry.score),
        "uses": int(entry.uses),
        "source_user": entry.source_user,
        "source_position": int(entry.source_position),
        "vector": to_half(entry.vector).tolist() if len(entry.vector) else None,
        "mind": entry.mind,
    }


def knowledge_from(record: Row) -> Knowledge:
    fields = {name: record[name] for name in record if name not in ("vector", "cosine")}
    return Knowledge(**fields, vector=tuple(record["vector"] or ()))


def pair_key(namespace: str, from_item: str, to_item: str) -> str:
    return stable_key("pair", namespace, from_item, to_item)


def vector_space_row(namespace: str, space: VectorSpace) -> Row:
    return _node(Label.VECTOR_SPACE, namespace, namespace) | {"encoder": space.encoder, "dimension": int(space.dimension)}


# -- themes and profiles --------------------------------------------------------------------------------------------------
def theme_row(namespace: str, theme: str) -> Row:
    node = _node(Label.THEME, namespace, theme, theme)
    return node | {"id": theme, "wording": wording_of(node["key"])}


def theme_text_row(namespace: str, text: str, theme: str) -> Row:
    return _node(Label.THEME_TEXT, namespace, text, text) | {
        "text": text,
        "theme": theme,
        "theme_key": node_key(Label.THEME, namespace, theme),
        "wording": wording_of(node_key(Label.THEME, namespace, theme_name(text))),
    }


def profile_row(namespace: str, profile: Profile, generation: str) -> Row:
    """Args: generation: another one each time that the profile is put."""
    source, appeals = profile.source, strongest(profile.appeals)
    return _node(Label.PROFILE_SOURCE, namespace, source.name, source.name) | {
        "id": source.name,
        "made": source.made,
        "verified": bool(source.verified),
        "note": source.note,
        "appeals": len(appeals),
        "data": packed_profile.pack(appeals),
        "generation": generation,
    }


def appeal_rows(namespace: str, profile: Profile) -> list[Row]:
    """The profile's relations, in the order in which they are made."""
    name = profile.source.name
    source_key, items, themes = node_key(Label.PROFILE_SOURCE, namespace, name), dict[str, str](), dict[str, str]()
    for appeal in profile.appeals:
        if appeal.item not in items:
            items[appeal.item] = node_key(Label.ITEM, namespace, appeal.item)
        if appeal.theme not in themes:
            themes[appeal.theme] = node_key(Label.THEME, namespace, appeal.theme)
    rows = [
        {
            "item": items[appeal.item],
            "theme": themes[appeal.theme],
            "source_key": source_key,
            "source": name,
            "score": float(appeal.score),
            "uses": int(appeal.uses),
            "namespace": namespace,
            "name": appeal.theme,
        }
        for appeal in profile.appeals
    ]
    return sorted(rows, key=lambda row: (str(row["theme"]), str(row["item"])))


# -- runs -----------------------------------------------------------------------------------------------------------------
def run_row(namespace: str, run: Run) -> Row:
    return (
        _node(Label.RUN, namespace, run.id, run.id)
        | {
            "id": run.id,
            "status": run.status,
            "settings": to_json(run.settings, "settings"),
            "costs": to_json(run.costs, "costs"),
        }
        | run_times(run.started_at, run.ended_at)
    )


def run_times(started_at: float, ended_at: float | None) -> Row:
    """For people, and as exact Unix seconds."""
    seconds = [float(at) for at in (started_at, ended_at) if at is not None]
    return {"started_at": moment(started_at), "ended_at": moment(ended_at), "seconds": seconds}


def run_from(record: Row) -> Run:
    """Its times from `seconds`, which are exact."""
    settings, costs = json.loads(record["settings"]), json.loads(record["costs"])
    started_at, ended_at = (*record["seconds"], None)[:2]
    return Run(record["id"], record["status"], settings, costs, started_at, ended_at)


def status_row(namespace: str, run_id: str, user: str, status: str, cause: str) -> Row:
    run_key = node_key(Label.RUN, namespace, run_id)
    node = _node(Label.USER_STATUS, namespace, user, run_id, user)
    return node | {"run_key": run_key, "run": run_id, "user": user, "status": status, "cause": cause}
