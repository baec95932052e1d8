"""What trained recommenders share: fit, early stopping, scoring, tensors in and out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from llmrg.core.errors import ArtifactError
from llmrg.core.records import ReasoningGraph, stable_key
from llmrg.data.dataset import Dataset
from llmrg.data.splits import validation_position
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.batches import Sequences, padded, trimmed
from llmrg.recommenders.losses import full_softmax
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.ranking import masked, ndcg, ranks
from llmrg.recommenders.scorer import Scorer
from llmrg.recommenders.training import Epoch, RunOptions, TrainingConfig, seeded, train

CHUNK = 256
"""Users scored at once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose histories the rows of a batch are."""

    users: np.ndarray
    """(B,) int64 numbers into `graphs`."""
    lengths: np.ndarray
    """(B,) int64 lengths of the histories before padding."""
    graphs: Any = None
    """What the type made of the graphs; None for types that use none."""
    last: bool = False
    """True where only the vector of the last slot is wanted."""


class Trained(Scorer):
    """A net that turns histories into vectors, scored against its own item table."""

    def __init__(self, training: TrainingConfig | None, options: RunOptions | None) -> None:
        super().__init__()
        self.training = training or TrainingConfig()
        self.options = options or RunOptions()
        self.epochs: list[Epoch] = []
        """What the last fit went through, the epochs of a resumed checkpoint left out."""

    @property
    @abstractmethod
    def _net(self) -> nn.Module: ...

    @property
    @abstractmethod
    def _max_length(self) -> int: ...

    @abstractmethod
    def _build(self, generator: torch.Generator) -> None:
        """Make the net for `self.items`."""

    @abstractmethod
    def _vectors(self, items: Tensor, asked: Asked) -> Tensor:
        """(B, L, D) for left-padded (B, L) items."""

    @abstractmethod
    def _table(self) -> Tensor:
        """(N, D) item vectors, no padding row."""

    def _fit(self, dataset: Dataset, parts: Mapping[str, np.ndarray], graphs: Mapping[str, ReasoningGraph]) -> None:
        rows, options = list(parts.values()), self.options
        validation = [self._validation_row(dataset, user) for user in parts]
        data = Sequences.of(rows, validation, self._max_length)
        known, extra = self._prepare(dataset, parts, graphs)
        ends = self._ends(known, data.asked, np.array([len(rows[u]) for u in data.asked], dtype=np.int64))
        with seeded(options.seed, options.device) as generator:
            self._build(generator)
        self._net.to(options.device)
        settings = (self.type, self._config(), self.training.model_dump(), options.seed)
        mark = stable_key(*settings, self.items.ids, [row.tolist() for row in rows], validation, extra)
        self.epochs = train(
            self._net,
            len(data.users),
            lambda batch: self._loss(data, known, batch),
            lambda: self._ndcg(data, ends, rows),
            self.training,
            options,
            mark,
        )

    def _prepare(
        self, dataset: Dataset, parts: Mapping[str, np.ndarray], graphs: Mapping[str, ReasoningGraph]
    ) -> tuple[Any, str]:
        """What the type makes of the graphs, cut to the training parts, and a fingerprint of it."""
        return None, ""

    def _ends(self, known: Any, users: np.ndarray, lengths: np.ndarray) -> Any:
        """`known` as it stands at the ends of histories of these users: what follows asks for nothing else."""
        return known

    def _ask(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> Any:
        """What the type makes of the graphs of these queries."""
        return None

    def _validation_row(self, dataset: Dataset, user: str) -> int:
        history = dataset.histories[user]
        position = validation_position(history)
        return 0 if position is None else self.items.row(history.items[position])

    def _loss(self, data: Sequences, known: Any, batch: Tensor) -> Tensor:
        chosen = batch.numpy()
        first = trimmed(data.inputs[chosen])
        items = torch.from_numpy(data.inputs[chosen, first:]).to(self.options.device)
        targets = torch.from_numpy(data.targets[chosen, first:]).to(self.options.device)
        states = self._vectors(items, Asked(data.users[chosen], data.train[chosen], known))
        real = targets > 0
        return full_softmax(states[real], self._table(), targets[real] - 1)

    def _ndcg(self, data: Sequences, ends: Any, parts: Sequence[np.ndarray]) -> float | None:
        """Full ranking, seen items masked, ties against us."""
        if not len(data.asked):
            return None
        found = []
        for start in range(0, len(data.asked), CHUNK):
            part = slice(start, start + CHUNK)
            users, answers = data.asked[part], data.answers[part]
            lengths = np.array([len(parts[u]) for u in users])
            which = np.arange(start, start + len(users))
            scores = self._last_scores(data.questions[part], Asked(which, lengths, ends, last=True))
            seen = [np.setdiff1d(parts[u], answer) for u, answer in zip(users, answers, strict=True)]
            found.append(ranks(masked(scores, seen), answers))
        return ndcg(np.concatenate(found))

    def _last_scores(self, questions: np.ndarray, asked: Asked) -> np.ndarray:
        """(B, N) scores of what follows left-padded histories."""
        items = torch.from_numpy(questions[:, trimmed(questions) :]).to(self.options.device)
        return np.asarray((self._vectors(items, asked)[:, -1] @ self._table().T).cpu().numpy(), dtype=np.float32)

    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        self._net.eval()
        found = []
        with torch.no_grad():
            for start in range(0, len(rows), CHUNK):
                part = rows[start : start + CHUNK]
                which, lengths = np.arange(len(part)), np.array([len(row) for row in part])
                ends = self._ends(self._ask(part, queries[start : start + CHUNK]), which, lengths)
                asked = Asked(which, lengths, ends, last=True)
                found.append(self._last_scores(padded(part, self._max_length), asked))
        return np.concatenate(found)

    def _tensors(self) -> Mapping[str, np.ndarray]:
        return {f"net.{name}": value.detach().cpu().numpy() for name, value in self._net.state_dict().items()}

    def _load_net(self, artifact: Artifact) -> None:
        found = {name: torch.from_numpy(artifact.tensor(f"net.{name}").copy()) for name in self._net.state_dict()}
        try:
            self._net.load_state_dict(found)
        except RuntimeError as error:
            raise ArtifactError(f"the weights do not fit the saved settings of this {self.type}: {error}") from error
        self._net.to(self.options.device).eval()
