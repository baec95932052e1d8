"""The parts that a sequential recommender can be made of, by name."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from llmrg.recommenders.losses import LossConfig
from llmrg.recommenders.models.bsarec import BsaRecConfig
from llmrg.recommenders.models.sasrec import SasRecConfig
from llmrg.recommenders.objectives.next_item import NextItemConfig

AnyModel = Annotated[SasRecConfig | BsaRecConfig, Field(discriminator="kind")]
AnyObjective = NextItemConfig
AnyFusion = Any


class Parts(BaseModel, frozen=True, extra="forbid"):
    """What a saved sequential recommender names."""

    model: AnyModel = SasRecConfig()
    objective: AnyObjective = NextItemConfig()
    fusion: AnyFusion | None = None
    loss: LossConfig = LossConfig()
    attributes: bool = False
    """Whether the catalogue's attributes are in the item vectors."""


def default_objective(model: Any) -> Any:
    """The objective that the model's paper trains it with."""
    return NextItemConfig()
