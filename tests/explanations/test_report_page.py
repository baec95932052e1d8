"""The report as a file."""

from __future__ import annotations

import re

import pytest

from llmrg.core.errors import CallerError
from llmrg.core.interval import Interval
from llmrg.explanations.page import draw_page
from llmrg.explanations.report_page import ReportPicture, ReportSection, ReportTable, write_report
from llmrg.explanations.svg import draw_svg

TABLE = ReportTable(
    ("Model", "HR@10", "Calls"), (("base", Interval(0.2, 0.1, 0.3), 1200), ("<b>ours", Interval(0.3, 0.2, 0.4), 7)), "95 %", (1,)
)


def test_report_with_pictures_beside_it(nine, tmp_path) -> None:
    parts = (nine.catalogue, nine.history, nine.graph, nine.recommendations)
    sections = [
        ReportSection("Does it help?", "One.\n\nTwo <i>.", TABLE),
        ReportSection("Protocol", card=(("split", "leave one out"),)),
    ]
    pictures = [ReportPicture("Reader <17>", draw_page(*parts), draw_svg(*parts)), ReportPicture("Reader 4", draw_page(*parts))]
    path = write_report(tmp_path / "deep" / "report.html", sections, pictures, title="Demo & more")
    text = path.read_text("utf-8")
    assert path == tmp_path / "deep" / "report.html"
    links = re.findall(r'href="(report_pictures/[^"]+)"', text)
    assert links == ["report_pictures/1-reader-17.html", "report_pictures/2-reader-4.html"]
    assert all((path.parent / link).read_text("utf-8").startswith("<!doctype html>") for link in links)
    assert "Demo &amp; more" in text
    assert "&lt;b&gt;ours" in text
    assert "<script" not in text
    assert "0.200 – 0.400" in text
    assert "1,200" in text
    assert 'width="75.0"' in text  # 0.3 on a scale that ends at 0.4
    assert sorted(p.name for p in path.parent.iterdir()) == ["report.html", "report_pictures"]
    assert set(re.findall(r"https?://[^\"'\s<>]*", text)) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize(
    "svg",
    [
        "<svg",
        "<p/>",
        "<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>",
        "<svg xmlns='http://www.w3.org/2000/svg'><image href='http://x/y.png'/></svg>",
    ],
)
def test_svg_that_is_not_a_plain_picture_is_refused(svg: str, tmp_path) -> None:
    with pytest.raises(CallerError, match="draw_svg"):
        write_report(tmp_path / "r.html", [ReportSection("S", svg=svg)])
    assert list(tmp_path.iterdir()) == []


def test_ragged_table_is_refused() -> None:
    with pytest.raises(CallerError, match="2 columns"):
        ReportTable(("a", "b"), ((1,),))


def test_report_is_replaced_whole(tmp_path) -> None:
    path = write_report(tmp_path / "r.html", [ReportSection("First")])
    write_report(path, [ReportSection("Second")])
    assert "First" not in path.read_text("utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
