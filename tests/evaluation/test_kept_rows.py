"""A table goes on where it stopped, and takes no row of other data, graphs or settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from llmrg.core.records import History
from llmrg.core.themes import Appeal, Profile, ProfileSource, Themes
from llmrg.data.dataset import Dataset
from llmrg.encoders.text import HashedVectors
from llmrg.evaluation.comparison import Comparison
from llmrg.evaluation.experiment import Experiment, run_experiment
from llmrg.evaluation.kept_rows import KeptRows
from llmrg.recommenders import GraphOptions, RunOptions, TrainingConfig
from llmrg.recommenders.training import Epoch
from llmrg.testing.recommender_suite import cycle_graphs, cycle_world

WORLD = cycle_world(24)
ROWS = 13


def experiment(epoch: Callable[[Epoch], None] | None = None, **changes: Any) -> Experiment:
    made = Experiment(
        WORLD,
        cycle_graphs(WORLD),
        HashedVectors(),
        training=TrainingConfig(epochs=3),
        options=RunOptions(threads=1, progress=epoch),
        release="1",
    )
    return replace(made, **changes)


@dataclass
class Told:
    """What a run said of itself, and a table that stops where it is asked to."""

    names: list[str] = field(default_factory=list)
    kept: tuple[int, int] = (0, 0)
    warnings: list[str] = field(default_factory=list)
    stop_at: str = ""

    def name(self, name: str) -> None:
        if name == self.stop_at:
            raise KeyboardInterrupt
        self.names.append(name)

    def count(self, number: int, of: int) -> None:
        self.kept = number, of

    def table(self, folder: Path, made: Experiment, **options: Any) -> Comparison:
        rows = KeptRows(folder, self.warnings.append)
        return run_experiment(made, progress=self.name, kept=self.count, rows=rows, **options)


@pytest.fixture(scope="module")
def undisturbed() -> Comparison:
    """The table of a run that keeps nothing."""
    return run_experiment(experiment())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all rows are kept; tests only read it."""
    folder = tmp_path_factory.mktemp("rows")
    Told().table(folder, experiment())
    return folder


@pytest.mark.parametrize("stop_at", ["popularity", "SASRec + rules", "SASRec + reasoning graph"])
def test_a_table_that_was_cut_short_goes_on_and_comes_to_the_same(tmp_path: Path, undisturbed: Comparison, stop_at: str) -> None:
    first, second = Told(stop_at=stop_at), Told()
    with pytest.raises(KeyboardInterrupt):
        first.table(tmp_path, experiment())
    table = second.table(tmp_path, experiment())
    assert second.names[0] == stop_at
    assert first.names + second.names == [row.name for row in table.rows]
    assert second.kept == (len(first.names), ROWS)
    assert table == undisturbed


def test_a_training_that_was_cut_short_goes_on_after_its_last_epoch(tmp_path: Path, undisturbed: Comparison) -> None:
    counts = {"first": 0, "second": 0}

    def interrupted(epoch: Epoch) -> None:
        counts["first"] += 1
        if counts["first"] == 8:
            raise KeyboardInterrupt

    def counted(epoch: Epoch) -> None:
        counts["second"] += 1

    with pytest.raises(KeyboardInterrupt):
        Told().table(tmp_path, experiment(interrupted))
    assert Told().table(tmp_path, experiment(counted)) == undisturbed
    run = {"all": 0}
    Told().table(tmp_path / "all", experiment(lambda _: run.update(all=run["all"] + 1)))
    assert counts["first"] + counts["second"] == run["all"]
    assert not list(tmp_path.glob("*.training*"))  # a table that is done needs none


def test_a_second_table_trains_nothing(finished: Path, undisturbed: Comparison) -> None:
    told = Told()
    assert told.table(finished, experiment()) == undisturbed
    assert (told.names, told.kept, told.warnings) == ([], (ROWS, ROWS), [])


def test_rows_are_trained_anew_where_that_is_asked_for(tmp_path: Path, undisturbed: Comparison) -> None:
    Told().table(tmp_path, experiment())
    told = Told()
    assert told.table(tmp_path, experiment(), again=True) == undisturbed
    assert (len(told.names), told.kept) == (ROWS, (0, ROWS))


def longer(dataset: Dataset) -> Dataset:
    history = dataset.histories["u3"]
    return replace(dataset, histories={**dataset.histories, "u3": History("u3", (*history.items, history.items[0]))})


PROFILE = Profile(ProfileSource("mine"), (Appeal("i0", "theme of mine"), Appeal("i1", "theme of mine", 0.5)))
GRAPHS = cycle_graphs(WORLD)
ALL, WITHOUT_GRAPHS, SIMPLE = 0, 9, 6


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        pytest.param({"dataset": longer(WORLD)}, ALL, id="data"),
        pytest.param({"graphs": {user: GRAPHS[user] for user in list(GRAPHS)[1:]}}, WITHOUT_GRAPHS, id="graphs"),
        pytest.param({"how": GraphOptions(gates=False)}, WITHOUT_GRAPHS, id="how graphs come in"),
        pytest.param({"how": GraphOptions(use_imagined=False)}, WITHOUT_GRAPHS, id="imagined steps"),
        pytest.param({"training": TrainingConfig(epochs=3, learning_rate=1e-3)}, SIMPLE, id="training"),
        pytest.param({"model": "gru4rec"}, SIMPLE, id="model"),
        pytest.param({"themes": Themes(profiles=(PROFILE,))}, ALL, id="item profiles"),
        pytest.param({"release": "2"}, ALL, id="release"),
        pytest.param({"options": RunOptions(device="cpu:0")}, ALL, id="device"),
    ],
)
def test_a_row_of_something_else_is_never_taken(finished: Path, changes: dict[str, Any], kept: int) -> None:
    changed = experiment(**changes)
    before, now = experiment().keys([0]), changed.keys([0])
    same = {title for title, _ in now} & {title for title, _ in before}
    taken = {title for title in same if now[title, 0] == before[title, 0]}
    rows = KeptRows(finished)
    assert {title for title, seed in now if rows.read(now[title, seed], changed.dataset)} == taken
    if kept == WITHOUT_GRAPHS:
        assert taken == {row for row in same if "graph" not in row and "wrong" not in row}
    else:
        assert len(taken) == kept


def test_seeds_do_not_share_rows(finished: Path) -> None:
    keys = experiment().keys([0, 1])
    assert len(set(keys.values())) == len(keys) == 6 + 2 * (ROWS - 6)
    told = Told()
    told.table(finished, experiment(), seeds=[0])
    assert told.kept == (ROWS, ROWS)


@pytest.mark.parametrize(
    "harm", [lambda b: b[:-9], lambda b: b[:-4] + b"\x01\x02\x03\x04", lambda b: b"", lambda b: b"no row" * 40]
)
def test_a_damaged_row_is_set_aside_and_trained_anew(
    finished: Path, tmp_path: Path, undisturbed: Comparison, harm: Callable[[bytes], bytes]
) -> None:
    for file in finished.glob("*.safetensors"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    harmed = tmp_path / f"{experiment().keys([0])['popularity', 0]}.safetensors"
    harmed.write_bytes(harm(harmed.read_bytes()))
    told = Told()
    assert told.table(tmp_path, experiment()) == undisturbed
    assert told.names == ["popularity"]
    assert len(told.warnings) == 1
    assert str(harmed) in told.warnings[0]
    assert harmed.exists()
    assert harmed.with_suffix(".damaged").exists()
    assert Told().table(tmp_path, experiment()) == undisturbed


def test_kept_rows_name_no_user(finished: Path) -> None:
    assert all(b"u3" not in file.read_bytes().split(b"\x00" * 8)[0] for file in finished.glob("*.safetensors"))
