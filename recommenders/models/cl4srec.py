"""CL4SRec (Xie et al. 2022, arXiv 2010.14395): SASRec that knows cropped, masked and reordered views of a history as one."""

from __future__ import annotations

from typing import Literal

from llmrg.recommenders.models.sasrec import SasRecConfig


class Cl4SRecConfig(SasRecConfig, frozen=True, extra="forbid"):
    """SASRec's net; what is new is the loss: see `objectives.contrastive`, weight `augmented`."""

    kind: Literal["cl4srec"] = "cl4srec"  # type: ignore[assignment]
