"""`llmrg evaluate --families`: how well a trained language model answers in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmrg.cli.app import print_json
from llmrg.console import out

if TYPE_CHECKING:
    from llmrg.evaluation.families import FamilyRow, FamilyTable
    from llmrg.sdk import Project


def evaluate_families(
    opened: Project, name: str | None, users: int | None, device: str | None, as_json: bool, run: str = ""
) -> None:
    """Ask the model about held-out positions and print the table.

    Args:
        name: of a trained recommender with a language model; by default the best.
        device: by default the one of the settings.
        users: asked at most, a question; None as `family_table` has it.
        run: whose graphs are read; by default those that the recommender learnt from.
    Raises: ConfigError: no language model is trained, or for no family that answers in words.
    """
    from llmrg.cli.ask import language_model
    from llmrg.evaluation.families import family_table
    from llmrg.progress.bars import answering

    model, whole, _ = language_model(opened, name, device)
    graphs = opened.graphs(run or whole.graphs_run) if model.config.graph != "none" else {}
    with answering() as show:
        table = family_table(model, opened.dataset, graphs, users, progress=show)
    if as_json:
        print_json(table.to_json())
    else:
        print_families(table)


def print_families(table: FamilyTable) -> None:
    """One table for each set of figures: stars, texts, choices."""
    from rich.markup import escape

    from llmrg.cli.tables import print_rows

    groups: dict[tuple[str, ...], list[FamilyRow]] = {}
    for row in table.rows:
        groups.setdefault(tuple(row.figures), []).append(row)
    for names, rows in groups.items():
        cells = [(row.question, _who(row), str(row.users), *(f"{row.figures[name]:.3f}" for name in names)) for row in rows]
        print_rows(", ".join(dict.fromkeys(row.family for row in rows)), ("asked", "answered by", "users", *names), cells)
    for label, text in table.card.items():
        out.print(f"  [dim]{label:>9}[/dim]  {escape(text)}", highlight=False)


def _who(row: FamilyRow) -> str:
    return f"model, {row.wording}: {row.template}" if row.wording else row.by
