"""`llmrg demo`: the whole way, once, on the bundled data."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmrg.cli.app import Home, Store, app
from llmrg.cli.next_command import PLAIN
from llmrg.console import err, out

if TYPE_CHECKING:
    from llmrg.core.records import ReasoningGraph
    from llmrg.sdk import Project

PICTURED = 3
"""Readers whose pictures go with the report."""


@app.command()
def demo(
    home: Home = None,
    store: Store = None,
    mind: Annotated[str, typer.Option(help="likelihood (small local model) or attributes (no model).")] = "likelihood",
    model: Annotated[str | None, typer.Option(help="gemma-3-270m, smollm2-135m, or a folder.")] = None,
    users: Annotated[int | None, typer.Option(help="Only the first so many readers.", min=10)] = None,
    recsysllm: Annotated[
        bool, typer.Option("--recsysllm", help="Train a language model as a recommender too: about ten minutes more.")
    ] = False,
) -> None:
    """Build reasoning graphs for simulated readers of real books, and see whether they help.

    Ends with a comparison, the quality of the graphs against the planted truth, the cost, and a report to look at.
    About 5 minutes on 2 cores; Ctrl-C stops cleanly and the same command goes on.

    \b
    Examples:
      llmrg demo
      llmrg demo --mind attributes --recsysllm
    """
    from llmrg.cli.demo_report import quality_rows, write_demo_report
    from llmrg.cli.tables import print_comparison, print_costs, print_rows
    from llmrg.data.demo_set import load_demo, load_truth
    from llmrg.demo_config import DEMO_BUILD, DEMO_READERS, DEMO_TRAINING, demo_readers
    from llmrg.progress.bars import building, steps
    from llmrg.sdk import Project
    from llmrg.testing.graph_quality import graph_quality

    if recsysllm:
        _language_model_is_there()
    started = time.monotonic()
    dataset = demo_readers(load_demo(), users or DEMO_READERS)
    with Project(dataset, store=store, home=home, mind=mind, model=model) as project:
        _introduce(project)
        with building(f"reasoning graphs ({mind}): readers") as show:
            report = project.build(config=DEMO_BUILD, progress=show)
        truth = load_truth()
        quality = graph_quality(project.graphs(), truth, per_item=1)
        control = graph_quality(unverified(project), truth, per_item=1)
        more = {} if mind == "attributes" else {"attributes-mind graph": without_model(project)}
        llm: dict[str, object] | None = {} if recsysllm else None
        if recsysllm:
            err.print("RecSysLLM (SmolLM2 135M, Apache-2.0) is trained too: about ten minutes more", highlight=False)
        with steps("train and rank", project.experiment(more=more, language_model=llm).trainings(1)) as say:
            what: dict[str, Any] = {"config": DEMO_TRAINING, "more": more, "language_model": llm, "epoch": say.epoch}
            table = project.compare(progress=say, ranked=say.ranked, kept=say.kept, keep=True, **what)
        print_comparison(table)
        print_rows("Graphs against the planted truth", *quality_rows(quality, control))
        print_costs(report)
        if report.skipped:
            costs = project.store.run(dataset.name, report.run).costs
            out.print(f"{report.skipped} readers were built by an earlier call; the whole run took {costs['seconds']:.0f} s")
        path = write_demo_report(project, table, (quality, control), report, PICTURED)
    out.print(f"\nreport: [bold]{path.resolve()}[/bold]", soft_wrap=True, highlight=False)
    _next(project, time.monotonic() - started)


def _language_model_is_there() -> None:
    """Asked before the table, whose last rows need it. Raises: MissingPackageError, ModelFileError: what to install."""
    from importlib.util import find_spec

    from llmrg.core.errors import MissingPackageError
    from llmrg.core.settings import load_settings
    from llmrg.language_models.folders import model_folder
    from llmrg.recsysllm.config import RecSysLlmConfig

    for package in ("peft", "accelerate"):
        if find_spec(package) is None:
            raise MissingPackageError(package, "pip install 'llmrg[lm]'")
    model_folder(RecSysLlmConfig().model, load_settings().cache_dir.expanduser())


def without_model(project: Project) -> Mapping[str, ReasoningGraph]:
    """Graphs of the mind that reads the catalogue's themes, of which the planted reasons are made: what right reasons are
    worth."""
    from llmrg.demo_config import DEMO_BUILD
    from llmrg.progress.bars import building
    from llmrg.sdk import Project

    home = project.settings.home
    with Project(project.dataset, store=f"sqlite:///{home / 'attributes.db'}", home=home, mind="attributes") as control:
        with building("control without a model: readers") as show:
            control.build(config=DEMO_BUILD, progress=show)
        return control.graphs()


def unverified(project: Project) -> Mapping[str, ReasoningGraph]:
    """The same reasoner's graphs with verification off, in a store of their own; the model has answered all of it already.

    One step an item, the reasoner's first: to be compared with the best step an item of a build (`graph_quality(per_item=1)`).
    """
    from llmrg.demo_config import DEMO_BUILD
    from llmrg.progress.bars import building
    from llmrg.sdk import Project

    home = project.settings.home
    off = DEMO_BUILD.model_copy(update={"verification": False, "divergence": False, "candidates": 1})
    with Project(project.dataset, store=f"sqlite:///{home / 'unverified.db'}", home=home) as control:
        with building("control without verification: readers") as show:
            control.build(mind=project.mind, config=off, progress=show)
        return control.graphs()


def _introduce(project: Project) -> None:
    from llmrg.data.demo_set import SIMULATED

    data, s = project.dataset, project.settings
    total = sum(map(len, data.histories.values()))
    err.print(f"{len(data.histories)} readers, {len(data.catalogue)} books, {total:,} readings; {SIMULATED}", highlight=False)
    if s.mind == "likelihood":
        from llmrg.language_models.folders import NAMED_MODELS

        terms = NAMED_MODELS[s.model].terms if s.model in NAMED_MODELS else "your own; its terms are known to you"
        err.print(f"model: {s.model} on this machine; terms: {terms}", highlight=False, markup=False)
        err.print("another one: --model smollm2-135m, or --mind attributes for none at all", highlight=False)


def _next(project: Project, seconds: float) -> None:
    user = next(iter(project.dataset.histories))
    out.print(f"{seconds / 60:.1f} minutes. Next:", highlight=False)
    home = project.settings.home
    where = [] if home == Path(".llmrg") else ["--home", str(home)]
    for command in (["recommend", user], ["show", user], ["export", "neo4j://127.0.0.1:7687"]):
        out.print(f"  {shlex.join([sys.argv[0], *command, *where])}", **PLAIN)
    out.print("the last one wants a server: `make neo4j` starts one", highlight=False)
