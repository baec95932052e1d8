"""A report of an evaluation as one HTML file, with users' pages beside it. No script, nothing loaded from outside."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from llmrg.core.errors import CallerError
from llmrg.core.interval import Interval
from llmrg.core.places import writing
from llmrg.explanations.templating import render
from llmrg.explanations.wording import clean

Cell = str | int | float | Interval
"""An interval is drawn as a bar with a whisker."""
BOUND = re.compile(r"(<= )?\d+(\.\d+)?")
"""A p-value as text: a number that is not broken over lines."""


@dataclass(frozen=True)
class ReportTable:
    """Rows under named columns. Bars of one column share one scale from 0 to its highest end."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    """Under the table: what the interval is, how rows compare."""
    emphasis: tuple[int, ...] = ()
    """Numbers of the rows to stress, from 0."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise CallerError(f"a row has {len(row)} cells, the table {len(self.columns)} columns: {row!r}")


@dataclass(frozen=True)
class ReportSection:
    """A heading with a text (blank lines part paragraphs) and what belongs to it."""

    title: str
    text: str = ""
    table: ReportTable | None = None
    card: tuple[tuple[str, str], ...] = ()
    """(name, value) pairs: a protocol card, settings."""
    svg: str = ""
    """One whole SVG, as `draw_svg` makes it; the only part that is not escaped."""


@dataclass(frozen=True)
class ReportPicture:
    """A user's page, written beside the report and linked from it; its SVG is shown in the report."""

    title: str
    page: str
    svg: str = ""


def write_report(
    path: str | os.PathLike[str],
    sections: Sequence[ReportSection],
    pictures: Sequence[ReportPicture] = (),
    *,
    title: str = "Report",
    subtitle: str = "",
) -> Path:
    """Write the report, and the pages into the folder `<name>_pictures` beside it; returns the absolute path of the report.

    Raises: CallerError: an svg is not a whole SVG document.
    """
    target = Path(path).absolute()
    folder = target.with_name(f"{target.stem}_pictures")
    names = [f"{number}-{_file_name(picture.title)}.html" for number, picture in enumerate(pictures, start=1)]
    text = render(
        "report.html",
        title=clean(title),
        subtitle=clean(subtitle),
        sections=[_section(section) for section in sections],
        pictures=[(p.title, f"{folder.name}/{name}", _whole(p.svg)) for p, name in zip(pictures, names, strict=True)],
    )
    for picture, name in zip(pictures, names, strict=True):
        _write(folder / name, picture.page)
    _write(target, text)
    return target


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    draft = path.with_name(f".{path.name}.part")
    with writing(path):
        try:
            draft.write_text(text, "utf-8")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def _file_name(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "user"


def _section(section: ReportSection) -> dict[str, object]:
    paragraphs = [" ".join(block.split()) for block in re.split(r"\n\s*\n", section.text) if block.strip()]
    table = None if section.table is None else _table(section.table)
    return {"title": section.title, "paragraphs": paragraphs, "table": table, "card": section.card, "svg": _whole(section.svg)}


def _table(table: ReportTable) -> dict[str, object]:
    tops = [
        max((cell.high for row in table.rows if isinstance(cell := row[column], Interval)), default=0.0)
        for column in range(len(table.columns))
    ]
    rows = [
        ([_cell(cell, top) for cell, top in zip(row, tops, strict=True)], n in table.emphasis) for n, row in enumerate(table.rows)
    ]
    numeric = [all(not isinstance(row[column], str) for row in table.rows) for column in range(len(table.columns))]
    return {"columns": list(zip(table.columns, numeric, strict=True)), "rows": rows, "note": table.note}


def _cell(cell: Cell, top: float) -> dict[str, object]:
    if isinstance(cell, Interval):
        whole, span = f"{cell.value:.3f}", f"{cell.low:.3f} – {cell.high:.3f}"
        ends = [round(100 * min(max(end / top, 0.0), 1.0), 1) if top > 0 else 0.0 for end in (cell.value, cell.low, cell.high)]
        return {"text": whole, "span": span, "bar": ends, "number": True}
    if isinstance(cell, str):
        return {"text": cell, "bar": None, "number": bool(BOUND.fullmatch(cell))}
    return {"text": f"{cell:,}" if isinstance(cell, int) else f"{cell:,.4g}", "bar": None, "number": True}


def _whole(svg: str) -> Markup:
    """The SVG as it is, once it is seen to be one document and to hold no script and no link to the outside."""
    if not svg:
        return Markup("")
    try:
        root = ET.fromstring(svg)
    except ET.ParseError as error:
        raise CallerError(f"not a well-formed SVG ({error}): {svg[:60]!r}; pass what draw_svg returns") from None
    if root.tag.rpartition("}")[2] != "svg":
        raise CallerError(f"not an SVG but <{root.tag}>: {svg[:60]!r}; pass what draw_svg returns")
    for element in root.iter():
        name = element.tag.rpartition("}")[2].lower()
        loose = [key for key in element.attrib if key.lower().startswith("on") or key.lower().endswith("href")]
        if name in ("script", "foreignobject") or loose:
            raise CallerError(f"the SVG holds <{name}> with {loose or 'active content'}; pass what draw_svg returns")
    return Markup(svg)
