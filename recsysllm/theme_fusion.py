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
from llmrg.recommenders.fusion.themes import ThemesConfig, ThemesFusion, ThemesGraphs
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
        self._graphs: ThemesGraphs | None = None
        self._fusion: ThemesFusion | None = None

    def _fit(self, data: FitData) -> None:
        if not self.base.is_fitted:
            self.base.fit(data.dataset, data.graphs, data.themes)
        if self.base.items.ids != data.items.ids:
            raise ConfigError(f"{self.base.name!r} was fitted on another catalogue; fit it anew")
        self._graphs = self.config.graphs_of(data, self.base.text)
        rows, answers = list(data.parts.values()), data.validation_rows()
        questions, scores = training_scores(self.base, data)
        by_user = [np.flatnonzero(questions[:, 0] == user) for user in range(len(rows))]
        trained = np.array([user for user, own in enumerate(by_user) if len(own)], dtype=np.int64)
        held_out = np.array([user for user, row in enumerate(rows) if answers[user] and len(row)], dtype=np.int64)
        queries = Queries(data.dataset.arrays, held_out, data.parts.lengths[held_out], data.graphs)
        before = self.base.scores(queries) if len(queries) else np.zeros((0, len(data.items)), np.float32)
        options = replace(self.base.options, checkpoint=None, progress=None)
        with seeded(options.seed, options.torch_device()):
            self._fusion = self.config.build(0, self._graphs.sizes).to(options.torch_device())

            def loss(batch: np.ndarray, dice: np.random.Generator) -> Tensor:
                return self._loss(trained[batch], questions, scores, by_user)

            def validate() -> float | None:
                added = [self._added(self._graphs, held_out[i : i + CHUNK], [len(rows[u]) for u in held_out[i : i + CHUNK]])
                         for i in range(0, len(held_out), CHUNK)]  # fmt: skip
                if not added:
                    return None
                seen = [np.setdiff1d(rows[u], answers[u]) for u in held_out.tolist()]
                return mean_ndcg(ranks(masked(before + np.concatenate(added), seen), answers[held_out]))

            lengths = np.array([len(by_user[user]) for user in trained.tolist()], dtype=np.int64)
            train(self._fusion, lengths, loss, validate, self.training, options, str)
            with torch.no_grad():
                self.validation_ndcg = validate() or 0.0

    def _loss(self, users: np.ndarray, questions: np.ndarray, scores: np.ndarray, by_user: Sequence[np.ndarray]) -> Tensor:
        """Mean -log p of the next items of these users' training parts."""
        most = max(len(by_user[user]) for user in users.tolist())
        positions = np.zeros((len(users), most), dtype=np.int64)
        places = [by_user[user] for user in users.tolist()]
        for line, own in zip(positions, places, strict=True):
            line[: len(own)] = questions[own, 1]
        assert self._graphs is not None
        added = self._all_slots(self._graphs, users, positions)
        numbers = np.concatenate(places)
        device = added.device
        logits = added[torch.from_numpy(positions > 0).to(device)] + torch.from_numpy(scores[numbers]).to(device)
        return F.cross_entropy(logits, torch.from_numpy(questions[numbers, 2] - 1).to(device))

    def _all_slots(self, graphs: ThemesGraphs, users: np.ndarray, positions: np.ndarray) -> Tensor:
        """(B, L, N) what the reasons add."""
        assert self._fusion is not None
        device = next(self._fusion.parameters()).device
        batch, length, items = *positions.shape, len(self.items)
        empty = torch.zeros((batch, length, 0), device=device), torch.zeros((items, 0), device=device)
        fused = self._fusion(*empty, graphs.at(users, positions, device))
        flat = (fused.states @ fused.keys.T).reshape(batch * length, items)
        if fused.bonus is not None:
            flat = flat.index_put((fused.bonus.row, fused.bonus.column), fused.bonus.value, accumulate=True)
        scores: Tensor = flat.reshape(batch, length, items)
        return scores

    def _added(self, graphs: ThemesGraphs | None, users: np.ndarray, positions: Sequence[int]) -> np.ndarray:
        """(B, N) float32 at one position a user."""
        assert graphs is not None
        with torch.no_grad():
            added = self._all_slots(graphs, users, np.array(positions, dtype=np.int64)[:, None])[:, 0]
        return np.asarray(added.cpu().numpy(), dtype=np.float32)

    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        assert self._graphs is not None
        assert self._fusion is not None
        self._fusion.eval()
        scores = self.base.scores(queries)
        for start in range(0, len(queries), CHUNK):
            part = rows[start : start + CHUNK]
            graphs = self._graphs.of_queries(queries[start : start + CHUNK], part)
            scores[start : start + CHUNK] += self._added(graphs, np.arange(len(part)), [len(row) for row in part])
        return scores

    def contributions(self, query: Query, item: str) -> list[Contribution]:
        """The language model's parts, and each reason's; they sum to the score."""
        if not len(query.history) or self._graphs is None or self._fusion is None:
            return super().contributions(query, item)
        row, column = self.items.rows(query.history.items), self.items.row(item) - 1
        with torch.no_grad():
            of_graphs = self._graphs.contributions(self._fusion, query, row, column, self.base.options.torch_device())
        return [*self.base.contributions(query, item), *of_graphs]

    # -- saving --------------------------------------------------------------------------------------------------------
    def save(self, folder: Any) -> None:
        """The language model's adapters in a folder of their own, then config.json and model.safetensors."""
        self.base.save(folder / "base")
        super().save(folder)

    def _config(self) -> Mapping[str, Any]:
        assert self._graphs is not None
        settings = {"config": self.config.model_dump(mode="json"), "training": self.training.model_dump(mode="json")}
        return {**settings, "told": self._graphs.config(), "ndcg": self.validation_ndcg}

    def _tensors(self) -> Mapping[str, np.ndarray]:
        assert self._graphs is not None
        assert self._fusion is not None
        net = {f"net.{name}": value.detach().cpu().numpy() for name, value in self._fusion.state_dict().items()}
        return {**net, **self._graphs.tensors()}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        saved = artifact.config
        base = RecSysLlm.load(artifact.folder / "base", **options)
        fusion = cls(base, ThemesConfig(**saved["config"]), TrainingConfig(**saved["training"]))
        fusion._graphs, fusion.validation_ndcg = fusion.config.revived(artifact, base.text), saved["ndcg"]
        fusion._fusion = fusion.config.build(0, fusion._graphs.sizes)
        state = {name: torch.from_numpy(artifact.tensor(f"net.{name}").copy()) for name in fusion._fusion.state_dict()}
        fusion._fusion.load_state_dict(state)
        fusion._fusion.to(base.options.torch_device()).eval()
        return fusion


def training_scores(base: RecSysLlm, data: FitData) -> tuple[IntArray, np.ndarray]:
    """(Q, 3) user, position and answer of what the item head was asked in training, and its (Q, N) float32 scores.

    Of all users, or of as many, drawn once and for all, as `ROOM` holds.
    """
    net, rows = base.ready().fitted_net(), list(data.parts.values())
    layouts = [versions[0] for versions in base.phase.sequences(data, rows, [data.dataset.histories[u] for u in data.parts])[0]]
    layouts = _that_fit(layouts, ROOM // (4 * len(data.items)))
    lengths, questions, done = [len(layout) for layout in layouts], [np.zeros((0, 3), np.int64)], 0
    scores = np.zeros((sum(len(_questions(layout)) for layout in layouts), len(data.items)), np.float32)
    for group in steps_of([[number] for number in range(len(layouts))], lengths, QUERY_TOKENS):
        batch = Batch.of(layouts, group, net.backbone.device)
        below = base.lower.of(net.backbone, batch, layouts) if base.lower is not None else None
        asks = batch.ask[(batch.ask[:, 3] > 0) & (batch.ask[:, 4] > 0)]  # of a history of at least one item
        with torch.no_grad():
            batch_scores = net.item_scores(net.states(batch, base.graphs, below), asks, base.content_scores(rows, asks[:, 2:4]))
        questions.append(asks[:, 2:])
        scores[done : done + len(asks)] = batch_scores.cpu().numpy()
        done += len(asks)
    return np.concatenate(questions), scores


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
