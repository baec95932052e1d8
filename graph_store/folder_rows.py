"""The tables of an export folder: their columns, records to rows, and rows back to records.

A row is a dict of plain values, the same in Parquet and in JSONL.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, Literal, TypeAlias

import pyarrow as pa

from llmrg.core.records import Attributes, History, Item, Knowledge, ReasoningGraph, Run, Step, UserStatus
from llmrg.core.themes import Appeal, Profile, ProfileSource
from llmrg.graph_store.checks import to_json
from llmrg.graph_store.contents import UserContents

Row: TypeAlias = dict[str, Any]
Table = Literal["items", "users", "graphs", "steps", "knowledge", "theme_texts", "profiles", "appeals", "runs", "statuses"]
_SINCE_FORMAT_2: Final[tuple[Table, ...]] = ("theme_texts", "profiles", "appeals")

_TEXT, _WHOLE, _REAL = pa.string(), pa.int64(), pa.float64()
_PAIRS = pa.list_(pa.struct([("name", _TEXT), ("value", _TEXT)]))


def _columns(may_be_missing: tuple[str, ...] = (), **types: Any) -> Any:
    return pa.schema([pa.field(name, kind, nullable=name in may_be_missing) for name, kind in types.items()])


COLUMNS: Mapping[Table, Any] = {
    "items": _columns(id=_TEXT, title=_TEXT, attributes=_PAIRS),
    "users": _columns(id=_TEXT, items=pa.list_(_TEXT), at=pa.list_(_REAL), attributes=_PAIRS, graphs=_WHOLE),
    "graphs": _columns(user=_TEXT, run=_TEXT, steps=_WHOLE),
    "steps": _columns(
        ("cause_position",), user=_TEXT, position=_WHOLE, kind=_TEXT, cause_kind=_TEXT, cause=_TEXT, cause_position=_WHOLE,
        reason=_TEXT, item=_TEXT, score=_REAL, chain=_WHOLE, seen=_WHOLE, accepted=pa.bool_(), why_rejected=_TEXT, origin=_TEXT,
        grounding=_REAL,
    ),
    "knowledge": _columns(
        from_item=_TEXT, reason=_TEXT, to_item=_TEXT, score=_REAL, uses=_WHOLE, source_user=_TEXT, source_position=_WHOLE,
        vector=pa.list_(pa.float32()), mind=_TEXT,
    ),
    "theme_texts": _columns(text=_TEXT, theme=_TEXT),
    "profiles": _columns(source=_TEXT, made=_TEXT, verified=pa.bool_(), note=_TEXT, appeals=_WHOLE),
    "appeals": _columns(source=_TEXT, item=_TEXT, theme=_TEXT, score=_REAL, uses=_WHOLE),
    "runs": _columns(
        ("ended_at",), id=_TEXT, status=_TEXT, settings=_TEXT, costs=_TEXT, started_at=_REAL, ended_at=_REAL, user_statuses=_WHOLE
    ),
    "statuses": _columns(run=_TEXT, user=_TEXT, status=_TEXT, cause=_TEXT),
}  # fmt: skip
"""Table -> its Arrow schema.

`users`, `graphs`, `profiles` and `runs` say how many rows of `graphs`, `steps`, `appeals` and `statuses` are theirs; these stand
in the same order, a user's newest graph last. `settings` and `costs` are JSON.
"""
_USERS_OF_ONE_GRAPH = _columns(
    ("graph_run", "graph_steps"), id=_TEXT, items=pa.list_(_TEXT), at=pa.list_(_REAL), attributes=_PAIRS,
    graph_run=_TEXT, graph_steps=_WHOLE,
)  # fmt: skip
"""Before format 3; a user without a graph has no `graph_run`."""


def columns_of(format_version: int) -> Mapping[Table, Any]:
    """The tables of a folder of this format. Format 1 knew nothing of minds and themes, format 2 one graph a user."""
    if format_version > 2:
        return COLUMNS
    second = {table: columns for table, columns in COLUMNS.items() if table != "graphs"} | {"users": _USERS_OF_ONE_GRAPH}
    if format_version == 2:
        return second
    knowledge = COLUMNS["knowledge"]
    first = {table: columns for table, columns in second.items() if table not in _SINCE_FORMAT_2}
    return first | {"knowledge": knowledge.remove(knowledge.get_field_index("mind"))}


def item_row(item: Item) -> Row:
    return {"id": item.id, "title": item.title, "attributes": _pairs(item.attributes)}


def user_row(history: History, graphs: int) -> Row:
    return {
        "id": history.user,
        "items": list(history.items),
        "at": list(history.at),
        "attributes": _pairs(history.attributes),
        "graphs": graphs,
    }


def graph_row(graph: ReasoningGraph) -> Row:
    return {"user": graph.user, "run": graph.run, "steps": len(graph.steps)}


def step_row(step: Step) -> Row:
    return _fields("steps", step)


def knowledge_row(entry: Knowledge) -> Row:
    return _fields("knowledge", entry) | {"vector": list(entry.vector)}


def theme_text_row(text: str, theme: str) -> Row:
    return {"text": text, "theme": theme}


def profile_row(profile: Profile) -> Row:
    source = profile.source
    row = {"source": source.name, "made": source.made, "verified": source.verified, "note": source.note}
    return row | {"appeals": len(profile.appeals)}


def appeal_row(source: ProfileSource, appeal: Appeal) -> Row:
    return {"source": source.name, "item": appeal.item, "theme": appeal.theme, "score": appeal.score, "uses": appeal.uses}


def run_row(run: Run, statuses: int) -> Row:
    return {
        "id": run.id,
        "status": run.status,
        "settings": to_json(run.settings, "settings"),
        "costs": to_json(run.costs, "costs"),
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "user_statuses": statuses,
    }


def status_row(run: Run, user: str, status: UserStatus, cause: str) -> Row:
    return {"run": run.id, "user": user, "status": status, "cause": cause}


def item_from(row: Row) -> Item:
    return Item(row["id"], row["title"], _attributes(row["attributes"]))


def user_from(row: Row, graphs: Iterator[ReasoningGraph]) -> UserContents:
    """Takes the user's graphs from `graphs`. Raises: ValueError: those are another user's."""
    history = _history_from(row)
    own = tuple(islice(graphs, row["graphs"]))
    if len(own) != row["graphs"] or any(graph.user != history.user for graph in own):
        raise ValueError(f"the {row['graphs']} graphs of user {history.user!r} are not next among the graphs")
    return history, own


def user_of_one_graph(row: Row, steps: Iterator[Step]) -> UserContents:
    """As folders before format 3 had it."""
    if row["graph_run"] is None:
        return _history_from(row), ()
    graph = {"user": row["id"], "run": row["graph_run"], "steps": row["graph_steps"]}
    return _history_from(row), (graph_from(graph, steps),)


def graph_from(row: Row, steps: Iterator[Step]) -> ReasoningGraph:
    """Takes the graph's steps from `steps`. Raises: ValueError: those are another user's."""
    own = tuple(islice(steps, row["steps"]))
    if len(own) != row["steps"] or any(step.user != row["user"] for step in own):
        raise ValueError(f"the {row['steps']} steps of user {row['user']!r} are not next among the steps")
    return ReasoningGraph(row["user"], own, row["run"])


def _history_from(row: Row) -> History:
    return History(row["id"], tuple(row["items"]), tuple(row["at"]), _attributes(row["attributes"]))


def step_from(row: Row) -> Step:
    return Step(**row)


def knowledge_from(row: Row) -> Knowledge:
    return Knowledge(**row | {"vector": tuple(row["vector"])})


def profile_from(row: Row, appeals: Iterator[Row]) -> Profile:
    """Takes the source's appeals from `appeals`. Raises: ValueError: those are another source's."""
    source = ProfileSource(row["source"], row["made"], row["verified"], row["note"])
    own = list(islice(appeals, row["appeals"]))
    if len(own) != row["appeals"] or any(appeal["source"] != source.name for appeal in own):
        raise ValueError(f"the {row['appeals']} appeals of the profile {source.name!r} are not next among the appeals")
    return Profile(source, tuple(Appeal(a["item"], a["theme"], a["score"], a["uses"]) for a in own))


def run_from(row: Row, statuses: Iterator[Row]) -> tuple[Run, dict[str, tuple[UserStatus, str]]]:
    """Takes the statuses of the run from `statuses`. Raises: ValueError: those are another run's."""
    settings, costs = json.loads(row["settings"]), json.loads(row["costs"])
    run = Run(row["id"], row["status"], settings, costs, row["started_at"], row["ended_at"])
    own = list(islice(statuses, row["user_statuses"]))
    if len(own) != row["user_statuses"] or any(status["run"] != run.id for status in own):
        raise ValueError(f"the {row['user_statuses']} user statuses of run {run.id!r} are not next among the statuses")
    return run, {status["user"]: (status["status"], status["cause"]) for status in own}


def _fields(table: Table, record: Step | Knowledge) -> Row:
    return {name: getattr(record, name) for name in COLUMNS[table].names}


def _pairs(attributes: Attributes) -> list[Row]:
    return [{"name": name, "value": value} for name, value in attributes]


def _attributes(pairs: Iterable[Row]) -> Attributes:
    return tuple((pair["name"], pair["value"]) for pair in pairs)
