"""The `llmrg` command: every error of ours ends with one clear line and its own exit code."""

from __future__ import annotations

import logging
import sys

from llmrg.cli import (  # noqa: F401  (they register commands)
    ask,
    build,
    cache,
    calibrate,
    data,
    demo,
    doctor,
    estimate,
    export,
    forget,
    graph,
    import_,
    profiles,
    prompts,
    recommend,
    review,
    runs,
    store,
    train,
)
from llmrg.cli.app import EXIT_CODES, INTERRUPTED, app, err
from llmrg.core.errors import LlmrgError


def main() -> None:
    """Entry point. Exit codes: 0 done, 2 caller, 3 store, 4 model, 5 saved recommender, 6 budget spent, 130 interrupted."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("neo4j").setLevel(logging.ERROR)  # it warns of each retry that helps; one that does not becomes our error
    try:
        app()
    except LlmrgError as error:
        err.print(f"[bold red]error:[/bold red] {_plain(error)}", soft_wrap=True, highlight=False)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        err.print("stopped; what was finished is kept: give the same command again")
        sys.exit(INTERRUPTED)


def exit_code(error: LlmrgError) -> int:
    """The code of the nearest named ancestor, or 1."""
    return next((EXIT_CODES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in EXIT_CODES), 1)


def _plain(error: LlmrgError) -> str:
    from rich.markup import escape

    return escape(error.on_shell)
