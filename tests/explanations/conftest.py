"""Graphs to look at: a reader of fifty books, one of nine, one of one, and one without a graph."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from llmrg.core.records import History, Item, ReasoningGraph, Step, in_order
from llmrg.data.dataset import Catalogue
from llmrg.explanations.explain import Recommended, explain

TITLES = """The Left Hand of Darkness|Dune|Foundation|Neuromancer|Snow Crash|Hyperion|The Name of the Rose
Foucault's Pendulum|Gödel, Escher, Bach|Jonathan Strange & Mr Norrell|The Master and Margarita
One Hundred Years of Solitude|Love in the Time of Cholera|The Unbearable Lightness of Being
If on a winter's night a traveler|Invisible Cities|Cloud Atlas|The Bone Clocks|Never Let Me Go
The Remains of the Day|Klara and the Sun|Wolf Hall|Bring Up the Bodies|The Mirror & the Light
A Place of Greater Safety|The Secret History|The Goldfinch|Crime and Punishment|The Brothers Karamazov
Anna Karenina|War and Peace|Middlemarch|Pride and Prejudice|Jane Eyre|Wuthering Heights
Frankenstein; or, The Modern Prometheus|Dracula|Strange Case of Dr Jekyll and Mr Hyde|The Picture of Dorian Gray
Heart of Darkness|The Murder of Roger Ackroyd|And Then There Were None|The Hound of the Baskervilles
The Big Sleep|The Girl with the Dragon Tattoo|Gone Girl|The Hitchhiker's Guide to the Galaxy|Good Omens
American Gods|The Ocean at the End of the Lane
Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb|A Wizard of Earthsea|Solaris
The Dispossessed|Blindsight|Children of Time|Piranesi|Baudolino|The Shadow of the Wind|The Buried Giant
Bleak House|Demons|The Moonstone|A Memory Called Empire|Station Eleven|The Night Circus|Kafka on the Shore
The Testaments|The Sense of an Ending|Hamnet"""
REASONS = """cerebral science fiction|the politics of a desert empire|first contact with a truly alien mind
decline of a galactic empire|labyrinths and forbidden books|unreliable narrators|magical realism of family sagas
court intrigue under the Tudors|moral guilt and confession|gothic dread in a lonely house
a closed circle of suspects|dry British wit|a quiet life reconsidered|memory and loss|gods among mortals
science gone too far|stories nested in stories|obsession|class and marriage in provincial England
hardboiled detectives"""
CRITIQUES = (
    "the reason was not found again when it was hidden",
    "fits most of the distractors as well",
    "names a theme the item does not have",
    "",
)


@dataclass(frozen=True)
class Reader:
    """All that a page needs."""

    catalogue: Catalogue
    history: History
    graph: ReasoningGraph
    recommendations: tuple[Recommended, ...]


def make_catalogue() -> Catalogue:
    titles = [title for row in TITLES.split("\n") for title in row.split("|")]
    return Catalogue([Item(f"b{n}", t, (("author", f"Author {n}"), ("theme", "memory"))) for n, t in enumerate(titles)], "book")


def make_reader(length: int, chains: int, accepted: int, rejected: int, imagined: int, seed: int = 7) -> Reader:
    """A seeded reader whose chains jump forward through the history."""
    rng = random.Random(seed)
    catalogue, reasons = make_catalogue(), REASONS.replace("\n", "|").split("|")
    items = catalogue.ids[:length]
    history = History(
        "reader-17", items, tuple(1.4e9 + 2e6 * p for p in range(length)), (("age", "25-34"), ("likes", "long novels"))
    )
    steps: dict[str, Step] = {}
    tails: dict[int, int] = {}

    def add(kind: str, chain: int, cause: int | None, at: int, item: str, ok: bool = True) -> None:
        root = "root" if rng.random() < 0.7 else "attribute"
        step = Step(
            user=history.user,
            position=at,
            kind=kind,  # type: ignore[arg-type]
            cause_kind="item" if cause is not None else root,  # type: ignore[arg-type]
            cause=items[cause] if cause is not None else ("age=25-34" if root == "attribute" else ""),
            cause_position=cause,
            reason=reasons[(chain * 3 + rng.randrange(4)) % len(reasons)],
            item=item,
            score=round(rng.uniform(0.55, 0.99) if ok else rng.uniform(0.05, 0.5), 3),
            chain=chain if ok else -1,
            seen=at + (kind == "reasoned"),
            accepted=ok,
            why_rejected="" if ok else rng.choice(CRITIQUES),
            origin="knowledge" if rng.random() < 0.25 else "model",
            grounding=round(rng.uniform(0.7, 1.0), 2) if kind == "imagined" else 1.0,
        )
        steps.setdefault(step.key, step)

    for n in range(chains):
        tails[n] = min(n * 2, length - 1)
        add("reasoned", n, None, tails[n], items[tails[n]])
    for _ in range(accepted * 40):
        if len(steps) >= accepted:
            break
        n = rng.randrange(chains)
        jump = tails[n] + rng.randint(2, 9)
        if jump < length:
            add("reasoned", n, tails[n], jump, items[jump])
            tails[n] = jump if rng.random() < 0.93 else tails[n]
    for _ in range(rejected):
        at = rng.randrange(max(1, length // 5), length)
        add("reasoned", 0, max(0, at - rng.randint(1, 9)), at, items[at], ok=False)
    for n in range(imagined):
        chain = list(tails)[n % max(1, min(5, chains))]
        add("imagined", chain, tails[chain], length, catalogue.ids[length + n - (n % 4 == 3)])
    if rejected:
        for n in range(2):
            add("imagined", n, tails[n], length, catalogue.ids[length + 12 + n], ok=False)
    graph = ReasoningGraph(history.user, in_order(steps.values()), "run-2031", 3)
    wanted = [*list(dict.fromkeys(s.item for s in graph.imagined(length)))[:4], catalogue.ids[length + 15]]
    picks = tuple((item, 4.2 - 0.37 * n, explain(graph, history, item, verified=True)) for n, item in enumerate(wanted))
    return Reader(catalogue, history, graph, picks)


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return make_catalogue()


@pytest.fixture(scope="session")
def fifty() -> Reader:
    return make_reader(50, 8, 60, 15, 9)


@pytest.fixture(scope="session")
def nine() -> Reader:
    return make_reader(9, 2, 8, 3, 3)


@pytest.fixture(scope="session")
def one() -> Reader:
    return make_reader(1, 1, 1, 0, 1)


@pytest.fixture(scope="session")
def bare() -> Reader:
    """A history whose graph is empty."""
    reader = make_reader(9, 2, 8, 0, 0)
    empty = ReasoningGraph(reader.history.user)
    return Reader(reader.catalogue, reader.history, empty, (("b30", 1.0, explain(empty, reader.history, "b30")),))
