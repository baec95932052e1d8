"""The bundled demo set is what the simulator makes, and says that its readers are simulated."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from llmrg.core.errors import DataError
from llmrg.data import load_demo, load_truth
from llmrg.data.demo_set import FOLDER
from llmrg.data.truth import PlantedStep, read_truth, write_truth
from llmrg.testing.planted import main

WRITTEN = ("readers.csv", "reader_profiles.csv", "truth.jsonl")


def test_the_files_are_made_again_byte_for_byte(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(FOLDER / "books.csv", tmp_path)
    main(["--write", str(tmp_path)])
    assert "simulated readers" in capsys.readouterr().out
    for name in WRITTEN:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name


def test_sizes_and_words() -> None:
    demo = load_demo()
    assert (demo.name, demo.catalogue.noun, demo.reason_attributes) == ("demo", "book", ("theme",))
    assert (demo.report.users, demo.report.items) == (300, 400)
    assert 3000 <= demo.report.interactions <= 4000
    assert all(8 <= len(history) <= 16 for history in demo.histories.values())
    assert demo.report.duplicates_dropped == demo.report.time_ties == demo.report.items_without_title == 0
    assert any("simulated" in note for note in demo.report.notes)


def test_a_book_has_its_plain_title_author_year_and_themes() -> None:
    book = load_demo().catalogue["treasure-island"]
    assert book.title == "Treasure Island"
    assert book.values("author") == ("Robert Louis Stevenson",)
    assert len(book.values("year")) == 1
    assert "pirates" in book.values("theme")


def test_the_truth_is_about_these_histories() -> None:
    demo, truth = load_demo(), load_truth()
    assert [(step.user, step.position, step.item) for step in truth] == [
        (user, position, item) for user, history in demo.histories.items() for position, item in enumerate(history.items)
    ]


def test_truth_files_that_are_off(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no truth file.*python -m llmrg\.testing\.planted"):
        read_truth(tmp_path / "none.jsonl")
    path = tmp_path / "t.jsonl"
    write_truth(path, [PlantedStep("a", 0, None, None, "x", "noise")])
    assert read_truth(path) == (PlantedStep("a", 0, None, None, "x", "noise"),)
    path.write_text(path.read_text() + '{"user": "a"}\n')
    with pytest.raises(DataError, match="line 2: not a planted step"):
        read_truth(path)


def test_importing_the_room_is_light() -> None:
    code = "import sys, llmrg.data; print([m for m in ('pandas', 'polars', 'narwhals', 'pyarrow', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
