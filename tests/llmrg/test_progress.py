"""What is told while one waits, and the table as a file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.cli.result_files import check_name, table_text
from llmrg.core.errors import ConfigError
from llmrg.core.interval import Interval
from llmrg.evaluation.comparison import Comparison, Row
from llmrg.evaluation.protocol import ProtocolCard
from llmrg.progress import lines as progress_lines
from llmrg.progress.bars import bars, steps
from llmrg.progress.lines import ProgressLines, line
from llmrg.recommenders import TrainingConfig
from llmrg.recommenders.training import Epoch
from llmrg.sdk import Project


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress_lines, "monotonic", lambda: now[0])
    return now


def test_lines_come_at_sensible_intervals(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLines() as lines:
        task = lines.add_task("users", total=None)
        for second in range(1, 36001):  # ten hours
            clock[0] = second
            lines.update(task, completed=second // 2, total=18000, note=f"{second} steps")
        lines.update(task, completed=18000)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "users 5/18,000, 10 steps, 0:00:10 so far, about 9:59:50 left"
    assert told[-1] == "users 18,000/18,000, 36000 steps, 10:00:00 so far"
    assert 50 < len(told) < 200
    assert sum("18,000/18,000" in one for one in told) == 1


def test_quick_work_is_told_when_it_is_done(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    lines = ProgressLines()
    task = lines.add_task("items", total=3)
    for number in (1, 2, 3):
        lines.update(task, completed=number)
    assert capsys.readouterr().err == "items 3/3, 0:00:00 so far\n"


@given(st.floats(0, 1e6), st.none() | st.floats(0, 1e6), st.floats(0, 1e7))
def test_a_line_can_be_made_of_any_state(completed: float, total: float | None, seconds: float) -> None:
    assert line("x", completed, total, "", seconds).startswith("x ")


def test_a_pipe_gets_lines() -> None:
    assert isinstance(bars(), ProgressLines)


@pytest.fixture
def table() -> Comparison:
    some = {"HR@10": Interval(0.25, 0.2, 0.3), "NDCG@10": Interval(0.125, 0.1, 0.15)}
    rows = (
        Row("popularity", some, {}, 0.5, Interval(-0.01, -0.02, 0.0), 0.031),
        Row("SASRec", some, {}, 0.5, None, None),
        Row("SASRec + 50 % of A&B_c", some, {}, 0.5, Interval(0.02, 0.01, 0.03), 0.0006, True),
    )
    return Comparison(rows, "SASRec", ProtocolCard("books", 30, 100, (0,)))


def test_the_table_for_a_spreadsheet(table: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(table_text(table, Path("t.CSV")))))
    assert [row["recommender"] for row in rows] == [row.name for row in table.rows]
    assert (rows[0]["NDCG@10"], rows[0]["NDCG@10_low"], rows[0]["difference"], rows[0]["p"]) == ("0.125", "0.1", "-0.01", "0.031")
    assert rows[1]["p"] == rows[1]["difference_low"] == ""


def test_the_table_for_a_paper(table: Comparison) -> None:
    text = table_text(table, Path("t.tex"))
    body = [one for one in text.splitlines() if one.endswith(r" \\")]
    assert len(body) == 1 + len(table.rows)
    assert {one.replace(r"\&", "").count("&") for one in body} == {4}
    assert r"50 \% of A\&B\_c & $0.250$ {\scriptsize $[0.200, 0.300]$}" in text
    assert r"$\le 0.0006$" in text
    assert all(one.startswith("%") for one in text.splitlines()[: len(table.card.lines())])


def test_the_table_for_a_script(table: Comparison) -> None:
    assert json.loads(table_text(table, Path("t.json"))) == json.loads(json.dumps(table.to_json()))


@pytest.mark.parametrize("name", ["table.xlsx", "table", "table.md"])
def test_another_kind_of_file_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"\.csv, \.tex, \.json"):
        check_name(Path(name))


def test_rows_and_epochs_are_told_as_they_come(built: Project, capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    names: list[str] = []
    epochs: list[int] = []
    with steps("train and rank", 12) as show:

        def named(name: str) -> None:
            names.append(name)
            show(name)

        def epoch(one: Epoch) -> None:
            epochs.append(one.number)
            clock[0] += 1000
            show.epoch(one)

        what = {"epoch": epoch, "config": TrainingConfig(epochs=2), "again": True}
        found = built.compare(progress=named, ranked=show.ranked, **what)
    told = capsys.readouterr().err
    assert names == [row.name for row in found.rows]
    assert all(f"{row.name}: NDCG@10 {row.metrics['NDCG@10'].value:.4f}" in told for row in found.rows)
    assert {1, 2} <= set(epochs)
    assert "SASRec: epoch 1/2" in told
