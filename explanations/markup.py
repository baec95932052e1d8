"""Elements of SVG as text. Every plain string is escaped on its way in; only what `tag` made itself passes as it is."""

from __future__ import annotations

from markupsafe import Markup, escape

Attribute = str | float | int | None


def tag(name: str, *children: str, **attributes: Attribute) -> Markup:
    """One element. `class_` stands for class, `data_step` for data-step; attributes that are None are left out."""
    written = Markup("").join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    start = Markup("<") + Markup(name) + written
    if not children:
        return start + Markup("/>")
    return start + Markup(">") + Markup("").join(children) + Markup(f"</{name}>")


def _attribute(key: str, value: str | float) -> Markup:
    text = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
    return Markup(' {}="{}"').format(Markup(key.rstrip("_").replace("_", "-")), escape(text))


def text(content: str, x: float, y: float, class_: str, **attributes: Attribute) -> Markup:
    return tag("text", content, x=x, y=y, class_=class_, **attributes)


def circle(x: float, y: float, r: float, class_: str | None = None) -> Markup:
    return tag("circle", cx=x, cy=y, r=r, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str | None = None, **attributes: Attribute) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_, **attributes)


def path(d: str, class_: str | None = None, **attributes: Attribute) -> Markup:
    return tag("path", d=d, class_=class_, **attributes)


def cross(x: float, y: float, r: float = 3.4) -> Markup:
    return path(f"M{x - r:.1f} {y - r:.1f}L{x + r:.1f} {y + r:.1f}M{x - r:.1f} {y + r:.1f}L{x + r:.1f} {y - r:.1f}", "lg-cross")


def diamond(x: float, y: float, r: float, class_: str) -> Markup:
    return path(f"M{x:.1f} {y - r:.1f}l{r:.1f} {r:.1f}l{-r:.1f} {r:.1f}l{-r:.1f} {-r:.1f}z", class_)


def square(x: float, y: float, r: float, class_: str) -> Markup:
    return tag("rect", x=x - r, y=y - r, width=2 * r, height=2 * r, class_=class_)


def badge(x: float, y: float, rank: int) -> Markup:
    return tag("g", circle(x, y, 9.0), text(str(rank), x, y + 4, "lg-rank"), class_="lg-badge")
