"""The `llmrg` command: every error of ours ends with one clear line and its own exit code.

The commands are imported by `main`, so that a signal or a closed pipe while they load ends like any other.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from llmrg.console import err
from llmrg.core.errors import LlmrgError
from llmrg.stopping import stopping

if TYPE_CHECKING:
    from llmrg.cli.commands import app as app


def main() -> None:
    """Entry point. Exit codes: 0 done, 2 caller (or a file or folder), 3 store, 4 model, 5 saved recommender, 6 budget spent,
    129 terminal closed, 130 interrupted, 143 terminated."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("neo4j").setLevel(logging.ERROR)  # it warns of each retry that helps; one that does not becomes our error
    stopping.listen(_say)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a letter is no reason to stop
    code: object = 1
    try:
        code = _run()
    finally:
        if stopping.signal:  # whatever the interrupted work made of it
            stopping.leave()
    sys.exit(code)  # type: ignore[arg-type]


def _run() -> object:
    """Run the command; returns the exit code."""
    try:
        from llmrg.cli.commands import app

        app()
    except SystemExit as done:
        return _flushed(done.code)
    except LlmrgError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return stopping.exit_code
    except OSError as error:
        from llmrg.core.places import place_error

        return _flushed(0) or _failed(place_error(error, "" if _in_a_folder() else "the working folder"))
    return _flushed(0)


def _failed(error: LlmrgError) -> int:
    from rich.markup import escape

    err.print(f"[bold red]error:[/bold red] {escape(error.on_shell)}", soft_wrap=True, highlight=False)
    return exit_code(error)


def _flushed(code: object) -> object:
    """The exit code after what was printed has gone out."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
    except OSError as error:
        from llmrg.core.places import place_error

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _failed(place_error(error, "standard output"))
    return code


def _in_a_folder() -> bool:
    """Whether the working folder is still there."""
    try:
        return bool(os.getcwd())
    except FileNotFoundError:
        return False


def exit_code(error: LlmrgError) -> int:
    """The code of the nearest named ancestor, or 1."""
    from llmrg.cli.app import EXIT_CODES

    return next((EXIT_CODES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in EXIT_CODES), 1)


def _say(line: str) -> None:
    """Tell of a signal, from another thread, while bars may be drawn."""
    console = err.__dict__.get("console")  # None: nothing was printed yet, and now is no time to import Rich
    if console is not None and console.is_terminal:
        console.print(line)
    else:
        os.write(sys.stderr.fileno(), f"{line}\n".encode())


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module 'llmrg.cli.main' has no attribute {name!r}")
    from llmrg.cli.commands import app

    return app
