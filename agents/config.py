"""How a build reasons: one frozen configuration for the whole machine."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

Cuts = Literal["blocks", "evaluation", "now"]

_NOT_PART_OF_THE_RESULT = {"concurrency", "max_calls", "max_tokens", "max_seconds", "attempts", "backoff_s", "give_up_after"}


class BuildConfig(BaseModel, frozen=True, extra="forbid"):
    """Settings of a build. Those that change no graph (speed, patience, budgets) may differ when a run is resumed."""

    l_tru: PositiveInt = 50
    """Most recent items of a history that are reasoned about (the papers' truncation length)."""
    block_size: PositiveInt = 10
    """Items that one call of a mind works on."""
    candidates: PositiveInt = 2
    """Accepted steps kept per item, best score first."""
    tau: float | None = Field(default=None, ge=0, le=1)
    """Score from which a step is accepted; None takes the verifier's own `default_tau`."""
    kb_tau: float | None = Field(default=None, ge=0, le=1)
    """Score from which an accepted step also enters the knowledge base; None means `tau`."""
    tries: NonNegativeInt = 1
    """Recalibrations: how often the reasoner is asked again, with the critique, for an item without an accepted step."""
    recall_similarity: float = Field(default=0.6, ge=0, le=1)
    """Second tier of recall: least cosine of a stored reason with the chain's reason, and of the stored cause with its tail."""
    imagined_per_chain: PositiveInt = 3
    """Imagined continuations kept per live chain and cut."""
    live_chains: PositiveInt = 3
    """Chains continued at a cut: those with the most recent tails."""
    suggestions: NonNegativeInt = 20
    """Items that often follow a chain's tail, offered to the imaginer per chain; 0 offers none."""
    grounding_threshold: float = Field(default=0.85, ge=0, le=1)
    """Least similarity of an imagined text to a catalogue title."""
    cuts: Cuts = "blocks"
    """Where chains are continued: at every block's end, at the last three (validation, test, now), or only after the last item."""
    held_out: NonNegativeInt = 2
    """Items at the end of a history whose steps never enter the knowledge base: other users must not learn them."""
    knowledge: bool = True
    """Switch: recall from and write to the knowledge base."""
    verification: bool = True
    """Switch: without it every step is accepted with score 1 and, being unverified, none enters the knowledge base."""
    divergence: bool = True
    """Switch: imagine continuations beyond the cuts."""
    concurrency: PositiveInt = 1
    """Users built at once. Above 1, what the knowledge base knows at a step depends on who was first."""
    attempts: PositiveInt = 4
    """Calls of a mind that is unavailable (rate limit, timeout, server error) before its user is marked failed."""
    backoff_s: NonNegativeFloat = 1.0
    """Seconds before the second attempt; doubled for each one after it, with jitter, to at most a minute."""
    give_up_after: PositiveInt = 5
    """Users failing one after the other until the run is stopped: the model is gone, not the users odd."""
    max_calls: NonNegativeInt | None = None
    """Budget of this call of `build`: model calls."""
    max_tokens: NonNegativeInt | None = None
    """Budget of this call of `build`: tokens in and out."""
    max_seconds: PositiveFloat | None = None
    """Budget of this call of `build`: seconds on the clock."""

    def shaping(self) -> dict[str, Any]:
        """The fields that shape the graphs, as plain values: what two runs must share to be the same run."""
        return self.model_dump(mode="json", exclude=_NOT_PART_OF_THE_RESULT)
