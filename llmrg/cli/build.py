"""`llmrg build`: reasoning graphs for all or some users, resumable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from llmrg.cli.app import EXIT_CODES, AsJson, Data, Home, Store, app, print_json, project
from llmrg.cli.load_options import Load, reading
from llmrg.cli.next_command import PLAIN, next_command, print_next
from llmrg.cli.with_ray import Ray, WithRay
from llmrg.console import err

if TYPE_CHECKING:
    from llmrg.agents.config import BuildConfig
    from llmrg.sdk import Project

Mind = Annotated[
    str | None,
    typer.Option(
        help="Who fills all roles: likelihood (small local model; the default), attributes (no model), profiles/NAME (recorded "
        "answers), chat."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="gemma-3-270m, smollm2-135m, a folder; chat: ollama:llama3.2, openai:NAME, openai:NAME@http://127.0.0.1:8000/v1."
    ),
]
Form = Annotated[
    Literal["auto", "json_schema", "tools", "json", "text"] | None,
    typer.Option("--form", help="Form of structured output that a chat model is asked for [default: the best that it knows]."),
]
Asks = Annotated[
    Literal["user", "item"] | None,
    typer.Option("--ask", help="The chat mind asks about each user's items, or once per item of the catalogue [default: user]."),
]
Reasoner = Annotated[str | None, typer.Option(help="Another mind for this role, with its model: chat/ollama:llama3.2.")]
Verifier = Annotated[str | None, typer.Option(help="Another mind for this role, so that no model judges itself: likelihood.")]
Imaginer = Annotated[str | None, typer.Option(help="Another mind for this role.")]
User = Annotated[list[str] | None, typer.Option("--user", "-u", help="Only this user; may be repeated.")]
Users = Annotated[int | None, typer.Option(help="Only the first so many users.", min=1)]
Sample = Annotated[int | None, typer.Option(help="Only so many users, drawn by chance, the same ones each time.", min=1)]
Last = Annotated[int, typer.Option(help="Reason over this many last items of a history (l_tru).", min=1)]
BlockSize = Annotated[int | None, typer.Option(help="Items explained in one request [default: the reasoner's own].", min=1)]
CutEvery = Annotated[
    int | None,
    typer.Option(
        help="Imagine at each so-manieth position too, so that a recommender sees it where it learns; 0: at ends of blocks only "
        "[default: 2 for minds that cost no calls, else 0].",
        min=0,
    ),
]
Prompts = Annotated[Path | None, typer.Option(help="Folder of prompts of your own (llmrg prompts write FOLDER).")]
NoVerification = Annotated[bool, typer.Option("--no-verification", help="Control: accept every step.")]
NoDivergence = Annotated[bool, typer.Option("--no-divergence", help="Control: imagine nothing.")]
Deny = Annotated[
    Path | None, typer.Option(help="File of words and phrases, one a line (depress* for all that begin so): not as reasons.")
]
Allow = Annotated[Path | None, typer.Option(help="File of reasons, one a line: no others.")]
NoSensitive = Annotated[
    bool, typer.Option("--no-sensitive", help="No reasons of health, religion, sexuality, grief, ...: a list that comes along.")
]
NoKnowledge = Annotated[bool, typer.Option("--no-knowledge", help="Control: no knowledge base.")]


def vetoes(deny: Path | None, allow: Path | None, no_sensitive: bool) -> dict[str, Any]:
    """The settings that these options stand for."""
    return {"deny_reasons": deny, "allow_reasons": allow, "deny_sensitive": no_sensitive or None}


@app.command(cls=WithRay)
@reading
def build(
    context: typer.Context,
    data: Data = "",
    store: Store = None,
    home: Home = None,
    mind: Mind = None,
    model: Model = None,
    ask: Asks = None,
    form: Form = None,
    reasoner: Reasoner = None,
    verifier: Verifier = None,
    imaginer: Imaginer = None,
    user: User = None,
    users: Users = None,
    sample: Sample = None,
    last: Last = 50,
    block_size: BlockSize = None,
    cut_every: CutEvery = None,
    tau: Annotated[
        str | None, typer.Option(help="Accept steps from this score, 0 to 1; `calibrated` takes that of `llmrg calibrate`.")
    ] = None,
    review_from: Annotated[
        float | None, typer.Option(help="Keep steps from this score up to tau for a person (llmrg review).", min=0, max=1)
    ] = None,
    no_verification: NoVerification = False,
    no_divergence: NoDivergence = False,
    no_knowledge: NoKnowledge = False,
    deny: Deny = None,
    allow: Allow = None,
    no_sensitive: NoSensitive = False,
    concurrency: Annotated[int, typer.Option(help="Users under way at once; graphs do not depend on it.", min=1)] = 8,
    max_calls: Annotated[
        int | None, typer.Option(help="Stop cleanly after so many requests to models; 0: only what the call cache knows.", min=0)
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Stop cleanly after so many tokens.", min=0)] = None,
    max_money: Annotated[float | None, typer.Option(help="Stop cleanly after so much money (prices.toml).", min=0)] = None,
    max_seconds: Annotated[float | None, typer.Option(help="Stop cleanly after so many seconds.", min=0)] = None,
    prompts: Prompts = None,
    restart: Annotated[bool, typer.Option("--restart", help="Do not go on with an interrupted run.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Only the users of this run that failed or had useless replies.")
    ] = False,
    ray: Ray = None,
    load: Load = None,
    as_json: AsJson = False,
) -> None:
    """Build reasoning graphs and keep them in the store.

    Ctrl-C stops cleanly: calls under way are finished and kept (press it again to stop at once). The same command goes on where
    it stopped; no useful reply of a chat model is paid twice. Exit code 4: the model let all users down; 1: no step was accepted.

    \b
    Examples:
      llmrg build --users 20
      llmrg build --data ml-latest-small --sample 50 --last 20
      llmrg build --data ratings.csv --columns user=userId,item=movieId,time=timestamp --mind attributes
      llmrg build --mind chat --model ollama:llama3.2 --store neo4j://127.0.0.1:7687
      llmrg build --reasoner chat/openai:NAME --imaginer chat/openai:NAME --verifier likelihood --max-tokens 2000000
      llmrg build --mind chat --model openai:NAME@http://127.0.0.1:8000/v1 --concurrency 64
      llmrg build --mind chat --model openai:NAME --ask item
      llmrg build --data shop.csv --mind attributes --deny denied.txt --no-sensitive
      llmrg build --ray auto --store neo4j://graphs:7687 --mind chat --model openai:NAME
    """
    from rich.markup import escape

    from llmrg.cli.tables import print_costs
    from llmrg.progress.bars import building

    chat = {"mind": mind, "model": model, "ask": ask, "form": form, "prompts": prompts}
    with project(data, store, home, load, **chat, **vetoes(deny, allow, no_sensitive)) as opened:
        roles = {"reasoner": reasoner, "verifier": verifier, "imaginer": imaginer}
        check_ask(opened, ask, roles)
        settings: dict[str, Any] = {
            "l_tru": last,
            "block_size": block_size,
            "cut_every": cut_every,
            "tau": threshold(opened, tau, roles),
            "review_from": review_from,
            "verification": not no_verification,
            "divergence": not no_divergence,
            "knowledge": not no_knowledge,
            "concurrency": concurrency,
            "max_calls": max_calls,
            "max_tokens": max_tokens,
            "max_money": max_money,
            "max_seconds": max_seconds,
        }
        config = checked(settings)
        chosen = chosen_users(opened, user, users, sample)
        with building() as show:
            how = {"resume": not restart, "retry_failed": retry_failed, "progress": show, "ray": ray}
            report = opened.build(**roles, users=chosen, config=config, **how)
        written = opened.write_run_report(report.run)
        if as_json:
            print_json(report.to_json())
        else:
            print_costs(report)
            err.print(f"report: {written}", highlight=False, markup=False, soft_wrap=True)
        first = next((user_id for user_id in chosen or opened.dataset.histories if user_id not in report.failed), "")
        repeats, beside = opened.dataset.report.repeats, graphs_beside(opened, report.run)
    again = next_command(context, "build", retry_failed=True)
    if report.problem:
        err.print(f"[bold red]error:[/bold red] {escape(report.problem)}", soft_wrap=True, highlight=False)
        print_next(again if report.failures else next_command(context, "runs show", [report.run]))
        raise typer.Exit(EXIT_CODES["ModelError"] if report.model_failed else 1)
    if as_json:
        return
    if left := report.failures + report.users_with_useless_replies:
        err.print(f"{left:,} users failed or had useless replies; to ask again: {again}", **PLAIN)
    if repeats:
        err.print(repeats, **PLAIN)
    if beside:
        err.print(beside, **PLAIN)
    print_next(*([next_command(context, "show", [first])] if first else []), next_command(context, "train"))


def checked(settings: dict[str, Any]) -> BuildConfig:
    """The configuration. Raises: ConfigError: two settings contradict each other."""
    from pydantic import ValidationError

    from llmrg.agents.config import BuildConfig
    from llmrg.core.errors import ConfigError

    try:
        return BuildConfig(**settings)
    except ValidationError as error:
        raise ConfigError("; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())) from error


def check_ask(opened: Project, ask: str | None, roles: dict[str, Any]) -> None:
    """Raises: ConfigError: `--ask item` for minds that ask no chat model."""
    from llmrg.agents.asks_items import AsksItems
    from llmrg.core.errors import ConfigError

    if ask == "item" and not any(isinstance(mind, AsksItems) for mind in opened.minds(**roles).distinct()):
        raise ConfigError("--ask item is for a chat model, and none has a role here; add --mind chat --model PROVIDER:NAME")


def graphs_beside(opened: Project, run: str) -> str:
    """What to know where other runs have graphs too; "" where they have none."""
    from llmrg.chosen_run import runs_with_graphs

    users = opened.store.graphs_by_run(opened.name)
    others = {other: number for other, number in users.items() if other != run}
    if run not in users or not others:
        return ""
    return (
        f"run {run} has the newest graphs of its users; those of other runs stay beside them, to be chosen with --run or "
        f"deleted with `llmrg forget --run`; {runs_with_graphs(opened.store, opened.name, others)}"
    )


def threshold(opened: Project, option: str | None, roles: dict[str, Any]) -> float | None:
    """`--tau`: a number, `calibrated`, or None for the verifier's own."""
    from llmrg.core.errors import ConfigError

    if option is None:
        return None
    if option == "calibrated":
        return opened.calibrated_tau(verifier=roles.get("verifier"))
    try:
        tau = float(option)
    except ValueError:
        tau = -1.0
    if not 0 <= tau <= 1:
        raise ConfigError(f"--tau takes a score from 0 to 1, or `calibrated`, not {option!r}")
    return tau


def chosen_users(opened: Project, user: list[str] | None, users: int | None, sample: int | None) -> list[str] | None:
    """Named users, the first so many, or some drawn by chance; None: all of them."""
    import random

    everyone = list(opened.dataset.histories)
    if user:
        return user
    if sample:
        return random.Random("sample").sample(everyone, min(sample, len(everyone)))
    return everyone[:users] if users else None
