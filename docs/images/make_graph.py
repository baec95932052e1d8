"""Draw docs/images/graph.svg: a small reader made by hand. Run `python docs/images/make_graph.py`."""

from __future__ import annotations

from pathlib import Path

from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue
from llmrg.explanations.explain import Recommended, explain
from llmrg.explanations.svg import draw_svg

TITLES = (
    "Foundation|The Name of the Rose|Dune|Emma|The Left Hand of Darkness|Foucault's Pendulum|Persuasion|Hyperion|Invisible Cities"
    "|The Dispossessed|Middlemarch|Cloud Atlas|Solaris|If on a winter's night a traveler|Blindsight|A Room with a View|Ulysses"
)
CAUSES: tuple[tuple[int, int | None, int, str, float, str], ...] = (
    (0, None, 0, "rise and fall of empires", 0.86, "model"),
    (0, 0, 2, "politics on a galactic scale", 0.91, "model"),
    (0, 2, 4, "a world built down to its customs", 0.78, "model"),
    (0, 4, 7, "pilgrims on a strange world", 0.66, "model"),
    (0, 7, 9, "science fiction of ideas", 0.88, "knowledge"),
    (1, None, 1, "a puzzle among old books", 0.83, "model"),
    (1, 1, 5, "conspiracies of scholars", 0.93, "knowledge"),
    (1, 5, 8, "Italian play with stories", 0.71, "model"),
    (1, 8, 11, "stories nested in stories", 0.89, "model"),
    (2, None, 3, "manners and marriage", 0.8, "model"),
    (2, 3, 6, "a second chance at love", 0.84, "model"),
    (2, 6, 10, "quiet lives in the provinces", 0.75, "knowledge"),
)
REFUSED = ((2, 3, "desert survival", 0.12), (6, 7, "romance at sea", 0.21), (8, 10, "travel", 0.34))
IMAGINED = (
    (0, 9, 12, "meeting a truly alien mind", 0.87),
    (0, 9, 14, "what consciousness is for", 0.69),
    (1, 11, 13, "a book about reading itself", 0.92),
    (2, 10, 15, "convention against feeling", 0.74),
)
LENGTH = 12


def main() -> None:
    catalogue = Catalogue((Item(f"b{n}", title) for n, title in enumerate(TITLES.split("|"))), "book")
    history = History("reader-17", catalogue.ids[:LENGTH])
    steps = [_step(at, cause, reason, f"b{at}", score, chain, origin) for chain, cause, at, reason, score, origin in CAUSES]
    steps += [_step(at, cause, reason, f"b{at}", score, -1) for cause, at, reason, score in REFUSED]
    steps += [_step(LENGTH, cause, reason, f"b{item}", score, chain) for chain, cause, item, reason, score in IMAGINED]
    graph = ReasoningGraph("reader-17", tuple(steps))
    picks: list[Recommended] = [
        (item, 1.0, explain(graph, history, item, verified=True)) for item in ("b13", "b12", "b15", "b16")
    ]
    svg = draw_svg(catalogue, history, graph, picks, title="Why these books: reader 17", simulated=True, verified=True)
    Path(__file__).with_name("graph.svg").write_text(svg, "utf-8")


def _step(at: int, cause: int | None, reason: str, item: str, score: float, chain: int, origin: str = "model") -> Step:
    return Step(
        user="reader-17",
        position=at,
        kind="imagined" if at == LENGTH else "reasoned",
        cause_kind="root" if cause is None else "item",
        cause="" if cause is None else f"b{cause}",
        cause_position=cause,
        reason=reason,
        item=item,
        score=score,
        chain=chain,
        seen=at + (at != LENGTH),
        accepted=chain >= 0,
        why_rejected="" if chain >= 0 else "not found again when it was hidden",
        origin="knowledge" if origin == "knowledge" else "model",
    )


if __name__ == "__main__":
    main()
