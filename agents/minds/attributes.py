"""The `attributes` mind: no language model, only what the catalogue says. The control that shows what a model adds."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, PositiveInt

from llmrg.agents.protocols import Block, Candidate, Cut, Imagined, OpenChain, Verdict
from llmrg.core.records import stable_key
from llmrg.data.dataset import Dataset


class AttributesConfig(BaseModel, frozen=True):
    """How much the attributes mind looks at."""

    proposals: PositiveInt = 3
    """Candidates per item."""
    distractors: PositiveInt = 50
    """Random items that a reason is compared on."""
    imagined: PositiveInt = 5
    """Continuations per chain."""


class AttributesMind:
    """Reasons are attribute values that cause and item share.

    The score of a step is the share of random items that fit its reason worse: the value is hidden, and an item that carries it
    beats those that do not. So a rare shared value scores near 1, one that half the catalogue has near 0.5, one not shared 0.
    """

    default_tau = 0.8

    def __init__(self, dataset: Dataset, config: AttributesConfig | None = None) -> None:
        self.config = config or AttributesConfig()
        names = set(dataset.reason_attributes)
        self._values = {
            item.id: tuple(dict.fromkeys(v for name, v in item.attributes if not names or name in names))
            for item in dataset.catalogue
        }
        self._ids = tuple(self._values)
        counts = Counter(value for values in self._values.values() for value in values)
        self._rarity = {value: math.log(len(self._ids) / count) for value, count in counts.items()}
        self._carriers: dict[str, list[str]] = {}
        for item, values in self._values.items():
            for value in values:
                self._carriers.setdefault(value, []).append(item)
        self.name, self.settings = "attributes", self.config.model_dump()

    async def reason(self, block: Block) -> list[Candidate]:
        return [candidate for position in block.positions for candidate in self._propose(block, position)]

    def _propose(self, block: Block, position: int) -> list[Candidate]:
        items = block.history.items
        chains = {(chain.tail_position, chain.reason): chain.number for chain in block.chains}
        found: list[tuple[tuple[bool, float, int], Candidate]] = []
        for value in self._values[items[position]]:
            causes = [c for c in range(block.first, position) if value in self._values[items[c]]]
            if causes:
                cause = max(causes, key=lambda c: ((c, value) in chains, c))
                chain = chains.get((cause, value))
                candidate = Candidate(position, "item", items[cause], cause, value, items[position], chain, seen=position + 1)
                found.append(((chain is not None, self._rarity[value], cause), candidate))
        if not found:
            own = max(self._values[items[position]], key=self._rarity.__getitem__, default=None)
            return [] if own is None else [Candidate(position, "root", "", None, own, items[position], None, seen=position + 1)]
        found.sort(key=lambda pair: pair[0], reverse=True)
        return [candidate for _, candidate in found[: self.config.proposals]]

    async def verify(self, block: Block, candidates: Sequence[Candidate]) -> list[Verdict]:
        return [self._verdict(candidate) for candidate in candidates]

    def _verdict(self, c: Candidate) -> Verdict:
        shared = c.reason in self._values[c.item] and (c.cause_kind != "item" or c.reason in self._values[c.cause])
        if not shared:
            return Verdict(0.0, f"{c.reason!r} is not an attribute of both", cause="not an attribute of both")
        generator = random.Random(stable_key("distractors", c.cause, c.reason, c.item))
        drawn = [generator.choice(self._ids) for _ in range(self.config.distractors)]
        worse = sum(c.reason not in self._values[item] for item in drawn) / len(drawn)
        critique = "" if worse >= self.default_tau else f"{c.reason!r} fits too many others"
        return Verdict(worse, critique, cause="fits too many others")

    async def imagine(self, cut: Cut) -> list[Imagined]:
        return [imagined for chain in cut.chains for imagined in self._continue(cut, chain)]

    def _continue(self, cut: Cut, chain: OpenChain) -> list[Imagined]:
        seen, tail = set(cut.history.items), set(self._values.get(chain.tail_item, ()))
        suggested = {item: -rank for rank, item in enumerate(cut.suggestions.get(chain.number, ()))}
        fits = [item for item in self._carriers.get(chain.reason, []) if item not in seen]

        def order(item: str) -> tuple[bool, float, int, str]:
            alike = sum(self._rarity[value] for value in tail & set(self._values[item]))
            return item not in suggested, -alike, -suggested.get(item, 0), item

        return [Imagined(chain.number, chain.reason, "", item) for item in sorted(fits, key=order)[: self.config.imagined]]
