"""The demo's report: comparison, graph quality, costs and a few pictures, as one page with the pictures beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from llmrg.agents.run.build_report import BuildReport
    from llmrg.evaluation.comparison import Comparison
    from llmrg.explanations.report_page import Cell, ReportPicture, ReportSection
    from llmrg.sdk import Project
    from llmrg.testing.graph_quality import GraphQuality, Rate

SIMULATED = (
    "The books are real, the readers are not: a seeded simulator made them, so that the true reason of every step is known. "
    "The figures show how the parts work together; they do not tell how much real readers would gain."
)


def write_demo_report(
    project: Project, table: Comparison, quality: tuple[GraphQuality, GraphQuality], report: BuildReport, pictured: int
) -> Path:
    """Write the report into the project's home and return its path.

    Args: quality: of the build, and of the same with verification off.
    """
    from llmrg.cli.tables import cost_rows
    from llmrg.explanations.report_page import ReportSection, ReportTable, write_report

    sections = [
        _comparison(table),
        *_contrasts(table),
        _quality(*quality),
        ReportSection("What it cost", table=ReportTable(("", ""), tuple(cost_rows(report)))),
    ]
    users = _users_with_chains(project, pictured)
    return write_report(
        project.settings.home / "reports" / "demo.html",
        sections,
        [_picture(project, user) for user in users],
        title="LLMRG demo",
        subtitle=SIMULATED,
    )


def _comparison(table: Comparison) -> ReportSection:
    from llmrg.explanations.report_page import ReportSection, ReportTable

    rows: list[tuple[Cell, ...]] = [
        (
            row.name,
            *(row.metrics[name] for name in ("HR@10", "NDCG@10")),
            "" if row.difference is None else str(row.difference),
            row.p,
            f"{row.unmasked['HR@10']:.3f}",
        )
        for row in table.rows
    ]
    columns = ("recommender", "HR@10", "NDCG@10", f"NDCG@10 minus {table.reference}", "p", "HR@10 unmasked")
    return ReportSection(
        "Do the graphs help?",
        "Each row ranks every reader's held-out last book among the whole catalogue. A graph earns its price only where its row "
        "beats both the plain sequence graph (no model) and the shuffled graph (the same shapes, reasons dealt out at random).",
        ReportTable(columns, tuple(rows), emphasis=(len(rows) - 1,)),
        tuple(table.card.lines()),
    )


def _contrasts(table: Comparison) -> list[ReportSection]:
    from llmrg.cli.tables import contrast_rows
    from llmrg.explanations.report_page import ReportSection, ReportTable

    if not table.contrasts:
        return []
    header, rows = contrast_rows(table)
    text = "Row against row on the same users: what a graph adds to what it must beat. p counts all tests of both tables."
    return [ReportSection("What do the reasons add?", text, ReportTable(header, tuple(rows)))]


def quality_rows(quality: GraphQuality, unverified: GraphQuality) -> tuple[tuple[str, ...], Sequence[tuple[str, ...]]]:
    """Header and rows: accepted steps against the planted truth, of the build and of one with verification off."""
    header = ("", "verified", "without verification")
    rows = [
        (label, _rate(getattr(quality, name)), _rate(getattr(unverified, name)))
        for label, name in (
            ("precision", "precision"),
            ("precision, with cause", "precision_with_cause"),
            ("recall", "recall"),
            ("recall, with cause", "recall_with_cause"),
        )
    ]
    return header, rows


def _rate(rate: Rate) -> str:
    return f"{rate}  {rate.right:,}/{rate.total:,}"


def _quality(quality: GraphQuality, unverified: GraphQuality) -> ReportSection:
    from llmrg.explanations.report_page import ReportSection, ReportTable

    header, rows = quality_rows(quality, unverified)
    return ReportSection(
        "Are the graphs right?",
        "The simulator wrote down why each book was taken. A step is right if it names that theme; 'with cause' asks for the "
        "right earlier book too. One step a book is counted on either side: the best verified one, and without verification the "
        "reasoner's first.",
        ReportTable(header, tuple(rows)),
    )


def _users_with_chains(project: Project, number: int) -> list[str]:
    graphs = project.graphs()
    reasoned = graphs.steps["accepted"] & graphs.says("kind", "reasoned")
    counts = np.bincount(graphs.owners[reasoned], minlength=len(graphs)).tolist()
    return [user for _, user in sorted((-count, user) for count, user in zip(counts, graphs.users, strict=True))[:number]]


def _picture(project: Project, user: str) -> ReportPicture:
    from llmrg.explanations.report_page import ReportPicture

    picture = project.show(user)
    return ReportPicture(f"Reader {user}", picture.html, picture.svg)
