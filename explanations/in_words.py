"""An explanation as a sentence: a language model puts the chain that contributed most into words, and what it says is checked.

The facts are those of an `Explanation`, so stored steps. A model that was trained for explanations writes freely; a sentence that
does not name the reason, or names an item or a reason that the chain does not hold, is thrown away. Then, and where the model was
not trained for it, the likeliest of our wordings of the chain is taken, which can say nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from llmrg.core.errors import CallerError
from llmrg.data.dataset import Catalogue
from llmrg.explanations.chains import Chain
from llmrg.explanations.explain import Explanation
from llmrg.explanations.reasons import Part
from llmrg.explanations.wording import clean, title_of

MOST_CAUSES = 2
"""Items of the history that a sentence names at most, the latest ones."""
WORDINGS = (
    "{item} follows from {causes}: {reason}.",
    "After {causes}, {item} goes on: {reason}.",
    "What {item} shares with {causes}: {reason}.",
    "From {causes} to {item}: {reason}.",
)
BARE_WORDINGS = ("{item}: {reason}.", "For {item} speaks: {reason}.")
"""For a reason that no item of the history stands behind."""


class Teller(Protocol):
    """A language model that knows a user and an item (`llmrg.recsysllm.asking.Teller`)."""

    def write(self, reason: str) -> str:
        """A sentence on why the item suits the user, about a reason; "" where the model was not trained for that."""

    def likelihoods(self, sentences: Sequence[str]) -> Sequence[float]:
        """Mean log-probability of a token of each sentence."""


@dataclass(frozen=True)
class InWords:
    """A sentence, and what it rests on."""

    text: str
    steps: Chain = ()
    """Stored steps of the chain that it tells; empty where the reason comes from items alone, or there is none."""
    how: Literal["written", "worded", "none"] = "none"
    """`written` freely by the model and passed the check; `worded`: a wording of ours that the model finds likeliest; `none`: no
    reason took part in the score, and the sentence says so."""

    def to_json(self) -> dict[str, Any]:
        return {"text": self.text, "how": self.how, "steps": [step.to_json() for step in self.steps]}


def in_words(why: Explanation, teller: Teller, catalogue: Catalogue) -> InWords:
    """The strongest reason of an explanation as one sentence.

    Raises: CallerError: the explanation does not say what the score is the sum of.
    """
    if why.taken is None and not why.attributed:
        raise CallerError("the explanation does not say what the score is the sum of; make it with a recommender's contributions")
    if not why.reasons:
        return InWords(f"“{title_of(catalogue, why.item)}”: {why.lines(catalogue)[0]}.")
    part = why.reasons[0]
    chain = max(part.chains, key=lambda chain: chain[-1].position, default=())
    written = teller.write(clean(part.name))
    if written and not faults(written, part, why.item, catalogue, (step.reason for step in chain)):
        return InWords(written, chain, "written")
    worded = _worded(part, chain, why.item, catalogue)
    best = max(zip(teller.likelihoods(worded), worded, strict=True))
    return InWords(best[1], chain, "worded")


def faults(text: str, part: Part, item: str, catalogue: Catalogue, reasons: Iterable[str] = ()) -> list[str]:
    """What a sentence says that a reason does not hold; empty where nothing.

    Titles and attribute values of the catalogue are looked for as whole words; what is neither cannot be checked. Args: reasons:
    others that may be named.
    """
    if not _names(text, part.name):
        return [f"does not name the reason {part.name!r}"]
    parts_named = {part.name, *reasons}
    behind = {item, *part.items, *(step.item for chain in part.chains for step in chain)}
    allowed = [*parts_named, *(title_of(catalogue, other) for other in behind)]
    values = {value for other in catalogue for _, value in other.attributes}
    left = _without(text, allowed)
    strangers = [name for name in sorted({title_of(catalogue, other.id) for other in catalogue} | values) if _names(left, name)]
    return [f"names {name!r}, which the chain does not hold" for name in strangers]


def _worded(part: Part, chain: Chain, item: str, catalogue: Catalogue) -> list[str]:
    behind = [step.item for step in chain if step.kind == "reasoned"] or list(part.items)
    causes = [f"“{title_of(catalogue, cause)}”" for cause in dict.fromkeys(behind) if cause != item][-MOST_CAUSES:]
    filled = {"item": f"“{title_of(catalogue, item)}”", "reason": clean(part.name), "causes": " and ".join(causes)}
    return [wording.format(**filled) for wording in (WORDINGS if causes else BARE_WORDINGS)]


def _names(text: str, name: str) -> bool:
    return bool(name.strip()) and _pattern([name]).search(text) is not None


def _without(text: str, names: Collection[str]) -> str:
    """The text with these names taken out, the longest first."""
    return _pattern(sorted(names, key=len, reverse=True)).sub(" ", text)


def _pattern(names: Collection[str]) -> re.Pattern[str]:
    """Any of the names as whole words, in capitals or not, whatever the white space in them."""
    spelt = [r"\s+".join(map(re.escape, name.split())) for name in names if name.strip()]
    return re.compile(rf"(?<!\w)(?:{'|'.join(spelt)})(?!\w)", re.IGNORECASE)
