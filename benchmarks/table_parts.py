"""Pieces of the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmrg.evaluation.comparison import Comparison


def columns(*names: str) -> list[str]:
    """The first two lines of a table."""
    return [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]


def machine_line(found: dict[str, Any]) -> str:
    about = found["machine"]
    return f"Machine: {about.get('cpu', '?')}, {about.get('cores', '?')} cores."


def interval(value: dict[str, float]) -> str:
    return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def without_coverage(table: Comparison) -> dict[str, Any]:
    """A table as a record, where the ranks came without the recommended lists that coverage is counted from."""
    record = table.to_json()
    for row in record["rows"]:
        del row["coverage"]
    return record
