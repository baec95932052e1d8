"""The Cypher texts: closed labels and relation kinds, values as parameters only. No server needed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from llmrg.graph_store import (
    neo4j_cypher,
    neo4j_cypher_forget,
    neo4j_cypher_integrity,
    neo4j_cypher_knowledge,
    neo4j_cypher_migrations,
    neo4j_cypher_themes,
    neo4j_migrations,
    neo4j_rows,
)
from llmrg.graph_store.neo4j_labels import Label, Relation

MODULES = (
    neo4j_cypher, neo4j_cypher_forget, neo4j_cypher_integrity, neo4j_cypher_knowledge, neo4j_cypher_migrations,
    neo4j_cypher_themes,
)  # fmt: skip
TEXTS = {name: text for module in MODULES for name, text in vars(module).items() if name.isupper()}
SCHEMA = neo4j_migrations.statements()
ROOM = Path(neo4j_cypher.__file__).resolve().parent


def test_texts_are_plain_literals() -> None:
    parsed = [ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")) for module in MODULES]
    values = [node.value for module in parsed for node in module.body if isinstance(node, ast.AnnAssign)]
    assert len(values) == len(TEXTS) > 40
    assert all(isinstance(value, ast.Constant) for value in values)


def test_queries_are_run_by_name_only() -> None:
    """Nothing but a constant of the Cypher module (or a parameter that is passed one on) is handed to the driver."""
    for path in ROOM.glob("neo4j_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "run" and node.args:
                first = node.args[0]
                assert isinstance(first, ast.Attribute | ast.Name), f"{path.name}:{node.lineno}"
                assert re.match(r"cypher(_\w+)?\.", ast.unparse(first)) or ast.unparse(first) == "statement", (
                    f"{path.name}:{node.lineno}"
                )


@pytest.mark.parametrize("text", [*TEXTS.values(), *SCHEMA])
def test_labels_and_relation_kinds_are_from_the_closed_lists(text: str) -> None:
    words = set(re.findall(r"[:|]([A-Za-z_]+)", re.sub(r"\{[^{}]*\}", "", text)))
    assert words <= {*Label, *Relation}, words


@pytest.mark.parametrize("name", TEXTS)
def test_values_are_parameters(name: str) -> None:
    literals = re.findall(r"'[^']*'|\"[^\"]*\"", TEXTS[name])
    assert set(literals) <= {"'schema'", "'LLMRG schema'", "'Neo4j Kernel'", "'reasoned'", "'imagined'"}


def test_every_label_has_a_key_constraint() -> None:
    """But those of steps, which are found through their users."""
    constrained = {found[1] for text in SCHEMA if (found := re.search(r"FOR \(n:(\w+)\) REQUIRE n\.key IS UNIQUE", text))}
    assert constrained == set(Label) - {Label.REASON, Label.REJECTED_REASON}


def test_the_graph_text_returns_the_fields_of_a_step_in_order() -> None:
    columns = re.search(r"collect\(\[(.*?)\]\)", neo4j_cypher_migrations.STEPS_OF_NODES, re.DOTALL)
    assert columns
    fields = list(neo4j_rows.Step.__dataclass_fields__)
    assert ["user", *re.findall(r"s\.(\w+)", columns[1])] == fields


def test_the_lock_is_a_constant_set() -> None:
    """A statement that reads what it then writes lets two writers share the read and deadlock over the write."""
    assert neo4j_cypher.LOCK_USER.strip() == "MATCH (u:User {key: $key})\nSET u.space = $space"


@pytest.mark.parametrize("text", ["a", "￦", "😀", "\uffff", "\uffffz", "zz", "", "a\x00b", "￦😀", "😀￦"])
def test_sort_text_sorts_utf16_like_code_points(text: str) -> None:
    for other in ["a", "￦", "😀", "\uffff", "", "\ue000", "\ud7ff", "😁"]:
        by_units = neo4j_rows.sort_text(text).encode("utf-16-be") < neo4j_rows.sort_text(other).encode("utf-16-be")
        assert by_units == (text < other), (text, other)


def test_sort_parts_compare_like_the_whole() -> None:
    long = "x" * neo4j_rows.INDEXED
    names = [long + "b", long, long + "a", long[:-1] + "y", "w"]
    assert sorted(names, key=neo4j_rows.sort_parts) == sorted(names)


@pytest.mark.parametrize(("text", "short"), [("a\n b", "a b"), ("x" * 41, "x" * 39 + "…"), ("", "")])
def test_captions_are_one_short_line(text: str, short: str) -> None:
    assert neo4j_rows.caption(text) == short
