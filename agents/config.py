"""How a build is done: one frozen configuration; with the minds' names it identifies a run."""

from __future__ import annotations

from pydantic import BaseModel, Field, NonNegativeInt, PositiveInt, model_validator

from llmrg.data.splits import Split


class BuildConfig(BaseModel, frozen=True, extra="forbid"):
    """Settings of one build over many users."""

    l_tru: PositiveInt = 50
    """Look at this many last items of a history (the paper's truncation length): older ones are neither explained nor causes."""
    block_size: PositiveInt | None = None
    """Items explained in one go at most; chains are continued beyond the history at the end of every block. None takes the
    reasoner's own, else 10."""
    cut_every: NonNegativeInt | None = None
    """Chains are continued at each so-manieth position too (1: at every one; 0: at the ends of blocks only), so that a
    recommender sees some where it learns. None takes what imaginer and verifier like, where both cost no calls; else 0."""
    candidates: PositiveInt = 2
    """Accepted steps kept per item at most."""
    tau: float | None = Field(default=None, ge=0, le=1)
    """Score from which a step enters the graph; None takes the verifier's own."""
    kb_tau: float | None = Field(default=None, ge=0, le=1)
    """Score from which a step enters the knowledge base; None takes tau."""
    review_from: float | None = Field(default=None, ge=0, le=1)
    """Score from which a step that is not accepted waits for a person (`llmrg review`); None: nobody is asked."""
    tries: NonNegativeInt = 1
    """How often verification may send an unexplained item back to the reasoner (recalibration)."""
    live_chains: PositiveInt = 3
    """Chains continued at a cut, most recent tail first."""
    imagined_per_chain: PositiveInt = 3
    """Accepted continuations kept per chain and cut."""
    grounding_tau: float = Field(default=0.85, ge=0, le=1)
    """Letters in common (0 to 1) from which an imagined title counts as that of a catalogue item of the same numerals."""
    grounding_cosine: float = Field(default=0.85, ge=0, le=1)
    """Cosine of text vectors from which it does where letters find nothing. (Of the films of MovieLens 1.3 % have another one of
    less alike letters that near, 3.5 % at 0.8: so many of the films that are missing are taken for another one.)"""
    similar_tau: float = Field(default=0.8, ge=0, le=1)
    """Cosine from which a stored reason is close enough to a chain's reason to be recalled for it (tier 2)."""
    held_out: NonNegativeInt | None = None
    """Items at the end of a history before each of which a block ends, since a recommender is asked there. None takes what the
    data set's split holds out. (That never enters the knowledge base, whatever stands here.)"""
    verification: bool = True
    """Off: every step is accepted, with score 1, and the knowledge base, which holds verified steps, is left alone (control)."""
    divergence: bool = True
    """Off: nothing is imagined (control)."""
    knowledge: bool = True
    """Off: the knowledge base is neither asked nor filled (control)."""
    wave: PositiveInt = 8
    """Users built from one and the same state of the knowledge base: at first this many, later a quarter of the users before
    them. What they learn is shared when all of them are done, so graphs do not depend on `concurrency` or on who was faster."""
    concurrency: PositiveInt = 8
    """Users of a wave under way at once."""
    retries: NonNegativeInt = 4
    """Further calls after one that failed for a passing reason. (Refusals for rate are asked again for `patience_s`.)"""
    retry_wait_s: float = Field(default=1.0, ge=0)
    """Seconds before the first of them; doubled each time, with a random half taken off."""
    patience_s: float = Field(default=600.0, ge=0)
    """Seconds, from the first refusal on, for which a request is sent again that the model refuses for its rate (whatever
    `retries` says), and for which a store that is away is waited for."""
    give_up_after: PositiveInt = 10
    """Users in a row that fail since the model is unavailable, after which the run stops."""
    max_calls: NonNegativeInt | None = None
    """Requests to models after which the run stops cleanly; replies from the call cache are none."""
    max_tokens: NonNegativeInt | None = None
    """Tokens after which the run stops cleanly."""
    max_money: float | None = Field(default=None, ge=0)
    """Money, in the price file's currency, after which the run stops cleanly."""
    max_seconds: float | None = Field(default=None, ge=0)
    """Seconds after which the run stops cleanly."""

    @model_validator(mode="after")
    def _ordered(self) -> BuildConfig:
        if self.review_from is not None and self.tau is not None and self.review_from > self.tau:
            raise ValueError(f"review_from ({self.review_from}) is above tau ({self.tau}), from which steps are accepted anyway")
        return self

    def held_out_of(self, split: Split) -> int:
        """`held_out`, or the split's."""
        return split.held_out if self.held_out is None else self.held_out

    def identity(self) -> dict[str, object]:
        """The settings that change what is built, without those that only change how."""
        how = {"concurrency", "retries", "retry_wait_s", "patience_s", "give_up_after", *BUDGETS}
        return self.model_dump(exclude=how)


BUDGETS = {"max_calls": "calls", "max_tokens": "tokens", "max_money": "money", "max_seconds": "seconds"}
"""Setting -> what it limits."""
