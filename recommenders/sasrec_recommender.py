"""SASRec as a recommender: the base that graphs are added to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from llmrg.core.errors import CallerError
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.sasrec import SasRecConfig, SasRecNet
from llmrg.recommenders.trained import Asked, Trained
from llmrg.recommenders.training import RunOptions, TrainingConfig


class SasRec(Trained):
    """SASRec over item ids; graphs are ignored."""

    type = "sasrec"
    name = "sasrec"

    def __init__(
        self, config: SasRecConfig | None = None, training: TrainingConfig | None = None, options: RunOptions | None = None
    ) -> None:
        super().__init__(training, options)
        self.config = config or SasRecConfig()
        self._sasrec: SasRecNet | None = None

    @property
    def _net(self) -> nn.Module:
        return self._sas()

    def _sas(self) -> SasRecNet:
        if self._sasrec is None:
            raise CallerError(f"the recommender {self.name!r} is not fitted; call fit(dataset) or load a saved one first")
        return self._sasrec

    @property
    def _max_length(self) -> int:
        return self.config.max_length

    def _build(self, generator: torch.Generator) -> None:
        self._sasrec = SasRecNet(len(self.items), self.config, generator)

    def _vectors(self, items: Tensor, asked: Asked) -> Tensor:
        return self._sas().encode(items)

    def _table(self) -> Tensor:
        return self._sas().item_vectors()[1:]

    def _config(self) -> Mapping[str, Any]:
        return self.config.model_dump()

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        made = cls(SasRecConfig(**artifact.config), **options)
        made._sasrec = SasRecNet(len(artifact.items), made.config)
        made._load_net(artifact)
        return made
