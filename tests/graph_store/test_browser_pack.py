"""The pack for Neo4j Browser as files. No server needed."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from llmrg.core.errors import CallerError
from llmrg.graph_store.browser_pack import SavedQuery, saved_queries, style, write_pack
from llmrg.graph_store.neo4j_labels import Label, Relation

GUIDE = Path(__file__).parents[2] / "docs" / "neo4j_browser.md"


def test_the_style_says_how_each_label_and_relation_kind_looks() -> None:
    blocks = dict(re.findall(r"^((?:node|relationship)\.\w+) \{\n(.*?)^\}", style(), re.MULTILINE | re.DOTALL))
    assert set(blocks) == {f"node.{label}" for label in Label} | {f"relationship.{kind}" for kind in Relation}
    for name, block in blocks.items():
        needed = {"color", "caption", "diameter" if name.startswith("node") else "shaft-width"}
        assert needed <= set(re.findall(r"^  ([\w-]+):", block, re.MULTILINE)), name


@pytest.mark.parametrize("query", saved_queries(), ids=lambda query: query.name)
def test_a_query_is_bounded_named_and_in_the_words_of_the_graph(query: SavedQuery) -> None:
    comments = [line for line in query.text.splitlines() if line.startswith("// ")]
    cypher = "\n".join(line for line in query.text.splitlines() if line not in comments)
    assert re.search(r"\bLIMIT \d+", cypher)
    assert "namespace: $namespace" in cypher
    words = set(re.findall(r"[:|]([A-Za-z_]+)", re.sub(r"\{[^{}]*\}", "", cypher)))
    assert words <= {*Label, *Relation}
    told = comments[-1].removeprefix("// Parameters: ").replace(" (its title)", "").split(", ")
    assert set(told) == set(re.findall(r"\$(\w+)", cypher))
    assert f"**{query.title[3:]}**" in GUIDE.read_text(encoding="utf-8")


def test_the_two_files_to_drop_hold_the_pack(tmp_path: Path) -> None:
    queries, style_file = write_pack(tmp_path / "new" / "folder")
    with zipfile.ZipFile(queries) as packed:
        held = {name: packed.read(name).decode() for name in packed.namelist()}
    assert held == {f"LLMRG/{query.name}.cypher": query.text for query in saved_queries()}
    assert len(held) == 12
    assert style_file.read_text(encoding="utf-8") == style()


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(CallerError, match=r"taken.*name another"):
        write_pack(tmp_path / "taken")
