"""`llmrg estimate`: calls, tokens and money of a build before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from llmrg.cli.app import AsJson, Data, Home, Store, app, print_json, project
from llmrg.cli.build import (
    Allow,
    Asks,
    BlockSize,
    CutEvery,
    Deny,
    Imaginer,
    Last,
    Mind,
    Model,
    NoDivergence,
    NoSensitive,
    NoVerification,
    Reasoner,
    Sample,
    User,
    Users,
    Verifier,
    check_ask,
    chosen_users,
    vetoes,
)
from llmrg.cli.load_options import Load, reading
from llmrg.console import err

if TYPE_CHECKING:
    from llmrg.agents.estimate.estimate import Estimate


@app.command()
@reading
def estimate(
    data: Data = "",
    store: Store = None,
    home: Home = None,
    mind: Mind = None,
    model: Model = None,
    ask: Asks = None,
    reasoner: Reasoner = None,
    verifier: Verifier = None,
    imaginer: Imaginer = None,
    user: User = None,
    users: Users = None,
    sample: Sample = None,
    last: Last = 50,
    block_size: BlockSize = None,
    cut_every: CutEvery = None,
    no_verification: NoVerification = False,
    no_divergence: NoDivergence = False,
    counted: Annotated[int, typer.Option(help="Users whose requests are rendered and counted.", min=1)] = 20,
    deny: Deny = None,
    allow: Allow = None,
    no_sensitive: NoSensitive = False,
    load: Load = None,
    as_json: AsJson = False,
) -> None:
    """Calls, tokens and money of `llmrg build` with the same options; no model is asked anything.

    Every request of some users is rendered and counted. What the model will do (steps per item, share accepted) is taken from an
    earlier run with the same minds where there is one: build a few users first for a better estimate.

    Money needs a price file, prices.toml in the working folder (or LLMRG_PRICES), per million tokens:

    \b
      currency = "EUR"
      ["openai:NAME"]
      input = 0.40
      output = 1.60

    \b
    Examples:
      llmrg estimate --mind chat --model openai:NAME
      llmrg estimate --mind chat --model openai:NAME --ask item
      llmrg build --mind chat --model openai:NAME --users 5 && llmrg estimate --mind chat --model openai:NAME
      llmrg estimate --data ml-latest-small --reasoner chat/openai:NAME --verifier likelihood --json
    """
    from llmrg.agents.config import BuildConfig
    from llmrg.cli.tables import print_rows

    with project(data, store, home, load, mind=mind, model=model, ask=ask, **vetoes(deny, allow, no_sensitive)) as opened:
        config = BuildConfig(
            l_tru=last,
            block_size=block_size,
            cut_every=cut_every,
            verification=not no_verification,
            divergence=not no_divergence,
        )
        chosen = chosen_users(opened, user, users, sample)
        roles = {"reasoner": reasoner, "verifier": verifier, "imaginer": imaginer}
        check_ask(opened, ask, roles)
        cost = opened.estimate(users=chosen, config=config, sample=counted, **roles)
    if as_json:
        print_json(cost.to_json())
        return
    if not cost.chat:
        err.print("no chat model is asked: these minds cost time, but no tokens of a provider", highlight=False)
        return
    counted_things = ("calls", "input_tokens", "output_tokens")
    rows = [(stage, *(f"{counts[what]:,.0f}" for what in counted_things)) for stage, counts in cost.stages.items()]
    rows.append(("all", f"{cost.calls:,.0f}", f"{cost.input_tokens:,.0f}", f"{cost.output_tokens:,.0f}"))
    about = (
        f"About {cost.items:,} items, asked once for any number of users"
        if cost.by_item
        else (f"About {cost.users:,} users, {cost.blocks:,} blocks")
    )
    print_rows(about, ("stage", "calls", "tokens read", "tokens written"), rows)
    for line in notes(cost):
        err.print(line, highlight=False)


def notes(cost: Estimate) -> list[str]:
    """What to know about the figures."""
    money = "no price is known; `llmrg estimate --help` shows a price file" if cost.money is None else ""
    habits = cost.habits
    few = "begin with a small budget (`--max-calls`)" if cost.by_item else "build a few users first"
    source = f"as in run {habits.run}" if habits.run else f"assumed; {few} for a better estimate"
    what, saved = ("items", "the call cache") if cost.by_item else ("users", "the knowledge base and the call cache")
    lines = [
        f"money: {money or f'{cost.money:,.2f} {cost.currency}'.strip()}",
        f"counted on {cost.sampled:,} {what}; {habits.steps_per_item:.2f} {'reasons' if cost.by_item else 'steps'} an item, "
        f"{habits.accepted:.0%} accepted: {source}",
        f"without what {saved} will save",
    ]
    if cost.seconds is not None:
        lines.insert(1, f"time: at least {cost.seconds / 60:,.0f} min at the limits of requests and tokens a minute")
    return lines
