"""A mix of any recommenders' scores, weighted by what each is worth on items that none of them was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, Field, PositiveInt

from llmrg.core.contribution import Contribution
from llmrg.core.errors import CallerError, ConfigError
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import BaseRecommender, FitData
from llmrg.recommenders.late_weights import Shortlists, choose_weights, shortlists
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.queries import Queries

CHUNK = 256
"""Users scored at once."""


class MixConfig(BaseModel, frozen=True, extra="forbid"):
    """How the weights are fitted."""

    fit_users: PositiveInt = 20_000
    """Users at most whose validation items the weights are fitted on."""
    least: float = Field(default=1.64, ge=0.0)
    """Standard errors by which a score must help users it was not fitted on; below it gets weight 0."""
    seed: int = 0


class Mix(BaseRecommender):
    """score(i) = sum over members m of w_m score_m(i), w_m >= 0.

    Members are fitted on the training parts; the weights on the validation items, by a softmax over the catalogue without the
    items taken before (`late_weights`). The first member always stays; any other that does not pay for users it was not fitted
    on gets weight 0.
    """

    type = "mix"

    def __init__(
        self,
        members: Sequence[BaseRecommender],
        config: MixConfig | None = None,
        *,
        refit: bool = True,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        """Args:
        members: the base first.
        refit: False takes members that are fitted on the same catalogue as they are.
        """
        super().__init__()
        if not members:
            raise CallerError("a mix needs at least one recommender")
        self.members, self.config, self._refit = tuple(members), config or MixConfig(), refit
        self._say = progress or (lambda _: None)
        self.name = " + ".join(member.name for member in self.members)
        self.weights = np.zeros(0)
        self.validation_ndcg = 0.0
        """NDCG@10 on validation items of users that the weights were not fitted on."""

    def start_from(self, start: BaseRecommender) -> None:
        """That of the first member."""
        self.members[0].start_from(start)

    def _fit(self, data: FitData) -> None:
        for member in self.members:
            if self._refit or not member.is_fitted:  # graphs and profiles may be others than those of an earlier fit
                self._say(member.name)
                member.fit(data.dataset, data.graphs, data.themes)
            if member.final:
                raise ConfigError(
                    f"the member {member.name!r} was trained on the items that weights are fitted on; fit it anew (refit=True)"
                )
            if member.items.ids != data.items.ids:
                raise ConfigError(f"the member {member.name!r} was fitted on another catalogue; fit it anew (refit=True)")
        lists = self._shortlists(data)
        if lists is None:
            self.weights = np.eye(1, len(self.members))[0]
            return
        keep = np.arange(len(self.members)) == 0
        fitted = choose_weights(lists, keep, self.config.least, np.random.default_rng(self.config.seed))
        self.weights, self.validation_ndcg = fitted.weights, fitted.ndcg

    def _fit_whole(self, data: FitData) -> None:
        """The members; the weights stay, as there are no items left to fit them on."""
        for member in self.members:
            self._say(member.name)
            member.fit_whole(data.dataset, data.graphs, data.themes)

    def _shortlists(self, data: FitData) -> Shortlists | None:
        """Scores at the validation items; None where no history is long enough."""
        log = data.dataset.arrays
        places = data.dataset.split.validation_positions(log.lengths)
        users = np.flatnonzero(places > 0)
        dice = np.random.default_rng(self.config.seed)
        if not len(users):
            return None
        if len(users) > self.config.fit_users:
            users = users[np.sort(dice.choice(len(users), self.config.fit_users, replace=False))]
        members = []
        for start in range(0, len(users), CHUNK):
            part = users[start : start + CHUNK]
            queries = Queries(log, part, places[part], data.graphs)
            members.append(shortlists(self.member_scores(queries), *queries.held_out(data.dataset), dice))
        return Shortlists(
            np.concatenate([member.scores for member in members], axis=1),
            np.concatenate([member.log_share for member in members]),
        )

    # -- scores --------------------------------------------------------------------------------------------------------
    def member_scores(self, queries: Sequence[Query]) -> np.ndarray:
        """(members, B, N) float32, unweighted."""
        return np.stack([member.mix_scores(queries) for member in self.members])

    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        scores = np.zeros((len(queries), len(self.items)), dtype=np.float32)
        for member, weight in zip(self.members, self.weights, strict=True):
            if weight:
                scores += np.float32(weight) * member.mix_scores(queries)
        return scores

    def contributions(self, query: Query, item: str) -> list[Contribution]:
        """Those of the members, times their weights; they sum to the score."""
        if not len(query.history):
            return super().contributions(query, item)
        return [
            replace(part, value=float(weight) * part.value)
            for member, weight in zip(self.members, self.weights, strict=True)
            if weight
            for part in member.mix_contributions(query, item)
        ]

    # -- saving --------------------------------------------------------------------------------------------------------
    def save(self, folder: Path) -> None:
        """Each member in a folder of its own, then config.json and model.safetensors."""
        for number, member in enumerate(self.members):
            member.save(Path(folder) / f"member-{number}")
        super().save(folder)

    def _config(self) -> Mapping[str, Any]:
        settings = {"members": len(self.members), "validation_ndcg": self.validation_ndcg}
        return {**self.config.model_dump(), **settings, "weights": [float(weight) for weight in self.weights]}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        from llmrg.recommenders.loading import load_recommender

        saved = dict(artifact.config)
        count, ndcg, weights = saved.pop("members"), saved.pop("validation_ndcg"), saved.pop("weights")
        members = [load_recommender(artifact.folder / f"member-{number}", **options) for number in range(count)]
        mix = cls(members, MixConfig(**saved))
        mix.weights, mix.validation_ndcg = np.array(weights), ndcg
        return mix
