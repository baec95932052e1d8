"""DuoRec (Qiu et al. 2022, arXiv 2110.05730): SASRec that draws histories with the same next item together."""

from __future__ import annotations

from typing import Literal

from llmrg.recommenders.models.sasrec import SasRecConfig


class DuoRecConfig(SasRecConfig, frozen=True, extra="forbid"):
    """SASRec's net; what is new is the loss: see `objectives.contrastive`, weights `twin` and `same_target`."""

    kind: Literal["duorec"] = "duorec"  # type: ignore[assignment]
