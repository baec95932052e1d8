"""Reasons as a second space beside the item head: theme vectors learnt on top of a fitted language model, whose scores stay.

The `themes` fusion of the sequential models (`llmrg.recommenders.fusion.themes`), unchanged: what the visible reasons ask for
against what each item stands for, so that each reason's part of a score is a number. The language model has seen the training
items only a few times and has not learnt them by heart, so what it leaves open there is what it leaves open elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from llmrg.core.contribution import Contribution
from llmrg.core.errors import ConfigError
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import BaseRecommender, FitData
from llmrg.recommenders.fusion.themes import ThemesConfig, ThemesFusion, ThemesTold
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.queries import Queries
from llmrg.recommenders.ranking import masked, mean_ndcg, ranks
from llmrg.recommenders.training import TrainingConfig, seeded, train
from llmrg.recsysllm.batches import Batch, steps_of
from llmrg.recsysllm.layout import Layout
from llmrg.recsysllm.pieces import IntArray
from llmrg.recsysllm.recommender import QUERY_TOKENS, RecSysLlm

CHUNK = 128
ROOM = 2 * 2**30
"""Bytes of the scores that are learnt on: those of all users, or of some where the catalogue is large."""
TRAINING = TrainingConfig(epochs=60, learning_rate=3e-3, patience=8)
"""A pass takes a second for some hundred users: the language model's scores are computed once."""


class ThemeFusion(BaseRecommender):
    """score(i) = the language model's + q . k_i, q from the visible reasons and k_i from the item's profile."""

    type = "recsysllm_themes"
    no_start = RecSysLlm.no_start
    has_final_fit = False

    def __init__(self, base: RecSysLlm, config: ThemesConfig | None = None, training: TrainingConfig | None = None) -> None:
        """Args: base: fitted first where it is not fitted yet. Raises: ConfigError: it has no item head."""
        super().__init__()
        if base.config.head == "titles":
            raise ConfigError(
                "theme vectors are learnt beside the item head, which head='titles' lacks; take fit='late', or another head"
            )
        self.base, self.config, self.training = base, config or ThemesConfig(), training or TRAINING
        self.name = f"{base.name} + themes"
        self.validation_ndcg = 0.0
        self._told: ThemesTold | None = None
        self._fusion: ThemesFusion | None = None

    def _fit(self, data: FitData) -> None:
        if not self.base.is_fitted:
            self.base.fit(data.dataset, data.graphs, data.themes)
        if self.base.items.ids != data.items.ids:
            raise ConfigError(f"{self.base.name!r} was fitted on another catalogue; fit it anew")
        self._told = self.config.told(data, self.base.text)
        rows, answers = list(data.parts.values()), data.validation_rows()
        asked, scores = training_scores(self.base, data)
        by_user = [np.flatnonzero(asked[:, 0] == user) for user in range(len(rows))]
        trained = np.array([user for user, found in enumerate(by_user) if len(found)], dtype=np.int64)
        held_out = np.array([user for user, row in enumerate(rows) if answers[user] and len(row)], dtype=np.int64)
        queries = Queries(data.dataset.arrays, held_out, data.parts.lengths[held_out], data.graphs)
        before = self.base.scores(queries) if len(queries) else np.zeros((0, len(data.items)), np.float32)
        options = replace(self.base.options, checkpoint=None, progress=None)
        with seeded(options.seed, options.torch_device()):
            self._fusion = self.config.build(0, self._told.sizes).to(options.torch_device())

            def loss(batch: np.ndarray, dice: np.random.Generator) -> Tensor:
                return self._loss(trained[batch], asked, scores, by_user)

            def validate() -> float | None:
                found = [self._added(self._told, held_out[i : i + CHUNK], [len(rows[u]) for u in held_out[i : i + CHUNK]])
                         for i in range(0, len(held_out), CHUNK)]  # fmt: skip
                if not found:
                    return None
                seen = [np.setdiff1d(rows[u], answers[u]) for u in held_out.tolist()]
                return mean_ndcg(ranks(masked(before + np.concatenate(found), seen), answers[held_out]))

            lengths = np.array([len(by_user[user]) for user in trained.tolist()], dtype=np.int64)
            train(self._fusion, lengths, loss, validate, self.training, options, str)
            with torch.no_grad():
                self.validation_ndcg = validate() or 0.0

    def _loss(self, users: np.ndarray, asked: np.ndarray, scores: np.ndarray, by_user: Sequence[np.ndarray]) -> Tensor:
        """Mean -log p of the next items of these users' training parts."""
        most = max(len(by_user[user]) for user in users.tolist())
        positions = np.zeros((len(users), most), dtype=np.int64)
        places = [by_user[user] for user in users.tolist()]
        for line, found in zip(positions, places, strict=True):
            line[: len(found)] = asked[found, 1]
        assert self._told is not None
        added = self._all_slots(self._told, users, positions)
        known = np.concatenate(places)
        device = added.device
        logits = added[torch.from_numpy(positions > 0).to(device)] + torch.from_numpy(scores[known]).to(device)
        return F.cross_entropy(logits, torch.from_numpy(asked[known, 2] - 1).to(device))

    def _all_slots(self, told: ThemesTold, users: np.ndarray, positions: np.ndarray) -> Tensor:
        """(B, L, N) what the reasons add."""
        assert self._fusion is not None
        device = next(self._fusion.parameters()).device
        batch, length, items = *positions.shape, len(self.items)
        empty = torch.zeros((batch, length, 0), device=device), torch.zeros((items, 0), device=device)
        fused = self._fusion(*empty, told.at(users, positions, device))
        found = (fused.states @ fused.keys.T).reshape(batch * length, items)
        if fused.bonus is not None:
            found = found.index_put((fused.bonus.row, fused.bonus.column), fused.bonus.value, accumulate=True)
        scores: Tensor = found.reshape(batch, length, items)
        return scores

    def _added(self, told: ThemesTold | None, users: np.ndarray, positions: Sequence[int]) -> np.ndarray:
        """(B, N) float32 at one position a user."""
        assert told is not None
        with torch.no_grad():
            found = self._all_slots(told, users, np.array(positions, dtype=np.int64)[:, None])[:, 0]
        return np.asarray(found.cpu().numpy(), dtype=np.float32)

    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        assert self._told is not None
        assert self._fusion is not None
        self._fusion.eval()
        scores = self.base.scores(queries)
        for start in range(0, len(queries), CHUNK):
            part = rows[start : start + CHUNK]
            told = self._told.of_queries(queries[start : start + CHUNK], part)
            scores[start : start + CHUNK] += self._added(told, np.arange(len(part)), [len(row) for row in part])
        return scores

    def contributions(self, query: Query, item: str) -> list[Contribution]:
        """The language model's parts, and each reason's; they sum to the score."""
        if not len(query.history) or self._told is None or self._fusion is None:
            return super().contributions(query, item)
        row, column = self.items.rows(query.history.items), self.items.row(item) - 1
        with torch.no_grad():
            found = self._told.contributions(self._fusion, query, row, column, self.base.options.torch_device())
        return [*self.base.contributions(query, item), *found]

    # -- saving --------------------------------------------------------------------------------------------------------
    def save(self, folder: Any) -> None:
        """The language model's adapters in a folder of their own, then config.json and model.safetensors."""
        self.base.save(folder / "base")
        super().save(folder)

    def _config(self) -> Mapping[str, Any]:
        assert self._told is not None
        settings = {"config": self.config.model_dump(mode="json"), "training": self.training.model_dump(mode="json")}
        return {**settings, "told": self._told.config(), "ndcg": self.validation_ndcg}

    def _tensors(self) -> Mapping[str, np.ndarray]:
        assert self._told is not None
        assert self._fusion is not None
        net = {f"net.{name}": value.detach().cpu().numpy() for name, value in self._fusion.state_dict().items()}
        return {**net, **self._told.tensors()}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        saved = artifact.config
        base = RecSysLlm.load(artifact.folder / "base", **options)
        made = cls(base, ThemesConfig(**saved["config"]), TrainingConfig(**saved["training"]))
        made._told, made.validation_ndcg = made.config.revived(artifact, base.text), saved["ndcg"]
        made._fusion = made.config.build(0, made._told.sizes)
        state = {name: torch.from_numpy(artifact.tensor(f"net.{name}").copy()) for name in made._fusion.state_dict()}
        made._fusion.load_state_dict(state)
        made._fusion.to(base.options.torch_device()).eval()
        return made


def training_scores(base: RecSysLlm, data: FitData) -> tuple[IntArray, np.ndarray]:
    """(Q, 3) user, position and answer of what the item head was asked in training, and its (Q, N) float32 scores.

    Of all users, or of as many, drawn once and for all, as `ROOM` holds.
    """
    net, rows = base.ready().fitted_net(), list(data.parts.values())
    layouts = [versions[0] for versions in base.phase.sequences(data, rows, [data.dataset.histories[u] for u in data.parts])[0]]
    layouts = _that_fit(layouts, ROOM // (4 * len(data.items)))
    lengths, asked, done = [len(layout) for layout in layouts], [np.zeros((0, 3), np.int64)], 0
    scores = np.zeros((sum(len(_questions(layout)) for layout in layouts), len(data.items)), np.float32)
    for group in steps_of([[number] for number in range(len(layouts))], lengths, QUERY_TOKENS):
        batch = Batch.of(layouts, group, net.backbone.device)
        below = base.lower.of(net.backbone, batch, layouts) if base.lower is not None else None
        known = batch.ask[(batch.ask[:, 3] > 0) & (batch.ask[:, 4] > 0)]  # of a history of at least one item
        with torch.no_grad():
            found = net.item_scores(net.states(batch, base.told, below), known, base.content_scores(rows, known[:, 2:4]))
        asked.append(known[:, 2:])
        scores[done : done + len(known)] = found.cpu().numpy()
        done += len(known)
    return np.concatenate(asked), scores


def _questions(layout: Layout) -> IntArray:
    return layout.ask[(layout.ask[:, 1] > 0) & (layout.ask[:, 2] > 0)]


def _that_fit(layouts: Sequence[Layout], most: int) -> list[Layout]:
    """All, or some drawn by seed 0 with `most` questions at most, one layout at least."""
    counts = np.array([len(_questions(layout)) for layout in layouts], dtype=np.int64)
    if counts.sum() <= most:
        return list(layouts)
    order = np.random.default_rng(0).permutation(len(layouts))
    fitting = max(1, int((counts[order].cumsum() <= most).sum()))
    return [layouts[number] for number in np.sort(order[:fitting]).tolist()]
