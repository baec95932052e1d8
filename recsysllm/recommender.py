"""RecSysLLM as a recommender like the others: fitted on training parts, ranks the whole catalogue, saved without its base."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import torch

from llmrg.core.contribution import Contribution
from llmrg.core.errors import ArtifactError, CallerError, ConfigError
from llmrg.core.records import History, Item, stable_key
from llmrg.core.settings import load_settings
from llmrg.core.text_vectors import TextVectors
from llmrg.data.dataset import Dataset
from llmrg.encoders.text import HashedVectors
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import BaseRecommender, FitData
from llmrg.recommenders.fusion.concat import ConcatConfig, ConcatGraphs
from llmrg.recommenders.marks import graphs_mark
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.queries import Queries, histories_of, rows_of
from llmrg.recommenders.training import Epoch, RunOptions
from llmrg.recsysllm import asking
from llmrg.recsysllm.backbone import Backbone
from llmrg.recsysllm.batches import Batch, steps_of
from llmrg.recsysllm.beam import Beams, beam_search
from llmrg.recsysllm.config import LlmTrainingConfig, RecSysLlmConfig
from llmrg.recsysllm.content import Content
from llmrg.recsysllm.data_phase import DataPhase
from llmrg.recsysllm.exact import score_catalogue
from llmrg.recsysllm.graph_plug import GraphPlug, RandomVectors
from llmrg.recsysllm.item_head import ItemHead
from llmrg.recsysllm.layout import Layout
from llmrg.recsysllm.lower_states import LowerStates
from llmrg.recsysllm.net import RecSysNet
from llmrg.recsysllm.pieces import IntArray
from llmrg.recsysllm.reading import Reading
from llmrg.recsysllm.textualise import Textualiser
from llmrg.recsysllm.training import Examples, Progress, one_thread, train_llm

T = TypeVar("T")

QUERY_TOKENS = 4096
"""Tokens of questions that are read at once."""
FIT_QUESTIONS = 2000
"""Training questions that the start weights of the content scores are fitted on."""


class RecSysLlm(BaseRecommender):
    """A pretrained language model turned recommender through its data, its training and its inference (Chu et al. 2023)."""

    type = "recsysllm"
    no_start = "its adapters are trained from the base language model each time"
    has_final_fit = False

    def __init__(
        self,
        config: RecSysLlmConfig | None = None,
        text: TextVectors | None = None,
        training: LlmTrainingConfig | None = None,
        options: RunOptions | None = None,
        *,
        cache_dir: Path | None = None,
        lower: LowerStates | None = None,
        step: Callable[[Progress], None] | None = None,
    ) -> None:
        """Args:
        text: turns items (and reasons, where a graph is used) into vectors; hashed letters where it is left out.
        cache_dir: where packaged models are unpacked; by default that of the settings.
        lower: texts read before by the same base model, and to be kept for later; without it they are kept for one training.
        step: told after each training step.
        """
        super().__init__()
        self.config, self.training, self.options = (
            (config or RecSysLlmConfig()).with_whole_paths(),
            training or LlmTrainingConfig(),
            options or RunOptions(),
        )
        self.text: TextVectors = text if text is not None else HashedVectors()
        self.name = "recsysllm" + ("" if self.config.graph == "none" else f" + {self.config.graph}")
        self.epochs: list[Epoch] = []
        self._cache_dir, self._step, self.lower = cache_dir, step, lower
        self._net: RecSysNet | None = None
        self._textualiser: Textualiser | None = None
        self._content: Content | None = None
        self.graphs: ConcatGraphs | None = None
        self._log_shares = np.zeros(0)
        self._validation_ndcg = 0.0
        self.template = "sequential-1"
        """The wording that questions are asked in."""

    # -- fit -------------------------------------------------------------------------------------------------------------
    def _fit(self, data: FitData) -> None:
        self.config.check(data)
        device = self.options.torch_device()
        backbone = self._load_backbone(device)
        self._textualiser = self._make_textualiser(list(data.dataset.catalogue), data.dataset.reason_attributes, backbone)
        DataPhase(self._textualiser, self.config, backbone, self.template).check_window()
        self._content = Content.of(data, self.text, self.config.content_attributes)
        rows, histories = list(data.parts.values()), [data.dataset.histories[user] for user in data.parts]
        self.graphs = self._graphs_of_fit(data)
        self._log_shares = self.words.trie.log_shares(self._popularity)
        with one_thread(self.options.threads):
            self._net = self._make_net(backbone, self._start_weights(rows)).to(device)
            examples = self._examples(data, rows, histories)
            mark = self._mark(data, rows) if self.options.checkpoint else ""
            self.epochs = train_llm(self._net, examples, self.training, self.options, mark, self._step, self.lower)
        self._validation_ndcg = self._ndcg(data)

    def _graphs_of_fit(self, data: FitData) -> ConcatGraphs | None:
        if self.config.graph not in ("slots", "random"):
            return None
        return self._graphs_config().graphs_of(data, RandomVectors(self.text) if self.config.graph == "random" else self.text)

    def _graphs_config(self) -> ConcatConfig:
        config = self.config
        return ConcatConfig(use_reasoned=config.use_reasoned, use_imagined=config.use_imagined, backend=config.backend)

    def _load_backbone(self, device: torch.device) -> Backbone:
        config = self.config
        folder = self._cache_dir or load_settings().cache_dir.expanduser()
        return Backbone.load(config.model, folder, config.train_layers, config.lora_rank, self.options.seed, device)

    def _make_textualiser(self, items: Sequence[Item], reasons: Sequence[str], backbone: Backbone) -> Textualiser:
        named = reasons if self.config.item_attributes == "all" else self.config.item_attributes
        self._named = tuple(named)
        return Textualiser.of(items, backbone.coder, self._named)

    def _make_net(self, backbone: Backbone, weights: np.ndarray) -> RecSysNet:
        config, text = self.config, self._fitted_content.text
        with torch.random.fork_rng([]):
            torch.manual_seed(self.options.seed)
            head = ItemHead(backbone.size, text, weights, config.item_offset) if config.head != "titles" else None
            plug = None
            if self.graphs is not None:
                plug = GraphPlug(backbone.size, text, self.graphs.sizes["text"], self.graphs.setting)
            return RecSysNet(backbone, self.words.trie, head, plug)

    def _start_weights(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        dice = np.random.default_rng(0)
        places = [(user, position) for user, row in enumerate(rows) for position in range(1, len(row))]
        if len(places) > FIT_QUESTIONS:
            places = [places[n] for n in np.sort(dice.choice(len(places), FIT_QUESTIONS, replace=False))]
        answers = np.array([rows[user][position] for user, position in places], dtype=np.int64)
        return self._fitted_content.start_weights([rows[user][:position] for user, position in places], answers)

    def _examples(self, data: FitData, rows: Sequence[IntArray], histories: Sequence[History]) -> Examples:
        phase, training, validation = self.phase, list[list[Layout]](), list[Layout]()
        if "sequential" in self.config.families:
            training, validation = phase.sequences(data, rows, histories)
        if phase.families:
            texts, held_out = phase.texts(data)
            training, validation = training + texts, validation or held_out
        if not training and "sequential" not in self.config.families:
            families = ",".join(self.config.families)
            raise ConfigError(
                f"nothing in {data.dataset.name!r} can be asked for families={families}: the source must hold ratings or texts"
            )
        return Examples(training, validation, lambda slots: self.content_scores(rows, slots), self.graphs)

    @property
    def phase(self) -> DataPhase:
        """Makes prompts as this model reads them."""
        return DataPhase(self.words, self.config, self.fitted_net().backbone, self.template)

    def content_tensors(self) -> Mapping[str, np.ndarray]:
        """What the content scores are made of (`Content.tensors`)."""
        return self._fitted_content.tensors()

    def content_scores(self, rows: Sequence[IntArray], slots: IntArray) -> np.ndarray:
        return self._fitted_content.scores([rows[user][:position] for user, position in slots.tolist()])

    def _ndcg(self, data: FitData) -> float:
        """NDCG@10 of the validation items, full ranking, seen items masked, ties against us."""
        from llmrg.recommenders.ranking import masked, mean_ndcg, ranks

        answers = data.validation_rows()
        users = np.flatnonzero((answers > 0) & (data.parts.lengths > 0))
        if not len(users) or "sequential" not in self.config.families:
            return 0.0
        targets = answers[users]
        queries, rows = Queries(data.dataset.arrays, users, data.parts.lengths[users], data.graphs), list(data.parts.values())
        item_ranks = []
        for start in range(0, len(users), 256):
            part, wanted = queries[start : start + 256], targets[start : start + 256]
            seen = [np.setdiff1d(rows[u], answer) for u, answer in zip(part.numbers.tolist(), wanted, strict=True)]
            item_ranks.append(ranks(masked(self.scores(part), seen), wanted))
        return mean_ndcg(np.concatenate(item_ranks))

    def _mark(self, data: FitData, rows: Sequence[np.ndarray]) -> str:
        settings = (self.config.model_dump(), self.training.model_dump(exclude={"max_seconds"}), self.options.seed)
        seen = (data.items.ids, [row.tobytes() for row in rows], data.validation_rows().tobytes())
        graphs = self.graphs.fingerprint() if self.graphs is not None else ""
        words = graphs_mark(data.graphs) if self.config.graph == "words" else ""
        return stable_key(*settings, self.fitted_net().backbone.weights, *seen, graphs, words)

    @property
    def validation_ndcg(self) -> float:
        """NDCG@10 on validation items; 0 where no history is long enough."""
        return self._validation_ndcg

    def example_prompt(self) -> dict[str, Any]:
        """A question about a history of the first two items, as another server would be given it."""
        rows = np.arange(1, min(3, len(self.items) + 1))
        history = History("", tuple(self.items.ids[row - 1] for row in rows.tolist()))
        layout = self.phase.question(history, rows, None, 0)
        return {
            "template": self.phase.wording().text,
            "history": list(history.items),
            "tokens": layout.ids.tolist(),
            "text": self.words.coder.text(layout.ids.tolist()),
            "control_tokens": {str(at): int(kind) for at, kind in enumerate(layout.control.tolist()) if kind},
        }

    def fitted_net(self) -> RecSysNet:
        """Raises: CallerError: not fitted yet."""
        return self._fitted(self._net)

    @property
    def words(self) -> Textualiser:
        return self._fitted(self._textualiser)

    @property
    def _fitted_content(self) -> Content:
        return self._fitted(self._content)

    def _fitted(self, part: T | None) -> T:
        if part is None:
            raise CallerError(f"the recommender {self.name!r} is not fitted; call fit(dataset, graphs) or load a saved one first")
        return part

    # -- scores ------------------------------------------------------------------------------------------------------------
    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        net, graphs = self.ready().fitted_net(), self.graphs_of(queries)
        layouts = self._questions(rows, queries)
        with torch.no_grad(), one_thread(self.options.threads):
            if net.head is None:
                return np.stack([self._title_scores(layout, graphs) for layout in layouts])
            return self._item_scores(net, layouts, rows, graphs)

    def _questions(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> list[Layout]:
        words, both = self.config.graph == "words", enumerate(zip(histories_of(queries), rows, strict=True))
        return [self.phase.question(past, row, queries[n].graph if words else None, n) for n, (past, row) in both]

    def _item_scores(
        self, net: RecSysNet, layouts: Sequence[Layout], rows: Sequence[IntArray], graphs: ConcatGraphs | None
    ) -> np.ndarray:
        scores = np.zeros((len(layouts), len(self.items)), dtype=np.float32)
        lengths = [len(layout) for layout in layouts]
        if self.lower is not None:
            self.lower.read(net.backbone, layouts, QUERY_TOKENS)
        order = sorted(range(len(layouts)), key=lambda n: lengths[n])
        for group in steps_of([[number] for number in order], lengths, QUERY_TOKENS):
            batch = Batch.of(layouts, group, net.backbone.device)
            content = self.content_scores(rows, batch.ask[:, 2:4])
            below = self.lower.of(net.backbone, batch, layouts) if self.lower is not None else None
            batch_scores = net.item_scores(net.states(batch, graphs, below), batch.ask, content)
            scores[batch.ask[:, 2]] = batch_scores.cpu().numpy()
        return scores

    def _title_scores(self, layout: Layout, graphs: ConcatGraphs | None) -> np.ndarray:
        reading = Reading(self.fitted_net(), self.config, layout, graphs)
        return score_catalogue(reading, self.words.trie, self._log_shares, self.config.loss == "trie")

    def recommend_titles(self, queries: Sequence[Query], k: int = 10, beams: int = 20) -> list[Beams]:
        """The k likeliest unseen titles of each query by beam search; every one is in the catalogue, always.

        Raises: CallerError: not fitted, or k or beams below 1.
        """
        net, graphs = self.ready().fitted_net(), self.graphs_of(queries)
        rows = rows_of(queries, self.items)
        titles = []
        for row, layout in zip(rows, self._questions(rows, queries), strict=True):
            reading = Reading(net, self.config, layout, graphs)
            how = {"hidden": set(row.tolist()), "renormalised": self.config.loss == "trie"}
            titles.append(beam_search(reading, self.words.trie, self._log_shares, k, beams, **how))  # type: ignore[arg-type]
        return titles

    # -- answers in words ---------------------------------------------------------------------------------------------------
    def rate(self, queries: Sequence[Query], items: Sequence[str]) -> np.ndarray:
        """(Q,) expected stars in [1, 5]; see `llmrg.recsysllm.asking`."""
        return asking.rate(self.ready(), queries, items)

    def explain_text(self, query: Query, item: str, feature: str = "", stars: float | None = None) -> str:
        """A sentence as reviewers write them; see `llmrg.recsysllm.asking`."""
        return asking.explain(self.ready(), query, item, feature, stars)

    def summarise(self, review: str) -> str:
        """A headline for a review."""
        return asking.summarise(self.ready(), review)

    def ask(self, question: str, query: Query) -> str:
        """What the model writes after a user's history and any question."""
        return asking.ask(self.ready(), question, query)

    def graphs_of(self, queries: Sequence[Query]) -> ConcatGraphs | None:
        """What the graphs of queries tell; None where the model takes none."""
        return self.graphs.of_queries(queries, rows_of(queries, self.items)) if self.graphs is not None else None

    def ready(self) -> Self:
        """Ready to answer: no dropout, fused attention."""
        net = self.fitted_net()
        net.eval()
        net.backbone.training_way(False)
        return self

    def contributions(self, query: Query, item: str) -> list[Contribution]:
        """The content's part, the graph's (what the score loses without any), and the language model's; they sum to the score."""
        whole = super().contributions(query, item)
        if not len(query.history) or self.fitted_net().head is None:
            return whole
        head, column = self.fitted_net().head, self.items.row(item) - 1
        assert head is not None
        row = self.items.rows(query.history.items)
        content = head.weights * self.content_scores([row], np.array([[0, len(row)]]))[:, 0, column]
        parts = [Contribution("base", name, float(value)) for name, value in zip(("text", "attributes"), content, strict=True)]
        if self.config.graph != "none":
            bare = super().contributions(Query(query.history), item)[0].value
            parts.append(Contribution("graph", "graph", whole[0].value - bare))
        rest = whole[0].value - sum(part.value for part in parts)
        return [Contribution("base", "language model", rest), *parts]

    # -- saving --------------------------------------------------------------------------------------------------------
    def _config(self) -> Mapping[str, Any]:
        net = self.fitted_net()
        return {
            "settings": self.config.model_dump(mode="json"),
            "base_model": net.backbone.name,
            "weights_key": net.backbone.weights,
            "catalogue": [
                [item.title, [list(pair) for pair in item.attributes if pair[0] in self._named]] for item in self.catalogue
            ],
            "attributes": list(self._named),
            "told": self.graphs.config() if self.graphs is not None else {},
            "text": self.graphs.text.name if self.graphs is not None else self.text.name,
            "encoder": self._fitted_content.encoder,
            "template": self.template,
            "ndcg": self._validation_ndcg,
            "seed": self.options.seed,
        }

    def _tensors(self) -> Mapping[str, np.ndarray]:
        net = {f"net.{name}": value.float().cpu().numpy() for name, value in self.fitted_net().state_dict().items()}
        tensors = self.graphs.tensors() if self.graphs is not None else {}
        return {**net, **tensors, **self._fitted_content.tensors(), "log_shares": self._log_shares}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        saved, text = artifact.config, options.pop("text", None)
        run, device = options.pop("options", None), options.pop("device", "cpu")
        run = run or RunOptions(seed=saved["seed"], device=device)
        model = cls(RecSysLlmConfig(**saved["settings"]), text, None, run, **options)
        device = model.options.torch_device()
        backbone = model._load_backbone(device)
        if backbone.weights != saved["weights_key"]:
            raise ArtifactError(
                f"these adapters were trained on {saved['base_model']!r} with other weights ({saved['weights_key']}, here "
                f"{backbone.weights}); put the same base model there, or train again"
            )
        items = [
            Item(id, title, tuple((n, v) for n, v in pairs))
            for id, (title, pairs) in zip(artifact.items, saved["catalogue"], strict=True)
        ]
        model._textualiser = model._make_textualiser(items, saved["attributes"], backbone)
        model.catalogue = tuple(items)
        model._content = Content.revived(artifact, saved["encoder"])
        model.graphs = model._revived(artifact, text, saved) if model.config.graph in ("slots", "random") else None
        model._log_shares, model.template = artifact.tensor("log_shares"), saved["template"]
        model._validation_ndcg = saved["ndcg"]
        model._net = model._make_net(backbone, np.ones(2)).to(device)
        names = model._net.learnt()
        state = {name: torch.from_numpy(artifact.tensor(f"net.{name}").copy()) for name in names}
        try:
            model._net.load_state_dict(state)
        except RuntimeError as error:
            raise ArtifactError(f"the adapters do not fit the saved settings: {error}; train again") from error
        model._net.eval()
        return model

    def _revived(self, artifact: Artifact, text: TextVectors | None, saved: Mapping[str, Any]) -> ConcatGraphs:
        encoder = RandomVectors(text or self.text) if self.config.graph == "random" else text
        return self._graphs_config().revived(artifact, encoder)

    def fit(self, dataset: Dataset, graphs: Any = None, themes: Any = None) -> None:
        """Learn from the training part of every history; validation items decide when to stop.

        Raises:
            ConfigError: settings that do not go together, a base model that cannot be masked, or graphs asked for and none given.
            MissingPackageError, ModelFileError: the base model is not there.
            ResourceError: out of memory.
        """
        self.catalogue: tuple[Item, ...] = tuple(dataset.catalogue)
        super().fit(dataset, graphs, themes)
