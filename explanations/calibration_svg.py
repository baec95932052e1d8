"""A calibration as a picture: how scores of right and wrong steps are spread, and how far a score can be taken for a share."""

from __future__ import annotations

from markupsafe import Markup

from llmrg.core.calibration import Calibration
from llmrg.explanations.markup import circle, line, path, tag, text
from llmrg.explanations.templating import part

WIDTH, HEIGHT, SIDE, TOP = 760, 330, 260, 46
LEFT, RIGHT = 60, 430
"""Where the two plots begin."""
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:var(--lg-ink)}.soft{fill:var(--lg-soft);font-size:11px}.title{font-weight:600}"
    ".axis{stroke:var(--lg-rule)}.right{fill:var(--lg-0);opacity:.75}.wrong{fill:var(--lg-1);opacity:.75}"
    ".tau{stroke:var(--lg-ink);stroke-dasharray:4 3}.ideal{stroke:var(--lg-rule)}"
    ".curve{fill:none;stroke:var(--lg-0);stroke-width:2}.dot{fill:var(--lg-0)}"
)


def calibration_svg(calibration: Calibration) -> str:
    """One self-contained SVG text, in light and dark colours."""
    auc = calibration.auc["all"]
    title = f"{calibration.verifier} on {calibration.data}: AUC {auc}"
    parts = [
        tag("style", part("colours.css") + Markup(_STYLE)),
        tag("rect", width=WIDTH, height=HEIGHT, fill="var(--lg-bg)"),
        text(title, LEFT, 24, "title"),
        _histogram(calibration),
        _reliability(calibration),
    ]
    box = f"0 0 {WIDTH} {HEIGHT}"
    return str(tag("svg", *parts, xmlns="http://www.w3.org/2000/svg", width=WIDTH, height=HEIGHT, viewBox=box, role="img"))


def _histogram(calibration: Calibration) -> Markup:
    """Shares of right and of wrong steps by score, side by side in each twentieth."""
    shares = {kind: [n / max(sum(counts), 1) for n in counts] for kind, counts in calibration.histogram.items()}
    top = max(max(values) for values in shares.values()) or 1.0
    bars, width = [], SIDE / 20
    for kind, shift in (("wrong", 0.0), ("right", width / 2)):
        for number, share in enumerate(shares[kind]):
            height = SIDE * share / top
            x, y = LEFT + number * width + shift, TOP + SIDE - height
            bars.append(tag("rect", x=x, y=y, width=width / 2, height=height, class_=kind))
    marked = []
    if calibration.tau is not None:
        x = LEFT + SIDE * calibration.tau
        marked = [
            line(x, TOP, x, TOP + SIDE, "tau"),
            text(f"tau {calibration.tau:.2f}", x - 4, TOP + 10, "soft", text_anchor="end"),
        ]
    legend = [
        text("right steps", LEFT + 70, TOP - 6, "soft"),
        circle(LEFT + 62, TOP - 10, 4, "right"),
        text("wrong steps", LEFT + 158, TOP - 6, "soft"),
        circle(LEFT + 150, TOP - 10, 4, "wrong"),
    ]
    return tag("g", *_axes(LEFT, "score", "share of steps"), *bars, *marked, *legend)


def _reliability(calibration: Calibration) -> Markup:
    points = [(RIGHT + SIDE * score, TOP + SIDE * (1 - share)) for score, share, _ in calibration.reliability]
    dots = [circle(x, y, 3.5, "dot") for x, y in points]
    d = "".join(f"{'L' if number else 'M'}{x:.1f} {y:.1f}" for number, (x, y) in enumerate(points))
    ideal = line(RIGHT, TOP + SIDE, RIGHT + SIDE, TOP, "ideal")
    return tag(
        "g",
        *_axes(RIGHT, "score", f"share of right steps, if {100 * calibration.prevalence:.0f} % were right"),
        ideal,
        path(d, "curve"),
        *dots,
    )


def _axes(x: float, below: str, beside: str) -> list[Markup]:
    middle = TOP + SIDE / 2
    return [
        line(x, TOP + SIDE, x + SIDE, TOP + SIDE, "axis"),
        line(x, TOP, x, TOP + SIDE, "axis"),
        text("0", x, TOP + SIDE + 16, "soft", text_anchor="middle"),
        text("1", x + SIDE, TOP + SIDE + 16, "soft", text_anchor="middle"),
        text(below, x + SIDE / 2, TOP + SIDE + 16, "soft", text_anchor="middle"),
        text(beside, x - 12, middle, "soft", text_anchor="middle", transform=f"rotate(-90 {x - 12:.1f} {middle:.1f})"),
    ]
