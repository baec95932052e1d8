"""What waits for a model has an awaitable form, and says so where an event loop runs."""

from __future__ import annotations

import asyncio
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from llmrg import BuildConfig, Project
from llmrg.core.errors import CallerError
from llmrg.data.demo_set import load_demo

WAITING = [name for name, method in inspect.getmembers(Project, inspect.isfunction) if "run_async(" in inspect.getsource(method)]


def test_there_are_forms_that_wait() -> None:
    assert {"build", "estimate", "calibrate", "direct_list"} <= set(WAITING)


@pytest.mark.parametrize("name", WAITING)
def test_the_hint_names_the_awaitable_form_of_what_was_called(tmp_path: Path, name: str) -> None:
    async def cell() -> str:
        with Project("demo", home=tmp_path) as project, pytest.raises(CallerError) as caught:
            getattr(project, name)()
        return str(caught.value)

    told = re.search(r"`await project\.(\w+)\(", asyncio.run(cell()))
    assert told is not None
    assert told[1] == f"a{name}"
    assert inspect.iscoroutinefunction(getattr(Project, told[1]))
    assert not list(tmp_path.iterdir())  # nothing was opened for it


def test_the_awaitable_forms_do_what_the_others_do(tmp_path: Path) -> None:
    demo = load_demo()
    users = list(demo.histories)[:4]
    dataset = demo.only(users)
    with Project(dataset, home=tmp_path, mind="attributes") as project:
        options = {"users": users[:2], "config": BuildConfig(l_tru=6)}

        async def cell() -> tuple[object, ...]:
            estimate = await project.aestimate(**options)  # type: ignore[arg-type]
            made, picture = await project.acalibrate(users=4, last=6)
            return estimate, made, picture, await project.adirect_list(**options)  # type: ignore[arg-type]

        estimate, made, picture, listed = asyncio.run(cell())
        assert estimate == project.estimate(**options)
        assert (made, picture) == project.calibrate(users=4, last=6)
        assert listed == project.direct_list(**options)


def test_reviews_need_no_awaitable_form(tmp_path: Path) -> None:
    demo = load_demo()
    with Project(demo.only(list(demo.histories)[:2]), home=tmp_path, mind="attributes") as project:

        async def cell() -> dict[str, int]:
            await project.abuild(config=BuildConfig(tau=0.99, review_from=0.01))
            return project.decide_steps({step.key: True for step in project.waiting_steps()[:3]})

        assert asyncio.run(cell())["accepted"] == 3


CELL = """
from llmrg import Project
from llmrg.recommenders import TrainingConfig
project = Project("demo", home={home!r})
users = list(project.dataset.histories)[:3]
"""
BUILD = "report = await project.abuild(mind='attributes', users=users)"
TRAIN = "project.train(graphs=False, config=TrainingConfig(epochs=2), embedding_size=8, max_length=10)"
COMPARE = "table = project.compare(config=TrainingConfig(epochs=1))"


def test_cells_show_bars(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="dev")
    nbclient = pytest.importorskip("nbclient", reason="dev")
    cells = [CELL.format(home=str(tmp_path)), BUILD, TRAIN, TRAIN.replace("config=", "progress=False, config="), COMPARE]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=500, kernel_name="python3").execute()
    shown = ["".join(one.get("data", {}).get("text/html", "") for one in cell.outputs) for cell in notebook.cells]
    assert shown[1].count("<progress") == 1
    assert 'max="3" value="3"></progress> reasoning graphs: users 3/3' in shown[1]
    assert 'max="2" value="2"></progress> sasrec: epochs 2/2, validation NDCG@10' in shown[2]
    assert "<progress" not in shown[3]
    assert 'max="13" value="13"></progress> train and rank 13/13' in shown[4]
    assert "SASRec + reasoning graph: NDCG@10" in shown[4]
    said = "".join(one.text for cell in notebook.cells for one in cell.outputs if one.get("name") == "stderr")
    assert "so far" not in said  # no lines beside the bars; libraries may warn there


def test_a_script_gets_lines_where_it_asks_for_progress_and_is_quiet_otherwise(tmp_path: Path) -> None:
    def told(calls: str) -> list[str]:
        code = CELL.format(home=str(tmp_path)) + calls
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == ""
        return done.stderr.splitlines()

    build = BUILD.replace("await project.abuild(", "project.build(progress=True, ")
    loud = told(f"{build}\n{TRAIN.replace('config=', 'progress=True, config=')}")
    shown = [line.split(",")[0] for line in loud]  # a slow machine tells 0/3 and 1/2 before
    assert "reasoning graphs: users 3/3" in shown
    assert shown[-1] == "sasrec: epochs 2/2"
    assert told(TRAIN) == []
