"""The parts that a sequential recommender can be made of, by name."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import BaseModel, Field, ValidationError

from llmrg.core.errors import ConfigError
from llmrg.recommenders.fusion.concat import ConcatConfig
from llmrg.recommenders.fusion.themes import ThemesConfig
from llmrg.recommenders.losses import LossConfig
from llmrg.recommenders.models.bert4rec import Bert4RecConfig
from llmrg.recommenders.models.bsarec import BsaRecConfig
from llmrg.recommenders.models.cl4srec import Cl4SRecConfig
from llmrg.recommenders.models.duorec import DuoRecConfig
from llmrg.recommenders.models.fdsa import FdsaConfig
from llmrg.recommenders.models.gru4rec import Gru4RecConfig
from llmrg.recommenders.models.sasrec import SasRecConfig
from llmrg.recommenders.objectives.cloze import ClozeConfig
from llmrg.recommenders.objectives.contrastive import ContrastiveConfig
from llmrg.recommenders.objectives.last_item import LastItemConfig
from llmrg.recommenders.objectives.next_item import NextItemConfig

_Model = SasRecConfig | Gru4RecConfig | Bert4RecConfig | FdsaConfig | Cl4SRecConfig | DuoRecConfig | BsaRecConfig
AnyModel = Annotated[_Model, Field(discriminator="kind")]
_Objective = NextItemConfig | LastItemConfig | ClozeConfig | ContrastiveConfig
AnyObjective = Annotated[_Objective, Field(discriminator="kind")]
AnyFusion = Annotated[ThemesConfig | ConcatConfig, Field(discriminator="kind")]

MODELS: dict[str, type[BaseModel]] = {kind.model_fields["kind"].default: kind for kind in get_args(_Model)}
"""Name -> settings of each base model."""
OBJECTIVES: dict[str, type[BaseModel]] = {kind.model_fields["kind"].default: kind for kind in get_args(_Objective)}
"""Name -> settings of each objective."""
_BY_PAPER: dict[str, AnyObjective] = {
    "bert4rec": ClozeConfig(),
    "cl4srec": ContrastiveConfig(augmented=0.1),
    "duorec": ContrastiveConfig(augmented=0.0, twin=0.1, same_target=0.1),
}


class Parts(BaseModel, frozen=True, extra="forbid"):
    """What a saved sequential recommender names."""

    model: AnyModel = SasRecConfig()
    objective: AnyObjective = NextItemConfig()
    fusion: AnyFusion | None = None
    loss: LossConfig = LossConfig()
    attributes: bool = False
    """Whether the catalogue's attributes are in the item vectors, or in the net that needs them."""


def model_config(name: str, **settings: Any) -> Any:
    """The settings of a base model by its name.

    Raises: ConfigError: no such model, or a setting that it does not have or that may not be so.
    """
    if name not in MODELS:
        raise ConfigError(f"there is no base model {name!r}; choose one of {', '.join(sorted(MODELS))}")
    try:
        return MODELS[name](**settings)
    except ValidationError as error:
        first = error.errors()[0]
        field, there = ".".join(map(str, first["loc"])), ", ".join(name for name in MODELS[name].model_fields if name != "kind")
        setting = f"the setting {field}={settings[field]!r} of {name}" if field in settings else f"the settings of {name}"
        raise ConfigError(f"{setting}: {first['msg']}; there are {there}") from error


def objective_config(name: str) -> Any:
    """The settings of an objective by its name. Raises: ConfigError: no such objective."""
    if name not in OBJECTIVES:
        raise ConfigError(f"there is no objective {name!r}; choose one of {', '.join(OBJECTIVES)}")
    return OBJECTIVES[name]()


def default_objective(model: AnyModel) -> AnyObjective:
    """The objective that the model's paper trains it with."""
    return _BY_PAPER.get(model.kind, NextItemConfig())
