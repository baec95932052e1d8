"""Results as Rich tables: comparisons, graph quality, costs, data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from llmrg.console import out

if TYPE_CHECKING:
    from llmrg.agents.run.build_report import BuildReport
    from llmrg.core.interval import Interval
    from llmrg.core.records import Interaction
    from llmrg.data.dataset import LoadReport
    from llmrg.data.registry import DatasetSummary, SetStatus
    from llmrg.evaluation.comparison import Comparison

Rows = Sequence[tuple[str, ...]]


def comparison_rows(table: Comparison) -> tuple[tuple[str, ...], Rows]:
    """Header and rows of the honest table, as text."""
    header = ("recommender", "HR@10", "NDCG@10", f"NDCG@10 minus {table.reference}", "p", "HR@10 unmasked", "coverage")
    rows = [
        (
            row.name,
            short(row.metrics["HR@10"]),
            short(row.metrics["NDCG@10"]),
            "" if row.difference is None else gain(row.difference),
            row.p,
            f"{row.unmasked['HR@10']:.3f}",
            f"{row.coverage:.2f}",
        )
        for row in table.rows
    ]
    return header, rows


def contrast_rows(table: Comparison) -> tuple[tuple[str, ...], Rows]:
    """Header and rows of the tests of row against row, as text."""
    rows = [(f"{contrast.name} minus {contrast.against}", gain(contrast.difference), contrast.p) for contrast in table.contrasts]
    return ("row minus row", "NDCG@10", "p"), rows


def gain(value: Interval) -> str:
    """`+0.0131 [+.0113 +.0148]`: a difference, small against the figures it is taken of."""
    low, high = (f"{end:+.4f}".replace("0.", ".", 1) for end in (value.low, value.high))
    return f"{value.value:+.4f} [{low} {high}]"


def short(value: Interval) -> str:
    """`0.297 [.24 .35]`: three digits, two for the interval."""
    low, high = (f"{end:.2f}".replace("0.", ".") for end in (value.low, value.high))
    return f"{value.value:.3f} [{low} {high}]"


def cost_rows(report: BuildReport) -> Rows:
    """What the build asked, got and cost."""
    from llmrg.agents.run.item_profiles import COUNTED
    from llmrg.agents.run.report import items_line

    counts = report.counts
    items = {name.removeprefix(COUNTED): number for name, number in counts.items() if name.startswith(COUNTED)}
    rate, useless = report.grounding_rate, sum(number for name, number in counts.items() if name.endswith(".useless_replies"))
    return [
        ("users", f"{report.built:,} built, {report.skipped:,} done before, {report.failures:,} failed"),
        *([("items", items_line(items))] if items else []),
        ("items asked of the reasoner", f"{counts.get('reason.asked', 0):,.0f}"),
        ("reasoned steps", _outcomes(counts, "reasoned")),
        ("imagined steps", _outcomes(counts, "imagined")),
        (
            "knowledge base",
            f"{counts.get('recall.hits', 0):,.0f} items with a hit, {counts.get('recall.used', 0):,.0f} steps reused",
        ),
        ("grounding", "nothing imagined" if rate is None else f"{rate:.0%} of imagined items are unseen catalogue items"),
        ("model calls", f"{report.total('calls'):,.0f}{_cached(report)}"),
        *([("useless replies", f"{useless:,.0f}, asked again by the next build")] if useless else []),
        ("tokens", f"{report.total('tokens'):,.0f}"),
        *([("money", f"{report.total('money'):,.2f} {report.currency}")] if report.currency or report.total("money") else []),
        ("seconds", f"{report.seconds:,.1f}  ({seconds_by_stage(report)})"),
    ]


def _outcomes(counts: Mapping[str, float], kind: str) -> str:
    accepted, rejected, waiting = (counts.get(f"verify.{kind}.{how}", 0) for how in ("accepted", "rejected", "waiting"))
    judged = f"{accepted:,.0f} accepted, {rejected:,.0f} rejected"
    return f"{judged}, {waiting:,.0f} wait for `llmrg review`" if waiting else judged


def _cached(report: BuildReport) -> str:
    return f", and {report.total('cached'):,.0f} replies out of the call cache" if report.total("cached") else ""


def seconds_by_stage(report: BuildReport) -> str:
    longest = sorted(report.stage_seconds.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in longest[:4])


def print_rows(title: str, header: Sequence[str], rows: Rows, figures: bool = True) -> None:
    """Args: figures: the columns after the first hold numbers, which stand to the right."""
    table = Table(title=title, title_justify="left", header_style="bold", show_header=any(header))
    for index, name in enumerate(header):
        right = figures and index > 0 and any(header)
        table.add_column(name, justify="right" if right else "left", no_wrap=index == 0 and any(header))
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    out.print(table)


def print_comparison(table: Comparison) -> None:
    print_rows("Held-out next item, mean [95 % interval]", *comparison_rows(table))
    if table.contrasts:
        print_rows("Row against row, the same users", *contrast_rows(table))
    for label, text in table.card.lines():
        out.print(f"  [dim]{label:>9}[/dim]  {text}", highlight=False)


def print_costs(report: BuildReport) -> None:
    print_rows("What it cost", ("", ""), cost_rows(report))
    for user, cause in list(report.failed.items())[:5]:
        out.print(f"  failed: {user}: {cause}", highlight=False, markup=False, soft_wrap=True)


def print_sets(sets: Sequence[SetStatus]) -> None:
    rows = [(s.name, s.what, s.here or "no", s.licence) for s in sets]
    print_rows("Data sets", ("name", "what", "here", "terms"), rows, figures=False)
    out.print("fetch one with `llmrg data get NAME`; a file or folder of your own needs no name", highlight=False)


def _first_rows(report: LoadReport, titles: Sequence[str]) -> tuple[tuple[str, ...], Rows]:
    from datetime import UTC, datetime

    def cells(row: Interaction, title: str) -> tuple[str, ...]:
        try:
            at = "" if row.at is None else f"{datetime.fromtimestamp(row.at, UTC):%Y-%m-%d %H:%M:%S}"
        except (OverflowError, ValueError, OSError):
            at = f"{row.at:g}: no time of this calendar"
        return row.user, row.item, title, at, "" if row.rating is None else f"{row.rating:g}", row.headline, row.text[:60]

    header = ("user", "item", "title", "time (UTC)", "rating", "headline", "text")
    rows = [cells(row, title) for row, title in zip(report.first, titles, strict=True)]
    used = [n for n, name in enumerate(header) if n < 4 or any(row[n] for row in rows)]
    return tuple(header[n] for n in used), [tuple(row[n] for n in used) for row in rows]


def print_summary(summary: DatasetSummary, report: LoadReport) -> None:
    lengths = " / ".join(map(str, summary.lengths))
    rows: list[tuple[str, ...]] = [
        ("users, items", f"{summary.users:,}, {summary.items:,}"),
        ("interactions", f"{summary.interactions:,}  (density {summary.density:.2%})"),
        ("history lengths", f"{lengths}  (shortest, quartiles, longest)"),
        ("ties in time", f"{summary.time_ties:,}, kept in the order of the file"),
        ("duplicates dropped", f"{report.duplicates_dropped:,}"),
        ("items without a title", f"{report.items_without_title:,}"),
        ("bad rows skipped", f"{len(report.bad_rows):,}"),
    ]
    for a in summary.attributes:
        common = ", ".join(f"{value} ({count:,})" for value, count in a.most_common[:5])
        role = ", reasons" if a.can_be_reason else ""
        rows.append((f"{a.name} ({a.of}{role})", f"{a.values:,} values on {a.carriers:,} {a.of}: {common}"))
    for user, titles in summary.examples[:2]:
        rows.append((f"user {user}, last", "; ".join(titles)))
    print_rows(report.source, ("", ""), rows)
    if report.columns:
        uses = [(u.table, u.column, f"{u.use}, as you said" if u.chosen else u.use) for u in report.columns]
        print_rows("What each column is taken for", ("table", "column", "taken for"), uses, figures=False)
    if report.first:
        print_rows("The first rows as understood", *_first_rows(report, summary.first_titles), figures=False)
    for note in (*report.notes, *report.bad_rows[:20]):
        out.print(f"  {note}", highlight=False, markup=False)
