"""Profiles from tables and back, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from llmrg.core.errors import BadRowError, DataError
from llmrg.core.records import Item
from llmrg.core.themes import Appeal, Profile, ProfileSource
from llmrg.data.dataset import Catalogue
from llmrg.data.profile_tables import read_profile, write_profile
from llmrg.data.recorded_profiles import FOLDER, RECORDED

EXPERTS = ProfileSource("experts", "2026-11-30", False, "by hand")


def read(path: Path, text: str, known: Any = ("a", "b"), **options: Any) -> Any:
    path.write_text(text, encoding="utf-8")
    return read_profile(path, EXPERTS, known, **options)


def themes(found: Any) -> dict[str, dict[str, float]]:
    told: dict[str, dict[str, float]] = {}
    for appeal in found.profile.appeals:
        told.setdefault(appeal.item, {})[appeal.theme] = appeal.score
    return told


def test_the_long_form_with_and_without_scores(tmp_path: Path) -> None:
    scored = read(tmp_path / "x.tsv", "Item\tTheme\tScore\na\tsea\t0.25\na\t love  lost \t1\nb\tsea\t1e-3\n")
    assert themes(scored) == {"a": {"sea": 0.25, "love lost": 1.0}, "b": {"sea": 0.001}}
    assert scored.profile.source == EXPERTS
    assert themes(read(tmp_path / "x.csv", 'item,theme\na,"sea, deep"\n')) == {"a": {"sea, deep": 1.0}}


def test_the_wide_form_is_scored_by_order_with_and_without_a_header(tmp_path: Path) -> None:
    expected = {"a": {"sea": 1.0, "pirates": 0.75, "gold": 0.5}, "b": {"love": 1.0}}
    lines = "a\tsea; pirates;; gold ;\nb\tlove\n"
    assert themes(read(tmp_path / "x.tsv", "item_id\tthemes\n" + lines)) == expected
    assert themes(read(tmp_path / "y.tsv", lines)) == expected


def test_unknown_items_are_counted_and_named_and_repeated_rows_keep_the_highest_score(tmp_path: Path) -> None:
    rows = "".join(f"u{n}\tsea\t1\nu{n}\tsky\t1\n" for n in range(9))
    found = read(tmp_path / "x.tsv", "item\ttheme\tscore\na\tsea\t0.2\na\tsea\t0.9\na\tsea\t0.4\n" + rows)
    assert (found.items, found.unknown, found.repeated) == (1, 9, 2)
    assert found.unknown_examples == ("u0", "u1", "u2", "u3", "u4")
    assert themes(found) == {"a": {"sea": 0.9}}


@pytest.mark.parametrize("score", ["-1", "0", "1.5", "nan", "inf", "", "high"])
def test_scores_out_of_range_are_refused_with_line_and_value(score: str, tmp_path: Path) -> None:
    with pytest.raises(BadRowError, match=r"x\.tsv, line 3.*score") as caught:
        read(tmp_path / "x.tsv", f"item\ttheme\tscore\na\tsea\t1\na\tsky\t{score}\n")
    assert caught.value.value == score


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("item\ttheme\na\tsea\n\tsky\n", 3),
        ("item\ttheme\na\t \n", 2),
        ("item\tthemes\na\tsea\nb\t; ;\n", 3),
        ("item\ttheme\na\tsea\tsky\n", 2),
    ],
)
def test_empty_and_broken_rows_are_refused_with_their_line(text: str, line: int, tmp_path: Path) -> None:
    with pytest.raises(BadRowError, match=f"line {line}"):
        read(tmp_path / "x.tsv", text)


def test_other_tables_and_other_items_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="wanted are `item`, `theme`"):
        read(tmp_path / "x.csv", "user,film\na,sea\n")
    with pytest.raises(DataError, match=r"none of its 1 items is in the data set.*'z'.*'a'"):
        read(tmp_path / "x.csv", "item,theme\nz,sea\n")
    with pytest.raises(DataError, match="no rows"):
        read(tmp_path / "x.csv", "item,theme\n")
    with pytest.raises(DataError, match="no file"):
        read_profile(tmp_path / "none.parquet", EXPERTS, ("a",))


@pytest.mark.parametrize("name", ["x.tsv", "x.csv", "x.tsv.gz", "x.parquet"])
def test_what_is_written_is_read_again(name: str, tmp_path: Path) -> None:
    appeals = (Appeal("a", 'a "quoted", theme', 1 / 3), Appeal("a", "sea", 1.0), Appeal("b", "é; not a list", 0.5))
    assert write_profile(tmp_path / "deep" / name, Profile(EXPERTS, appeals)) == 3
    assert read_profile(tmp_path / "deep" / name, EXPERTS, ("a", "b")).profile.appeals == appeals


def test_a_parquet_file_keeps_its_source_and_may_hold_lists(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    write_profile(tmp_path / "x.parquet", Profile(EXPERTS, ()))
    assert pq.read_schema(tmp_path / "x.parquet").metadata[b"llmrg.made"] == b"2026-11-30"
    pq.write_table(pa.table({"item": [1, 2], "themes": [["sea", "sky"], ["love"]]}), tmp_path / "y.parquet")
    assert themes(read_profile(tmp_path / "y.parquet", EXPERTS, ("1", "2"))) == {
        "1": {"sea": 1.0, "sky": 0.5},
        "2": {"love": 1.0},
    }
    pq.write_table(pa.table({"item": ["a"], "theme": ["sea"], "score": [float("nan")]}), tmp_path / "z.parquet")
    with pytest.raises(BadRowError, match="line 1"):
        read_profile(tmp_path / "z.parquet", EXPERTS, ("a",))
    with pytest.raises(DataError, match="name the file so"):
        write_profile(tmp_path / "x.json", Profile(EXPERTS, ()))


# -- recorded films --------------------------------------------------------------------------------------------------------


def test_the_recorded_films_are_whole_and_keep_people_apart() -> None:
    films = RECORDED["films"]
    with gzip.open(films.file, "rt", encoding="utf-8") as file:
        ids = [line.split("\t")[0] for line in file][1:]
    found = read_profile(films.file, EXPERTS, set(ids), item=films.item, lists=films.lists)
    assert (found.items, found.unknown, found.repeated) == (7185, 0, 0)
    matrix = themes(found)["2571"]
    assert (matrix["mind-bending"], matrix["rebels"], matrix["dir:The Wachowskis"], matrix["series:The Matrix"]) == (
        1,
        0.5,
        1,
        0.5,
    )
    text = (FOLDER / "films" / "vocabulary.txt").read_text(encoding="utf-8")
    reasons = {term.strip() for line in text.splitlines() for term in line.partition(":")[2].split(";")}
    people = ("dir:", "with:", "by:", "series:")
    named = {appeal.theme for appeal in found.profile.appeals if not appeal.theme.startswith(people)}
    assert named <= reasons
    assert len(named) > 440


def test_ids_of_another_set_are_refused() -> None:
    films = RECORDED["films"]
    films.check(Catalogue([Item("318", "Shawshank Redemption, The (1994)"), Item("5", "Any")]))
    with pytest.raises(DataError, match="Schindler"):
        films.check(Catalogue([Item("318", "Schindler's List (1993)")]))
