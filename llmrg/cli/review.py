"""`llmrg review`: a person decides on steps whose score lies between two thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from llmrg.cli.app import AsJson, Data, Home, Store, app, print_json, project
from llmrg.cli.load_options import Load, reading
from llmrg.cli.next_command import next_command, print_next
from llmrg.console import err, out

if TYPE_CHECKING:
    from llmrg.agents.review import WaitingStep

review = typer.Typer(no_args_is_help=True, help="Decide on steps that wait for a person (llmrg build --review-from).")
app.add_typer(review, name="review")

User = Annotated[list[str] | None, typer.Option("--user", "-u", help="Only this user; may be repeated.")]
Keys = Annotated[list[str], typer.Argument(help="Keys of steps, or their first six or more digits.")]
SHORT = 10
"""Digits of a key that are shown."""


@review.command("list")
@reading
def list_(
    context: typer.Context,
    data: Data = "",
    store: Store = None,
    home: Home = None,
    load: Load = None,
    user: User = None,
    limit: Annotated[int, typer.Option(help="Show so many at most.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Steps that wait for a person.

    \b
    Examples:
      llmrg build --users 20 --review-from 0.6 && llmrg review list
      llmrg review list --user reader-001 --json
    """
    from llmrg.cli.tables import print_rows

    with project(data, store, home, load) as opened:
        steps = opened.waiting_steps(user)
    if as_json:
        print_json([vars(step) for step in steps])
        return
    rows = [(s.key[:SHORT], s.user, s.cause or "(root)", s.reason, s.title, f"{s.score:.2f}", s.critique) for s in steps[:limit]]
    print_rows(f"{len(steps):,} steps wait", ("key", "user", "from", "reason", "to", "score", "why"), rows, figures=False)
    if steps:
        print_next(next_command(context, "review ask"), next_command(context, "review accept", [steps[0].key[:SHORT]]))


@review.command()
@reading
def accept(
    keys: Keys,
    data: Data = "",
    store: Store = None,
    home: Home = None,
    load: Load = None,
) -> None:
    """Accept steps.

    \b
    Example: llmrg review accept 3fa91c07de 77b2e0
    """
    _decide(keys, True, data, store, home, load)


@review.command()
@reading
def reject(
    keys: Keys,
    data: Data = "",
    store: Store = None,
    home: Home = None,
    load: Load = None,
) -> None:
    """Reject steps.

    \b
    Example: llmrg review reject 3fa91c07de
    """
    _decide(keys, False, data, store, home, load)


@review.command()
@reading
def ask(
    data: Data = "",
    store: Store = None,
    home: Home = None,
    load: Load = None,
    user: User = None,
) -> None:
    """Go through the waiting steps one by one: a accepts, r rejects, s leaves it for later, q ends.

    Steps of the same reason between the same items are one question, whoever's they are; the answer is for all of them.

    \b
    Example: llmrg review ask --user reader-001
    """
    with project(data, store, home, load) as opened:
        decisions: dict[str, bool] = {}
        for alike in same_questions(opened.waiting_steps(user)):
            _show(alike)
            answer = typer.prompt("accept, reject, skip or quit", default="s").strip().lower()[:1]
            if answer == "q":
                break
            if answer in ("a", "r"):
                chosen = {step.key: answer == "a" for step in alike}
                opened.decide_steps(chosen, list(dict.fromkeys(step.user for step in alike)))
                decisions |= chosen
        left = len(opened.waiting_steps(user))
    accepted = sum(decisions.values())
    err.print(f"{accepted} accepted, {len(decisions) - accepted} rejected, {left} still wait", highlight=False)


def same_questions(steps: Sequence[WaitingStep]) -> list[list[WaitingStep]]:
    """Steps that a person cannot tell apart, together, in the order in which they come."""
    groups: dict[tuple[str, ...], list[WaitingStep]] = {}
    for step in steps:
        kind = step.kind if step.cause else ""  # of a root, both are said in the same words
        groups.setdefault((kind, step.cause.casefold(), step.reason.casefold(), step.title.casefold()), []).append(step)
    return list(groups.values())


def _show(alike: Sequence[WaitingStep]) -> None:
    step, users = alike[0], list(dict.fromkeys(same.user for same in alike))
    start = f"{step.cause} led to" if step.cause else "the user took"
    verb = "may lead to" if step.kind == "imagined" and step.cause else start.removeprefix(step.cause).strip()
    whose = ", ".join(users[:3]) + (f" and {len(users) - 3:,} more" if len(users) > 3 else "")
    many = f" ({len(alike):,} steps)" if len(alike) > 1 else ""
    text = f"{whose}{many}: {step.cause + ' ' if step.cause else ''}{verb} {step.title}, for {step.reason!r}"
    out.print(f"\n{text}\n  score {step.score:.2f}: {step.critique}", highlight=False, markup=False)


def _decide(keys: list[str], accepted: bool, data: str, store: Store, home: Home, load: Load) -> None:
    from llmrg.core.errors import CallerError

    with project(data, store, home, load) as opened:
        user_of = {step.key: step.user for step in opened.waiting_steps()}
        chosen = {}
        for key in keys:
            matches = [step_key for step_key in user_of if step_key.startswith(key)]
            if len(key) < 6 or len(matches) != 1:
                many = f"{len(matches)} waiting steps begin" if matches else "no waiting step begins"
                raise CallerError(f"{many} with {key!r}; give six digits or more of a key that `llmrg review list` shows")
            chosen[matches[0]] = accepted
        done = opened.decide_steps(chosen, [user_of[key] for key in chosen])
    err.print(f"{done['accepted']} accepted, {done['rejected']} rejected", highlight=False)
