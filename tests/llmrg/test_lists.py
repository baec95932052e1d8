"""Recommendations for all users in one file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from llmrg.cli.main import app
from llmrg.core.errors import ConfigError
from llmrg.sdk import Project


def rows_of(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return [{**row, "rank": int(row["rank"]), "score": float(row["score"])} for row in csv.DictReader(file)]


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_every_user_gets_the_list_that_recommend_gives(built: Project, tmp_path: Path, ending: str) -> None:
    told: list[tuple[int, int]] = []
    path = built.recommend_all(tmp_path / f"lists.{ending}", k=4, progress=lambda *event: told.append(event))
    rows, users = rows_of(path), list(built.dataset.histories)
    assert [row["user"] for row in rows] == [user for user in users for _ in range(4)]
    assert told[-1] == (len(users), len(users))
    for user in users[:3]:
        own = [row for row in rows if row["user"] == user]
        expected = built.recommend(user, k=4)
        assert [(row["rank"], row["item"], row["title"]) for row in own] == [(s.rank, s.item, s.title) for s in expected]
        assert [row["score"] for row in own] == pytest.approx([s.score for s in expected], rel=1e-4)


def test_the_reasons_are_those_of_recommend(built: Project, tmp_path: Path) -> None:
    user = next(iter(built.dataset.histories))
    rows = rows_of(built.recommend_all(tmp_path / "lists.jsonl", k=3, users=[user], why=True))
    expected = ["; ".join(s.why.lines(built.dataset.catalogue, most=1)) for s in built.recommend(user, k=3)]
    assert [row["why"] for row in rows] == expected
    assert all(expected)


def test_a_file_is_whole_or_as_it_was(built: Project, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("llmrg.lists.BATCH", 20)
    path = built.recommend_all(tmp_path / "lists.csv", k=2)
    before = path.read_text()

    def fail(done: int, total: int) -> None:
        if done >= 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built.recommend_all(path, k=5, progress=fail)
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["lists.csv"]


def test_names_and_options_that_mean_nothing_are_refused(built: Project, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.parquet, \.csv, \.jsonl"):
        built.recommend_all(tmp_path / "lists.xlsx")
    for words, said in (
        (["--all"], "--output recs.parquet"),
        (["--all", "reader-001", "--output", "recs.csv"], "leave out 'reader-001'"),
        (["reader-001", "--output", "recs.csv"], "add --all"),
        (["reader-001", "--ray"], "add --all"),
    ):
        done = CliRunner().invoke(app, ["recommend", *words, "--home", str(tmp_path)])
        assert said in str(done.exception), words
