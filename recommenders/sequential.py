"""A sequential recommender made of parts: a model, an objective, a loss, and where wanted a fusion with reasoning graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from llmrg.core.contribution import Contribution
from llmrg.core.errors import ArtifactError, CallerError, ConfigError
from llmrg.core.records import stable_key
from llmrg.core.text_vectors import TextVectors
from llmrg.encoders.text import HashedVectors
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import BaseRecommender, FitData
from llmrg.recommenders.fusion.fused import Fused, FusionGraphs
from llmrg.recommenders.fusion.themes import ThemesGraphs
from llmrg.recommenders.losses import Bonus, LossConfig, item_loss
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.ranking import masked, mean_ndcg, ranks
from llmrg.recommenders.registry import AnyFusion, AnyModel, AnyObjective, Parts, default_objective
from llmrg.recommenders.theme_profiles import attribute_profiles
from llmrg.recommenders.training import Epoch, RunOptions, TrainingConfig, seeded, threads, train
from llmrg.recommenders.warm_start import fitting_start, take_weights, weights_mark

CHUNK = 256
"""Users scored at once."""


class SequentialRecommender(BaseRecommender):
    """E = fusion(model(history), graphs), scored against the item vectors, trained with the loss at the objective's slots."""

    type = "sequential"

    def __init__(
        self,
        model: AnyModel | None = None,
        objective: AnyObjective | None = None,
        fusion: AnyFusion | None = None,
        *,
        loss: LossConfig | None = None,
        attributes: bool = False,
        text: TextVectors | None = None,
        training: TrainingConfig | None = None,
        options: RunOptions | None = None,
    ) -> None:
        """Args:
        model: SASRec by default.
        objective: what the model is asked; by default the one that its paper trains it with.
        fusion: how graphs come in; None for no graph.
        attributes: put the catalogue's attributes into the item vectors.
        text: turns reasons into vectors, for fusions that read them; hashed letters where it is left out.
        """
        super().__init__()
        chosen = Parts(model=model) if model is not None else Parts()
        self.parts = Parts(
            model=chosen.model,
            objective=objective if objective is not None else default_objective(chosen.model),
            fusion=fusion,
            loss=loss or LossConfig(),
            attributes=attributes or chosen.model.needs_attributes,
        )
        self.attributes = attributes
        self.text: TextVectors = text if text is not None else HashedVectors()
        self.training, self.options = training or TrainingConfig(), options or RunOptions()
        self.objective = self.parts.objective.build()
        if self.objective.bidirectional != self.parts.model.bidirectional:
            raise ConfigError(
                f"the model {self.parts.model.kind!r} and the objective {self.parts.objective.kind!r} do not go together: "
                "a model whose slots see later ones needs the objective `cloze`, and only such a model does"
            )
        self.name = " + ".join(
            [self.parts.model.kind, *(["attributes"] if attributes else []), *([fusion.kind] if fusion else [])]
        )
        self.epochs: list[Epoch] = []
        """What the last fit went through, the epochs of a resumed checkpoint left out."""
        self._best = 0.0
        self.visible: dict[str, tuple[float, float]] = {}
        """Layer of the graph -> share of training slots and of validation questions at which one of its steps is visible."""
        self.best_epoch = 0
        """Of the validated fit, 1-based; 0 before it, and where no epoch was better than the start."""
        self.attribute_names: tuple[str, ...] = ()
        """Of the rows of the attributes' vectors."""
        self._start: SequentialRecommender | None = None
        self._net: nn.ModuleDict | None = None
        self._graphs: FusionGraphs | None = None

    # -- fit -----------------------------------------------------------------------------------------------------------
    def start_from(self, start: BaseRecommender) -> None:
        self._start = fitting_start(self, start)

    def _fit(self, data: FitData) -> None:
        self.best_epoch, self._best = self._trained(data, self.training, self.options)

    def _fit_whole(self, data: FitData) -> None:
        """So many epochs on whole histories as the validated fit found best."""
        if not self.best_epoch and self._start is None:
            raise ConfigError(
                f"the fit before validated no epoch of {self.name!r}, so it is not known how many a final one needs; it takes "
                "histories of 4 items or more, and time for an epoch"
            )
        training = self.training.model_copy(update={"epochs": max(self.best_epoch, 1), "max_seconds": None})
        visible = self.visible
        self._trained(data, training, self.options.apart("final"))
        self.visible = visible

    def _trained(self, data: FitData, training: TrainingConfig, options: RunOptions) -> tuple[int, float]:
        """The best epoch and its validation NDCG@10."""
        device, seed = self.options.torch_device(), self.options.seed
        rows, answers = list(data.parts.values()), data.validation_rows()
        validated = np.array([u for u, row in enumerate(rows) if answers[u] and len(row)], dtype=np.int64)
        fusion: Any = self.parts.fusion
        self._graphs = fusion.graphs_of(data, self.text) if fusion is not None else None
        profiles = attribute_profiles(data) if self.parts.attributes else None
        self.attribute_names = profiles.themes if profiles is not None else ()
        windows = self.objective.windows([len(row) for row in rows], self._length)
        self._see(rows, windows, validated)
        with seeded(seed, device) as generator, threads(self.options, len(data.items)):
            self._net = self._build(len(data.items), profiles.matrix if profiles else None, generator).to(device)
            if self._start is not None:
                take_weights(self, self._start)
            self.epochs, best = train(
                self._net,
                windows[:, 2] - windows[:, 1],
                lambda batch, dice: self._loss(rows, windows[batch], dice),
                lambda: self._ndcg([rows[u] for u in validated], answers[validated], validated),
                training,
                options,
                lambda: self._mark(data, rows, answers),
                warm=self._start is not None,
            )
            with torch.no_grad():
                return best, self._ndcg([rows[u] for u in validated], answers[validated], validated) or 0.0

    def _build(self, items: int, attributes: csr_matrix | None, generator: torch.Generator | None = None) -> nn.ModuleDict:
        model = self.parts.model.build(items, attributes, generator, self.objective.extra_rows)
        net = nn.ModuleDict({"model": model})
        if self.parts.fusion is not None:
            assert self._graphs is not None
            net["fusion"] = self.parts.fusion.build(model.size, self._graphs.sizes)
        return net

    def _see(self, rows: Sequence[np.ndarray], windows: np.ndarray, validated: np.ndarray) -> None:
        """Work out where graphs are visible. Raises: ConfigError: nowhere in training."""
        if self._graphs is None:
            return
        users, starts, _ = windows.T
        slots = self.objective.training([rows[u][a:b] for u, a, b in windows], starts, self._length, np.random.default_rng(0))
        trained = np.where(slots.targets > 0, slots.positions, 0)
        ends = np.array([len(rows[u]) for u in validated], dtype=np.int64)
        shares = self._graphs.visible(users, trained)
        tested = self._graphs.visible(validated, ends[:, None])
        self.visible = {layer: (shares[layer], tested[layer]) for layer in shares}
        if not any(share for share, _ in self.visible.values()):
            raise ConfigError(
                "no step of the graphs is visible at any position that the recommender trains on, so it could learn nothing from "
                "them; build graphs with smaller blocks or with cuts inside the training part (`llmrg build --help`), or take "
                "the late fit (`--fit late`)"
            )

    def _loss(self, rows: Sequence[np.ndarray], windows: np.ndarray, dice: np.random.Generator) -> Tensor:
        windows = self.objective.moved(windows, self._length, dice)
        starts, parts = windows[:, 1], [rows[u][a:b] for u, a, b in windows]
        slots = self.objective.training(parts, starts, self._length, dice).trimmed()
        base = self._encode(slots.items)
        wanted = torch.from_numpy(slots.targets > 0).to(base.device)
        fused = self._fuse(base, windows[:, 0], np.where(slots.targets > 0, slots.positions, 0))
        targets = torch.from_numpy(slots.targets).to(base.device)[wanted] - 1
        loss = item_loss(fused.states[wanted], fused.keys, targets, self.parts.loss, _at_slots(fused, wanted))
        further = self.objective.extra_loss(self._encode, rows, parts, slots, base, self._length, dice)
        return loss if further is None else loss + further

    def _encode(self, items: np.ndarray) -> Tensor:
        states: Tensor = self._model(torch.from_numpy(items).to(self._device))
        return states

    def _fuse(self, base: Tensor, users: np.ndarray, positions: np.ndarray, graphs: FusionGraphs | None = None) -> Fused:
        keys = self._model.item_vectors()[1:]
        graphs = graphs or self._graphs
        if graphs is None or self._net is None or "fusion" not in self._net:
            return Fused(base, keys)
        fused: Fused = self._net["fusion"](base, keys, graphs.at(users, positions, base.device))
        return fused

    def _ndcg(self, rows: Sequence[np.ndarray], answers: np.ndarray, users: np.ndarray) -> float | None:
        """Full ranking, seen items masked, ties against us."""
        if not len(rows):
            return None
        item_ranks = []
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            scores = self._last_scores(rows[part], users[part])
            seen = [np.setdiff1d(row, answer) for row, answer in zip(rows[part], answers[part], strict=True)]
            item_ranks.append(ranks(masked(scores, seen), answers[part]))
        return mean_ndcg(np.concatenate(item_ranks))

    def _last_scores(self, rows: Sequence[np.ndarray], users: np.ndarray, graphs: FusionGraphs | None = None) -> np.ndarray:
        """(B, N) scores of what follows histories; `users` are their numbers in what is seen of graphs."""
        slots = self.objective.query(rows, self._length).trimmed()
        base = self._encode(slots.items)[:, -1:]
        fused = self._fuse(base, users, slots.positions[:, -1:], graphs)
        scores = fused.states[:, 0] @ fused.keys.T
        if fused.bonus is not None:
            scores = scores.index_put((fused.bonus.row, fused.bonus.column), fused.bonus.value, accumulate=True)
        return np.asarray(scores.cpu().numpy(), dtype=np.float32)

    def _mark(self, data: FitData, rows: Sequence[np.ndarray], answers: np.ndarray) -> str:
        settings = (self.parts.model_dump(), self.training.model_dump(exclude={"epochs", "max_seconds"}), self.options.seed)
        fingerprint = self._graphs.fingerprint() if self._graphs is not None else ""
        start = weights_mark(self._start) if self._start is not None else ""
        return stable_key(*settings, data.items.ids, [row.tobytes() for row in rows], answers.tobytes(), fingerprint, start)

    # -- scores --------------------------------------------------------------------------------------------------------
    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        self._fitted().eval()
        scores = []
        with torch.no_grad(), threads(self.options, len(self.items)):
            for start in range(0, len(rows), CHUNK):
                part = rows[start : start + CHUNK]
                graphs = self._graphs.of_queries(queries[start : start + CHUNK], part) if self._graphs is not None else None
                scores.append(self._last_scores(part, np.arange(len(part)), graphs))
        return np.concatenate(scores)

    def contributions(self, query: Query, item: str) -> list[Contribution]:
        """The base model's part, and where graphs come in each reason's and each imagined step's; they sum to the score.

        With the fusion `concat` the graph's part is what the score loses without any graph.
        """
        whole = super().contributions(query, item)
        if self._graphs is None or not len(query.history):
            return whole
        row, column = self.items.rows(query.history.items), self.items.row(item) - 1
        with torch.no_grad():
            parts = self._graphs.contributions(self._fitted()["fusion"], query, row, column, self._device)
        if parts is None:
            bare = super().contributions(Query(query.history), item)[0].value
            parts = [Contribution("graph", "graph", whole[0].value - bare)]
        return [Contribution("base", self.parts.model.kind, whole[0].value - sum(part.value for part in parts)), *parts]

    @property
    def validation_ndcg(self) -> float:
        """NDCG@10 on validation items with the best weights; 0 where no history is long enough."""
        return self._best

    @property
    def theme_names(self) -> tuple[str, ...]:
        """Of the rows of the themes' vectors, where the fusion has any."""
        return tuple(self._graphs.profiles.themes) if isinstance(self._graphs, ThemesGraphs) else ()

    def weights(self) -> dict[str, Tensor]:
        """Weights of the model (`model.`) and of the fusion (`fusion.`) by name; they share memory with the net."""
        return dict(self._fitted().state_dict())

    @property
    def _length(self) -> int:
        return self.parts.model.max_length

    @property
    def _device(self) -> torch.device:
        return next(self._fitted().parameters()).device

    @property
    def _model(self) -> Any:
        return self._fitted()["model"]

    def _fitted(self) -> nn.ModuleDict:
        if self._net is None:
            raise CallerError(f"the recommender {self.name!r} is not fitted; call fit(dataset, graphs) or load a saved one first")
        return self._net

    # -- saving --------------------------------------------------------------------------------------------------------
    def _config(self) -> Mapping[str, Any]:
        saved_graphs = self._graphs.config() if self._graphs is not None else {}
        return {
            "parts": self.parts.model_dump(mode="json"),
            "told": saved_graphs,
            "visible": self.visible,
            "text": self.text.name,
            "best": self._best,
            "best_epoch": self.best_epoch,
            "attribute_names": list(self.attribute_names),
        }

    def _tensors(self) -> Mapping[str, np.ndarray]:
        net = {f"net.{name}": value.detach().cpu().numpy() for name, value in self._fitted().state_dict().items()}
        return {**net, **(self._graphs.tensors() if self._graphs is not None else {})}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        saved = artifact.config
        parts = Parts.model_validate(saved["parts"])
        text = options.pop("text", None)
        options = {name: value for name, value in options.items() if name not in ("cache_dir", "device")}  # a language model's
        recommender = cls(
            parts.model, parts.objective, parts.fusion, loss=parts.loss, attributes=parts.attributes, text=text, **options
        )
        recommender._best, recommender.best_epoch = saved.get("best", 0.0), saved.get("best_epoch", 0)
        recommender.attribute_names = tuple(saved.get("attribute_names", ()))
        recommender.parts, recommender.visible = parts, {name: (a, b) for name, (a, b) in saved["visible"].items()}
        if parts.fusion is not None:
            fusion: Any = parts.fusion
            recommender._graphs = fusion.revived(artifact, text)
        recommender._net = recommender._build(len(artifact.items), _saved_attributes(artifact) if parts.attributes else None)
        state = {name: torch.from_numpy(artifact.tensor(f"net.{name}").copy()) for name in recommender._net.state_dict()}
        try:
            recommender._net.load_state_dict(state)
        except RuntimeError as error:
            raise ArtifactError(f"the weights do not fit the saved settings of this recommender: {error}") from error
        recommender._net.to(recommender.options.torch_device()).eval()
        return recommender


def _at_slots(fused: Fused, wanted: Tensor) -> Bonus | None:
    """The bonus of (B * L) slots, as one of the wanted slots alone."""
    if fused.bonus is None:
        return None
    number = wanted.flatten().long().cumsum(0) - 1
    keep = wanted.flatten()[fused.bonus.row]
    return Bonus(number[fused.bonus.row[keep]], fused.bonus.column[keep], fused.bonus.value[keep])


def _saved_attributes(artifact: Artifact) -> csr_matrix:
    tables = [name.removesuffix(".attribute_at") for name in artifact.tensors if name.endswith(".attribute_at")]
    table = tables[0] if tables else "net.model.item"
    at, share = artifact.tensor(f"{table}.attribute_at"), artifact.tensor(f"{table}.attribute_share")
    themes = len(artifact.tensor(f"{table}.attributes"))
    return csr_matrix((share, (at[0] - 1, at[1])), shape=(len(artifact.items), themes))
