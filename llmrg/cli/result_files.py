"""The honest table as a file for papers and scripts: CSV, LaTeX (booktabs) or JSON."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llmrg.core.errors import ConfigError

if TYPE_CHECKING:
    from llmrg.core.interval import Interval
    from llmrg.evaluation.comparison import Comparison, Row

KINDS: Final = (".csv", ".tex", ".json")
_PRINTED: Final = ("HR@10", "NDCG@10")
"""Metrics in the LaTeX table; the other files have all."""
_TEX: Final = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
               "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "<": r"$<$", ">": r"$>$"}  # fmt: skip


def check_name(path: Path) -> None:
    """Raises: ConfigError: the name does not say which kind of file."""
    if path.suffix.lower() not in KINDS:
        raise ConfigError(f"the table is written as {', '.join(KINDS)}, and {str(path)!r} ends in none of them; name it so")


def table_text(table: Comparison, path: Path) -> str:
    """The whole file, as its name says."""
    return {".csv": _csv, ".tex": _tex, ".json": _json}[path.suffix.lower()](table)


def _json(table: Comparison) -> str:
    return json.dumps(table.to_json(), ensure_ascii=False, indent=2) + "\n"


def _csv(table: Comparison) -> str:
    """A row of figures each; an interval is three columns."""
    written = io.StringIO()
    names = list(table.rows[0].metrics)
    parts = [f"{name}{part}" for name in names for part in ("", "_low", "_high")]
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["recommender", *parts, "coverage", "difference", "difference_low", "difference_high", "p", "p_is_bound"])
    for row in table.rows:
        figures = [value for name in names for value in _three(row.metrics[name])]
        p = "" if row.p_value is None else row.p_value
        writer.writerow([row.name, *figures, row.coverage, *_three(row.difference), p, row.p_is_bound])
    return written.getvalue()


def _three(interval: Interval | None) -> tuple[float | str, ...]:
    return ("", "", "") if interval is None else (interval.value, interval.low, interval.high)


def _tex(table: Comparison) -> str:
    """A `tabular` to `\\input`; the protocol card stands above it as comments."""
    card = [f"% {label}: {text}" for label, text in table.card.lines()]
    head = " & ".join(["Recommender", *(_escaped(name) for name in _PRINTED), r"$\Delta$ NDCG@10", "$p$"])
    rows = [_tex_row(row) for row in table.rows]
    columns = "l" + "r" * (len(_PRINTED) + 2)
    begin = [r"% needs \usepackage{booktabs}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head + r" \\", r"\midrule"]
    return "\n".join([*card, *begin, *rows, r"\bottomrule", r"\end{tabular}", ""])


def _tex_row(row: Row) -> str:
    figures = [_mean(row.metrics[name]) for name in _PRINTED]
    difference = "" if row.difference is None else _mean(row.difference, sign=True)
    p = "" if row.p_value is None else f"${row.p.replace('<=', chr(92) + 'le')}$"
    return " & ".join([_escaped(row.name), *figures, difference, p]) + r" \\"


def _mean(interval: Interval, sign: bool = False) -> str:
    plus = "+" if sign else ""
    return f"${interval.value:{plus}.3f}$ {{\\scriptsize $[{interval.low:.3f}, {interval.high:.3f}]$}}"


def _escaped(text: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in text)
