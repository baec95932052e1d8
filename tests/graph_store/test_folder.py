"""From a store into a folder of open files and back; and what is refused."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmrg.core.errors import NotAStoreError, StoreError, StoreVersionError
from llmrg.core.records import History, Item, Knowledge, ReasoningGraph, Run
from llmrg.core.themes import Appeal, Profile, ProfileSource, Themes
from llmrg.graph_store import GraphStore, contents, folder, open_store
from llmrg.graph_store.compare import CopyReport, copy_contents, differences
from llmrg.graph_store.contents import filled
from llmrg.graph_store.folder import export_folder, open_folder
from llmrg.graph_store.folder_files import FileFormat
from llmrg.testing.store_examples import (
    ITEMS,
    NAMESPACE,
    ODD_IDS,
    SEVEN_USERS,
    any_graph,
    any_knowledge,
    any_profile,
    make_graph,
    make_history,
    make_item,
    make_step,
    texts,
)

FORMATS: tuple[FileFormat, ...] = ("parquet", "jsonl")


only_parquet = pytest.mark.parametrize("files", ["parquet"])
only_jsonl = pytest.mark.parametrize("files", ["jsonl"])


@pytest.fixture(params=FORMATS)
def files(request: pytest.FixtureRequest) -> FileFormat:
    chosen: FileFormat = request.param
    return chosen


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "PAGE", 3)
    monkeypatch.setattr(folder, "PAGE", 2)


@pytest.fixture
def exported(source: GraphStore, tmp_path: Path, files: FileFormat) -> Path:
    path = tmp_path / "export"
    export_folder(filled(source, NAMESPACE), path, files)
    return path


def test_store_to_folder_to_store_is_equal(source: GraphStore, target: GraphStore, tmp_path: Path, files: FileFormat) -> None:
    path, told = tmp_path / "new" / "export", list[tuple[str, int, int]]()
    manifest = export_folder(filled(source, NAMESPACE), path, files, lambda *news: told.append(news))
    themes = {"theme_texts": 2, "profiles": 2, "appeals": 5}
    assert manifest.rows == {"items": 12, "users": 7, "graphs": 6, "steps": 42, "knowledge": 5, "runs": 2, "statuses": 3} | themes
    assert told == [("users", 3, 7), ("users", 6, 7), ("users", 7, 7), ("knowledge", 3, 5), ("knowledge", 5, 5)]
    assert sorted(p.name for p in path.iterdir()) == sorted([*(f"{table}.{files}" for table in manifest.rows), "manifest.json"])

    report = copy_contents(open_folder(path), target, NAMESPACE)
    assert report == CopyReport(
        items=12, histories=7, graphs=6, knowledge=5, runs=2, theme_texts=2, profiles=2, users_equal=0
    )  # fmt: skip
    assert list(differences(source, target, NAMESPACE)) == []
    assert target.user_statuses(NAMESPACE, "run 1") == {SEVEN_USERS[0]: ("failed", "no reply"), SEVEN_USERS[1]: ("done", "")}


def test_importing_again_writes_nothing_and_another_name_is_another_data_set(
    source: GraphStore, target: GraphStore, exported: Path
) -> None:
    copy_contents(open_folder(exported), target, NAMESPACE)
    again = copy_contents(open_folder(exported), target, NAMESPACE)
    assert again == CopyReport(items=0, histories=0, graphs=0, knowledge=0, runs=0, theme_texts=0, profiles=0, users_equal=7)
    assert target.graph(NAMESPACE, SEVEN_USERS[1]).version == 1
    copy_contents(open_folder(exported), target, "renamed")
    assert target.graphs("renamed", SEVEN_USERS) == source.graphs(NAMESPACE, SEVEN_USERS)


def test_odd_ids_come_back(target: GraphStore, tmp_path: Path, files: FileFormat) -> None:
    odd = tuple(ODD_IDS.values())
    with open_store(f"sqlite:///{tmp_path}/odd.db") as source:
        source.put_items(NAMESPACE, [make_item(item, title=item) for item in (*odd, *ITEMS)])
        source.put_histories(NAMESPACE, [make_history(user, odd) for user in odd])
        for user, item in zip(odd, reversed(odd), strict=True):
            step = make_step(user, reason=item, cause=user, item=item)
            source.replace_graph(NAMESPACE, ReasoningGraph(user, (step, step, replace(step, chain=1)), run=item))
            source.put_knowledge(NAMESPACE, [Knowledge(user, item, user, 0.1 + 0.2, source_user=user)])
            if user.strip():
                source.put_theme_texts(NAMESPACE, {user: user})
                source.put_profile(NAMESPACE, Profile(ProfileSource(user, item, note=item), (Appeal(item, user, 0.1 + 0.2, 7),)))
            source.put_run(NAMESPACE, Run(user, "done", {item: item}, {}, 1.0))
            source.set_user_status(NAMESPACE, user, item, "failed", user)
        export_folder(filled(source, NAMESPACE), tmp_path / "export", files)
        copy_contents(open_folder(tmp_path / "export"), target, NAMESPACE)
        assert list(differences(source, target, NAMESPACE)) == []
        assert target.graph(NAMESPACE, odd[0]).steps == source.graph(NAMESPACE, odd[0]).steps
        assert target.counts(NAMESPACE) == source.counts(NAMESPACE)


numbers = itertools.count()
ids = texts.filter(bool)
pairs = st.lists(st.tuples(texts, texts), max_size=2).map(tuple)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_anything_a_store_holds_comes_back(
    source: GraphStore, target: GraphStore, tmp_path: Path, files: FileFormat, data: st.DataObject
) -> None:
    namespace = f"{data.draw(texts)} {next(numbers)}"
    items = data.draw(st.lists(st.builds(Item, ids, texts, pairs), max_size=4, unique_by=lambda item: item.id))
    source.put_items(namespace, [*(make_item(item) for item in ITEMS), *items])
    known = [*ITEMS, *(item.id for item in items)]
    for user in data.draw(st.lists(ids, max_size=4, unique=True)):
        taken = tuple(data.draw(st.lists(st.sampled_from(known), max_size=5)))
        times = st.none() | st.floats(allow_nan=False, allow_infinity=False)
        at = tuple(data.draw(times) for _ in taken) if data.draw(st.booleans()) else ()
        source.put_histories(namespace, [History(user, taken, at, data.draw(pairs))])
        if data.draw(st.booleans()):
            source.replace_graph(namespace, data.draw(any_graph(user)))
    source.put_knowledge(namespace, data.draw(st.lists(any_knowledge(), max_size=4)))
    words = texts.filter(str.strip)
    source.put_theme_texts(namespace, data.draw(st.dictionaries(words, words, max_size=3)))
    for profile in data.draw(st.lists(any_profile(), max_size=2)):
        source.put_profile(namespace, profile)

    path = tmp_path / str(next(numbers))
    export_folder(filled(source, namespace), path, files)
    assert open_folder(path).namespace == namespace
    copy_contents(open_folder(path), target, namespace)
    assert list(differences(source, target, namespace)) == []
    shutil.rmtree(path)


def rewrite(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change each row of a table."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([change(row) for row in pq.read_table(path).to_pylist()]), path)
    else:
        rows = [change(json.loads(line)) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


@pytest.fixture
def second(exported: Path, files: FileFormat) -> Path:
    """An export of format 2, which held one graph a user."""
    (exported / f"graphs.{files}").unlink()
    graphs = {True: {"graph_run": "run 1", "graph_steps": 7}, False: {"graph_run": None, "graph_steps": None}}
    rewrite(exported / f"users.{files}", lambda row: without(row, "graphs") | graphs[row["graphs"] > 0])
    rows = json.loads((exported / "manifest.json").read_text())["rows"]
    change_manifest(exported, format_version=2, rows=without(rows, "graphs"))
    return exported


def test_a_folder_of_format_2_is_read(source: GraphStore, target: GraphStore, second: Path) -> None:
    copy_contents(open_folder(second), target, NAMESPACE)
    assert list(differences(source, target, NAMESPACE)) == []


def test_a_folder_of_format_1_has_no_themes_and_is_read(
    source: GraphStore, target: GraphStore, second: Path, files: FileFormat
) -> None:
    for table in ("theme_texts", "profiles", "appeals"):
        (second / f"{table}.{files}").unlink()
    rewrite(second / f"knowledge.{files}", lambda row: without(row, "mind"))
    rows = json.loads((second / "manifest.json").read_text())["rows"]
    change_manifest(second, format_version=1, rows=without(rows, "theme_texts", "profiles", "appeals"))
    report = copy_contents(open_folder(second), target, NAMESPACE)
    assert (report.knowledge, report.graphs, report.theme_texts, report.profiles) == (5, 6, 0, 0)
    assert target.knowledge(NAMESPACE) == source.knowledge(NAMESPACE)
    assert target.themes(NAMESPACE) == Themes()


def test_graphs_of_all_runs_come_back_and_the_newest_is_the_newest(
    source: GraphStore, target: GraphStore, tmp_path: Path, files: FileFormat
) -> None:
    user = SEVEN_USERS[1]
    for run in ("run 2", "run 3", "run 1"):
        source.replace_graph(NAMESPACE, make_graph(user, mark=run, run=run))
    export_folder(filled(source, NAMESPACE), tmp_path / "export", files)
    target.put_items(NAMESPACE, source.items(NAMESPACE))
    target.put_histories(NAMESPACE, [make_history(user)])
    for run in ("run 1", "run 2", "only in the target"):
        target.replace_graph(NAMESPACE, make_graph(user, mark=run, run=run))
    copy_contents(open_folder(tmp_path / "export"), target, NAMESPACE)
    assert target.graph(NAMESPACE, user).run == "run 1"
    for run in ("run 1", "run 2", "run 3", "only in the target"):
        assert target.graph(NAMESPACE, user, run).steps == make_graph(user, mark=run).steps
    assert copy_contents(open_folder(tmp_path / "export"), target, NAMESPACE).graphs == 0


def test_one_run_alone_is_exported(source: GraphStore, target: GraphStore, tmp_path: Path, files: FileFormat) -> None:
    source.replace_graph(NAMESPACE, make_graph(SEVEN_USERS[1], mark="second", run="run 2"))
    export_folder(filled(source, NAMESPACE, "run 2"), tmp_path / "export", files)
    copy_contents(open_folder(tmp_path / "export"), target, NAMESPACE)
    assert target.graphs_by_run(NAMESPACE) == {"run 2": 1}
    assert [run.id for run in target.runs(NAMESPACE)] == ["run 2"]
    assert len(target.users(NAMESPACE)) == 7


def test_vectors_are_kept_as_32_bit_floats(source: GraphStore, exported: Path, files: FileFormat) -> None:
    read = [entry for page in open_folder(exported).knowledge() for entry in page]
    assert read == source.knowledge(NAMESPACE)
    if files == "parquet":
        assert pq.read_table(exported / "knowledge.parquet")["vector"].type.value_type == "float"


# -- where an export may go -----------------------------------------------------------------------------------------------
def test_nothing_is_overwritten(source: GraphStore, exported: Path, tmp_path: Path, files: FileFormat) -> None:
    before = {path: path.read_bytes() for path in exported.iterdir()}
    with pytest.raises(NotAStoreError, match="holds a whole export already"):
        export_folder(filled(source, NAMESPACE), exported, files)
    assert {path: path.read_bytes() for path in exported.iterdir()} == before

    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / f"items.{files}").write_text("my own")
    with pytest.raises(NotAStoreError, match=rf"holds something else \('items.{files}'\)"):
        export_folder(filled(source, NAMESPACE), mine, files)
    assert (mine / f"items.{files}").read_text() == "my own"
    with pytest.raises(NotAStoreError, match="is a file"):
        export_folder(filled(source, NAMESPACE), mine / f"items.{files}", files)


def test_an_interrupted_export_does_not_look_whole_and_can_be_repeated(
    source: GraphStore, target: GraphStore, tmp_path: Path, files: FileFormat
) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if what == "knowledge":
            raise KeyboardInterrupt

    path = tmp_path / "export"
    with pytest.raises(KeyboardInterrupt):
        export_folder(filled(source, NAMESPACE), path, "jsonl", stop)
    with pytest.raises(NotAStoreError, match="did not finish; repeat it"):
        open_folder(path)
    export_folder(filled(source, NAMESPACE), path, files)
    copy_contents(open_folder(path), target, NAMESPACE)
    assert list(differences(source, target, NAMESPACE)) == []
    assert len(list(path.iterdir())) == 11


def test_a_folder_that_cannot_be_made_is_told(source: GraphStore, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot export into"):
        export_folder(filled(source, NAMESPACE), tmp_path / "file" / "export")


def test_an_empty_namespace_is_told(source: GraphStore) -> None:
    with pytest.raises(StoreError, match=r"source\.db holds nothing of 'shopp'"):
        filled(source, "shopp")


def test_what_a_builder_adds_meanwhile_does_not_break_the_export(source: GraphStore, target: GraphStore, tmp_path: Path) -> None:
    def build(what: str, done: int, total: int) -> None:
        if (what, done) == ("users", 3):
            source.put_items(NAMESPACE, [make_item("late")])
            source.put_histories(NAMESPACE, [make_history("user late", ("late",))])
            source.replace_graph(NAMESPACE, make_graph(SEVEN_USERS[0], mark="late"))

    export_folder(filled(source, NAMESPACE), tmp_path / "export", progress=build)
    copy_contents(open_folder(tmp_path / "export"), target, NAMESPACE)
    assert target.history(NAMESPACE, "user late").items == ("late",)


# -- what an import refuses -----------------------------------------------------------------------------------------------
def change_manifest(path: Path, **changes: object) -> None:
    manifest = path / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (lambda path: shutil.rmtree(path), NotAStoreError, "there is no folder"),
        (lambda path: (path / "manifest.json").unlink(), NotAStoreError, r"has no manifest\.json, so it is not an export"),
        (lambda path: (path / "manifest.json").write_text('{"name": "x"'), NotAStoreError, "is damaged or not of an export"),
        (lambda path: (path / "manifest.json").write_text('{"name": "x"}'), NotAStoreError, "is damaged or not of an export"),
        (lambda path: (path / "manifest.json").write_text("[]"), NotAStoreError, "is damaged or not of an export"),
        (lambda path: change_manifest(path, format="other", format_version=9), NotAStoreError, "damaged or not of an export"),
        (lambda path: change_manifest(path, format_version=4, files="x"), StoreVersionError, "has format 4, .* update llmrg"),
        (lambda path: change_manifest(path, rows={"items": 12}), NotAStoreError, "has 7 rows where the manifest says None"),
    ],
)
def test_a_folder_that_is_no_whole_export_is_refused(
    exported: Path, damage: Callable[[Path], object], error: type[Exception], words: str
) -> None:
    damage(exported)
    with pytest.raises(error, match=words):
        open_folder(exported)


def test_a_missing_or_short_file_is_refused_before_anything_is_written(exported: Path, files: FileFormat) -> None:
    steps = exported / f"steps.{files}"
    whole = steps.read_bytes()
    steps.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NotAStoreError, match=rf"steps\.{files} (is damaged|has \d+ rows where the manifest says 42)"):
        open_folder(exported)
    steps.unlink()
    with pytest.raises(NotAStoreError, match=rf"steps\.{files} is missing"):
        open_folder(exported)


def test_a_damaged_byte_is_found(exported: Path, target: GraphStore, files: FileFormat) -> None:
    """In a page of Parquet by its checksum; in JSONL by the text that is none."""
    steps = exported / f"steps.{files}"
    data = bytearray(steps.read_bytes())
    middle = pq.ParquetFile(steps).metadata.row_group(0).column(6).data_page_offset + 60 if files == "parquet" else 300
    data[middle] = data[middle] ^ 0xFF
    steps.write_bytes(data)
    with pytest.raises(NotAStoreError, match=rf"steps\.{files} is damaged or was changed"):
        copy_contents(open_folder(exported), target, NAMESPACE)


@only_jsonl
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"score": 0.75', '"score": 7.5', r"step score must be in \[0, 1\], not 7\.5"),
        ('"position": 5,', '"position": "five",', "five"),
        ('"position": 5,', '"position": 50000000000000000000,', "is damaged or was changed"),
        ('"seen": 8, ', "", "the columns are accepted,"),
        ('"reason": "first: root"', '"reason": null', "a value of column 'reason' is missing"),
        ('{"user": "user 3", "position": 5', '{"user": "user 3" "position": 5', "line 18 is not JSON"),
        ('{"user": "user 3"', '{"user": "user 4"', "steps of user 'user 3' are not next among the steps"),
    ],
)
def test_changed_rows_are_told(exported: Path, target: GraphStore, old: str, new: str, words: str) -> None:
    steps = exported / "steps.jsonl"
    changed = steps.read_text().replace(old, new)
    assert changed != steps.read_text()
    steps.write_text(changed)
    with pytest.raises(NotAStoreError, match=words):
        copy_contents(open_folder(exported), target, NAMESPACE)


@only_parquet
def test_a_parquet_file_with_other_columns_is_told(exported: Path, target: GraphStore) -> None:
    pq.write_table(pq.read_table(exported / "items.parquet").drop(["title"]), exported / "items.parquet")
    with pytest.raises(NotAStoreError, match=r"items\.parquet .*the columns are attributes, id, not attributes, id, title"):
        copy_contents(open_folder(exported), target, NAMESPACE)
    assert target.counts(NAMESPACE).items == 0


@only_parquet
def test_a_parquet_file_written_by_another_tool_is_read(source: GraphStore, exported: Path, target: GraphStore) -> None:
    polars = pytest.importorskip("polars")
    for path in exported.glob("*.parquet"):
        polars.read_parquet(path).write_parquet(path)
    copy_contents(open_folder(exported), target, NAMESPACE)
    assert list(differences(source, target, NAMESPACE)) == []
