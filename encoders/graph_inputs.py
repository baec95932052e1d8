"""The graphs of some users as a recommender takes them: flat arrays a layer, and the texts that their nodes stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol, Self

import numpy as np

from llmrg.core.graph_table import GraphTable
from llmrg.core.records import ReasoningGraph
from llmrg.encoders.arrays import GraphArrays
from llmrg.encoders.building import MEMORY, Texts, imagined_layer, reasoned_layer
from llmrg.encoders.placed_steps import PlacedSteps

Layer = Literal["reasoned", "imagined"]
LAYERS: Final[tuple[Layer, ...]] = ("reasoned", "imagined")


class ItemNumbers(Protocol):
    """Row numbers of the catalogue's items, counted from 1: a plain dict, or anything with its `get`."""

    def get(self, item: str, default: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class GraphInputs:
    """Both graphs of U users."""

    layers: Mapping[Layer, GraphArrays]
    """U graphs a layer; a layer that is not used has the histories alone, of which nothing is ever read out."""
    texts: tuple[str, ...]
    """(T,) what the text rows of the nodes say, to be turned into the (T, D_text) vectors that encoders ask for; row 0 is ""."""
    left_out: np.ndarray
    """(U,) int64 accepted steps of each user, known in time, that contradict the history or end in an item that the catalogue
    lacks. More than a few say that the graphs were built on other data."""

    @classmethod
    def of(
        cls,
        graphs: Mapping[str, ReasoningGraph],
        users: Sequence[str],
        rows: Sequence[np.ndarray],
        items: ItemNumbers,
        memory: int = MEMORY,
        use_reasoned: bool = True,
        use_imagined: bool = True,
    ) -> Self:
        """Inputs of many users; a `GraphTable`, as stores give it, is read without a record being made.

        Args:
            graphs: by user; users may have none.
            rows: catalogue rows of each user's history, oldest first. What is known only after its end is not used.
            items: catalogue row of an item id.
            memory: how many positions back an item or a reasoned step is still read out.
        Raises: CallerError: not one history a user.
        """
        table = GraphTable.of_mapping(graphs)
        placed = PlacedSteps.of(table, table.numbers(users), rows, lambda item: items.get(item, 0))
        return cls.of_placed(placed, memory, use_reasoned, use_imagined)

    @classmethod
    def of_queries(
        cls,
        graphs: Sequence[ReasoningGraph | None],
        rows: Sequence[np.ndarray],
        items: ItemNumbers,
        memory: int = MEMORY,
        use_reasoned: bool = True,
        use_imagined: bool = True,
    ) -> Self:
        """Inputs of a few graphs at hand, one a history; a user may come more than once. Else as `of`."""
        placed = PlacedSteps.of_records(graphs, rows, lambda item: items.get(item, 0))
        return cls.of_placed(placed, memory, use_reasoned, use_imagined)

    @classmethod
    def of_placed(cls, placed: PlacedSteps, memory: int = MEMORY, use_reasoned: bool = True, use_imagined: bool = True) -> Self:
        """Inputs of steps that are laid upon their histories; else as `of`."""
        texts = Texts()
        reasoned = reasoned_layer(placed.only("reasoned" if use_reasoned else None), texts, memory)
        imagined = imagined_layer(placed.only("imagined" if use_imagined else None), texts)
        return cls({"reasoned": reasoned, "imagined": imagined}, texts.all(), placed.left_out)

    def __len__(self) -> int:
        return len(self.left_out)

    def take(self, users: np.ndarray) -> Self:
        """Those of the users numbered by (B,) int64, in that order."""
        layers = {name: arrays.take(users) for name, arrays in self.layers.items()}
        return replace(self, layers=layers, left_out=self.left_out[users])

    def at(self, users: np.ndarray, positions: np.ndarray) -> Self:
        """Those of (user, position) pairs, both (B,) int64: what the history before the position alone would give."""
        layers = {name: arrays.at(users, positions) for name, arrays in self.layers.items()}
        return replace(self, layers=layers, left_out=self.left_out[users])

    def visible(self, positions: np.ndarray) -> dict[Layer, np.ndarray]:
        """(U, P) bool a layer: whether any reason is visible at each of the user's (U, P) positions. 0 asks nothing."""
        return {name: arrays.visible(positions) for name, arrays in self.layers.items()}
