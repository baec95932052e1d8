"""`llmrg build`: reasoning graphs for all or some users, resumable."""

from __future__ import annotations

from typing import Annotated

import typer

from llmrg.cli.app import AsJson, Columns, Data, Home, OnBadRow, Store, app, err, print_json, project


@app.command()
def build(
    data: Data = "demo",
    store: Store = None,
    home: Home = None,
    mind: Annotated[
        str | None, typer.Option(help="likelihood (small local model; the default), attributes (no model), chat.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="gemma-3-270m, smollm2-135m, a folder; chat: a LangChain name, e.g. ollama:llama3.2.")
    ] = None,
    verifier: Annotated[str | None, typer.Option(help="Another mind to verify, if wanted.")] = None,
    imaginer: Annotated[str | None, typer.Option(help="Another mind to imagine, if wanted.")] = None,
    user: Annotated[list[str] | None, typer.Option("--user", "-u", help="Only this user; may be repeated.")] = None,
    users: Annotated[int | None, typer.Option(help="Only the first so many users.", min=1)] = None,
    last: Annotated[int, typer.Option(help="Reason over this many last items of a history (l_tru).", min=1)] = 50,
    tau: Annotated[float | None, typer.Option(help="Accept steps from this score, 0 to 1.", min=0, max=1)] = None,
    no_verification: Annotated[bool, typer.Option("--no-verification", help="Control: accept every step.")] = False,
    no_divergence: Annotated[bool, typer.Option("--no-divergence", help="Control: imagine nothing.")] = False,
    no_knowledge: Annotated[bool, typer.Option("--no-knowledge", help="Control: no knowledge base.")] = False,
    max_calls: Annotated[int | None, typer.Option(help="Stop cleanly after so many model calls.", min=0)] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Do not go on with an interrupted run.")] = False,
    columns: Columns = None,
    on_bad_row: OnBadRow = "error",
    as_json: AsJson = False,
) -> None:
    """Build reasoning graphs and keep them in the store.

    Ctrl-C stops cleanly; the same command goes on where it stopped.

    \b
    Examples:
      llmrg build --users 20
      llmrg build --data ml-latest-small --users 50 --last 20
      llmrg build --data ratings.csv --columns user=userId,item=movieId,time=timestamp --mind attributes
      llmrg build --mind chat --model ollama:llama3.2 --store neo4j://127.0.0.1:7687
    """
    from llmrg.agents.config import BuildConfig
    from llmrg.cli.progress import building
    from llmrg.cli.tables import print_costs

    config = BuildConfig(
        l_tru=last,
        tau=tau,
        max_calls=max_calls,
        verification=not no_verification,
        divergence=not no_divergence,
        knowledge=not no_knowledge,
    )
    with project(data, store, home, columns, on_bad_row, mind=mind, model=model) as opened:
        chosen = user or (list(opened.dataset.histories)[:users] if users else None)
        with building() as show:
            report = opened.build(
                verifier=verifier, imaginer=imaginer, users=chosen, config=config, resume=not restart, progress=show
            )
        if as_json:
            print_json(report.to_json())
            return
        print_costs(report)
        first = (chosen or list(opened.dataset.histories))[0]
        err.print(f"next: llmrg show {first} --data {data}   or   llmrg train --data {data}", highlight=False)
