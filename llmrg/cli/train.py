"""`llmrg train` and `llmrg evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from llmrg.cli.app import AsJson, Columns, Data, Home, OnBadRow, Store, app, err, print_json, project


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="graph (SASRec with reasoning graphs), sasrec, skip-markov, popularity.")] = "graph",
    data: Data = "demo",
    store: Store = None,
    home: Home = None,
    seed: int = 0,
    columns: Columns = None,
    on_bad_row: OnBadRow = "error",
) -> None:
    """Train a recommender on the training parts of all histories and keep it.

    Ctrl-C stops cleanly; the same command goes on after the last finished epoch.

    \b
    Examples:
      llmrg train
      llmrg train sasrec --data ml-latest-small
    """
    from llmrg.cli.progress import training

    with project(data, store, home, columns, on_bad_row) as opened:
        with training(name) as show:
            opened.train(name, seed=seed, progress=show)
        user = next(iter(opened.dataset.histories))
    err.print(f"kept in {opened.settings.home / 'models' / opened.dataset.name / name}", highlight=False)
    err.print(f"next: llmrg recommend {user} --data {data}", highlight=False)


@app.command()
def evaluate(
    data: Data = "demo",
    store: Store = None,
    home: Home = None,
    seeds: Annotated[int, typer.Option(help="Trainings per trained recommender, each with its own seed.", min=1)] = 1,
    columns: Columns = None,
    on_bad_row: OnBadRow = "error",
    as_json: AsJson = False,
) -> None:
    """The honest table: controls, base model, base + graphs, each trained anew and ranked on held-out items.

    \b
    Example: llmrg evaluate --data demo --seeds 5
    """
    from llmrg.cli.progress import steps
    from llmrg.cli.tables import print_comparison

    with project(data, store, home, columns, on_bad_row) as opened:
        with steps("train and rank", 2 + 4 * seeds) as show:
            table = opened.compare(seeds=range(seeds), progress=show)
        if as_json:
            print_json(table.to_json())
        else:
            print_comparison(table)
