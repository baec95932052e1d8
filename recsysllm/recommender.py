"""RecSysLLM as a recommender like the others: fitted on training parts, ranks the whole catalogue, saved without its base."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import torch

from llmrg.core.contribution import Contribution
from llmrg.core.errors import ArtifactError, CallerError, ConfigError
from llmrg.core.records import History, Item, ReasoningGraph, stable_key
from llmrg.core.settings import load_settings
from llmrg.core.text_vectors import TextVectors
from llmrg.data.dataset import Dataset
from llmrg.encoders.text import HashedVectors
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import BaseRecommender, FitData
from llmrg.recommenders.fusion.concat import ConcatConfig, ConcatTold
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.training import Epoch, RunOptions
from llmrg.recsysllm.backbone import Backbone
from llmrg.recsysllm.batches import Batch, steps_of
from llmrg.recsysllm.beam import Beams, beam_search
from llmrg.recsysllm.config import LlmTrainingConfig, RecSysLlmConfig
from llmrg.recsysllm.content import Content
from llmrg.recsysllm.exact import score_catalogue
from llmrg.recsysllm.graph_plug import GraphPlug, RandomVectors
from llmrg.recsysllm.graph_text import graph_pieces
from llmrg.recsysllm.item_head import ItemHead
from llmrg.recsysllm.layout import Layout
from llmrg.recsysllm.net import RecSysNet
from llmrg.recsysllm.pieces import IntArray
from llmrg.recsysllm.reading import Reading
from llmrg.recsysllm.sequences import Prompt, SequenceExamples, Words, no_words
from llmrg.recsysllm.templates import Template, load_templates
from llmrg.recsysllm.textualise import Textualiser, user_pieces
from llmrg.recsysllm.training import Examples, Progress, one_thread, train_llm

T = TypeVar("T")

QUERY_TOKENS = 4096
"""Tokens of questions that are read at once."""
FIT_QUESTIONS = 2000
"""Training questions that the start weights of the content scores are fitted on."""


class RecSysLlm(BaseRecommender):
    """A pretrained language model turned recommender through its data, its training and its inference (Chu et al. 2023)."""

    type = "recsysllm"

    def __init__(
        self,
        config: RecSysLlmConfig | None = None,
        text: TextVectors | None = None,
        training: LlmTrainingConfig | None = None,
        options: RunOptions | None = None,
        *,
        cache_dir: Path | None = None,
        step: Callable[[Progress], None] | None = None,
    ) -> None:
        """Args:
        text: turns items (and reasons, where a graph is used) into vectors; hashed letters where it is left out.
        cache_dir: where packaged models are unpacked; by default that of the settings.
        step: told after each training step.
        """
        super().__init__()
        self.config, self.training, self.options = (
            config or RecSysLlmConfig(),
            training or LlmTrainingConfig(),
            options or RunOptions(),
        )
        self.text: TextVectors = text if text is not None else HashedVectors()
        self.name = "recsysllm" + ("" if self.config.graph == "none" else f" + {self.config.graph}")
        self.epochs: list[Epoch] = []
        self._cache_dir, self._step = cache_dir, step
        self._net: RecSysNet | None = None
        self._textualiser: Textualiser | None = None
        self._content: Content | None = None
        self._told: ConcatTold | None = None
        self._log_shares = np.zeros(0)
        self._validation_ndcg = 0.0
        self.template = "sequential-1"
        """The wording that questions are asked in."""

    # -- fit -------------------------------------------------------------------------------------------------------------
    def _fit(self, data: FitData) -> None:
        self._check(data)
        device = self.options.torch_device()
        backbone = self._load_backbone(device)
        self._textualiser = self._make_textualiser(list(data.dataset.catalogue), data.dataset.reason_attributes, backbone)
        self._check_window(backbone)
        self._content = Content.of(data, self.text)
        rows, histories = list(data.parts.values()), [data.dataset.histories[user] for user in data.parts]
        self._told = self._graphs(data)
        self._log_shares = self._words_of.trie.log_shares(self._popularity)
        with one_thread(self.options.threads):
            self._net = self._make_net(backbone, self._start_weights(rows)).to(device)
            examples = self._examples(data, rows, histories)
            mark = self._mark(data, rows) if self.options.checkpoint else ""
            self.epochs = train_llm(self._net, examples, self.training, self.options, mark, self._step)
        self._validation_ndcg = self._ndcg(data)

    def _check(self, data: FitData) -> None:
        """Raises: ConfigError: settings that do not go together, or with this data."""
        config = self.config
        if not len(data.items):
            raise ConfigError("a catalogue without items has nothing to recommend")
        if config.graph in ("slots", "words", "random") and not any(graph.steps for graph in data.graphs.values()):
            raise ConfigError(
                f"graph={config.graph!r} needs reasoning graphs, and none is given; build them first, or take 'none'"
            )
        if not config.whole_entities and (config.layout != "blank" or config.loss != "vocabulary" or config.head != "titles"):
            raise ConfigError("whole_entities=False is a control of layout='blank' with head='titles' and loss='vocabulary'")

    def _check_window(self, backbone: Backbone) -> None:
        """Raises: ConfigError: the base model has no room for a question with one item."""
        longest, asked = self._words_of.longest, sum(map(len, self._prompt(History("", ()))))
        if backbone.window < (least := 2 * longest + asked + 24):
            raise ConfigError(
                f"the model {self.config.model!r} has {backbone.window} positions; these titles, of up to {longest} tokens, need "
                f"{least}; take another model"
            )

    def _graphs(self, data: FitData) -> ConcatTold | None:
        if self.config.graph not in ("slots", "random"):
            return None
        return ConcatConfig().told(data, RandomVectors(self.text) if self.config.graph == "random" else self.text)

    def _load_backbone(self, device: torch.device) -> Backbone:
        config = self.config
        folder = self._cache_dir or load_settings().cache_dir.expanduser()
        return Backbone.load(config.model, folder, config.train_layers, config.lora_rank, self.options.seed, device)

    def _make_textualiser(self, items: Sequence[Item], reasons: Sequence[str], backbone: Backbone) -> Textualiser:
        named = reasons if self.config.item_attributes == "all" else self.config.item_attributes
        self._named = tuple(named)
        return Textualiser.of(items, backbone.coder, self._named)

    def _make_net(self, backbone: Backbone, weights: np.ndarray) -> RecSysNet:
        config, text = self.config, self._content_known.text
        with torch.random.fork_rng([]):
            torch.manual_seed(self.options.seed)
            head = ItemHead(backbone.size, text, weights, config.item_offset) if config.head != "titles" else None
            plug = None
            if self._told is not None:
                plug = GraphPlug(backbone.size, text, self._told.sizes["text"], self._told.setting)
            return RecSysNet(backbone, self._words_of.trie, head, plug)

    def _start_weights(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        dice = np.random.default_rng(0)
        places = [(user, position) for user, row in enumerate(rows) for position in range(1, len(row))]
        if len(places) > FIT_QUESTIONS:
            places = [places[n] for n in np.sort(dice.choice(len(places), FIT_QUESTIONS, replace=False))]
        answers = np.array([rows[user][position] for user, position in places], dtype=np.int64)
        return self._content_known.start_weights([rows[user][:position] for user, position in places], answers)

    def _examples(self, data: FitData, rows: Sequence[IntArray], histories: Sequence[History]) -> Examples:
        maker, training, validation = self._maker, list[list[Layout]](), list[Layout]()
        answers = data.validation_rows()
        versions = self.config.draws if self.config.layout == "blank" else 1
        if "sequential" in self.config.families:
            for user, (row, history) in enumerate(zip(rows, histories, strict=True)):
                dice = np.random.default_rng((self.options.seed, user))
                words = self._words(data.graphs.get(history.user))
                prompts = [self._prompt(history, self._drawn(dice)) for _ in range(versions)]
                made = [maker.training(history, row, prompt, words, user, dice) for prompt in prompts]
                if kept := [layout for layout in made if layout is not None]:
                    training.append(kept)
                if answers[user] and len(row):
                    validation.append(maker.question(history, row, self._prompt(history), words, user, int(answers[user])))
        return Examples(training, validation, lambda asked: self._content_of(rows, asked), self._told)

    @property
    def _maker(self) -> SequenceExamples:
        backbone = self._fitted().backbone
        return SequenceExamples(self._words_of, self.config, backbone.stand_ins, backbone.window)

    def _drawn(self, dice: np.random.Generator) -> Template:
        seen = [one for one in load_templates("sequential") if one.kind == "next" and not one.unseen]
        return seen[int(dice.integers(len(seen)))]

    def _prompt(self, history: History, template: Template | None = None) -> Prompt:
        coder = self._words_of.coder
        template = template or self._asked_template()
        before, after = template.around("history", {"user": user_pieces(history.attributes)}, coder)
        start = np.array(coder.start(), dtype=np.int64)
        return replace(before, ids=np.concatenate([start, before.ids]), entity=np.concatenate([start * 0, before.entity])), after

    def _asked_template(self) -> Template:
        found = {template.id: template for template in load_templates("sequential")}
        if self.template not in found:
            raise ConfigError(f"there is no template {self.template!r}; there are {', '.join(found)}")
        return found[self.template]

    def _words(self, graph: ReasoningGraph | None) -> Words:
        if self.config.graph != "words" or graph is None:
            return no_words
        coder = self._words_of.coder
        return lambda position: coder.code(graph_pieces(graph, position))

    def _content_of(self, rows: Sequence[IntArray], asked: IntArray) -> np.ndarray:
        return self._content_known.scores([rows[user][:position] for user, position in asked.tolist()])

    def _ndcg(self, data: FitData) -> float:
        """NDCG@10 of the validation items, full ranking, seen items masked, ties against us."""
        from llmrg.recommenders.ranking import masked, ndcg, ranks

        answers = data.validation_rows()
        users = [user for number, user in enumerate(data.parts) if answers[number] and len(data.parts[user])]
        if not users or "sequential" not in self.config.families:
            return 0.0
        targets = answers[[number for number, user in enumerate(data.parts) if answers[number] and len(data.parts[user])]]
        found = []
        for start in range(0, len(users), 256):
            part, wanted = users[start : start + 256], targets[start : start + 256]
            queries = [Query.at(data.dataset.histories[u], len(data.parts[u]), data.graphs.get(u)) for u in part]
            seen = [np.setdiff1d(data.parts[u], answer) for u, answer in zip(part, wanted, strict=True)]
            found.append(ranks(masked(self.scores(queries), seen), wanted))
        return float(ndcg(np.concatenate(found)))

    def _mark(self, data: FitData, rows: Sequence[np.ndarray]) -> str:
        told = self._told.fingerprint() if self._told is not None else ""
        settings = (self.config.model_dump(), self.training.model_dump(exclude={"epochs", "max_seconds"}), self.options.seed)
        answers = data.validation_rows().tobytes()
        words = sorted(data.graphs) if self.config.graph == "words" else ""
        return stable_key(
            *settings, self._fitted().backbone.weights, data.items.ids, [r.tobytes() for r in rows], answers, told, words
        )

    @property
    def validation_ndcg(self) -> float:
        """NDCG@10 on validation items; 0 where no history is long enough."""
        return self._validation_ndcg

    def _fitted(self) -> RecSysNet:
        return self._known(self._net)

    @property
    def _words_of(self) -> Textualiser:
        return self._known(self._textualiser)

    @property
    def _content_known(self) -> Content:
        return self._known(self._content)

    def _known(self, part: T | None) -> T:
        if part is None:
            raise CallerError(f"the recommender {self.name!r} is not fitted; call fit(dataset, graphs) or load a saved one first")
        return part

    # -- scores ------------------------------------------------------------------------------------------------------------
    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        net = self._fitted()
        net.eval()
        net.backbone.training_way(False)
        told = self._told.of_queries(queries, rows) if self._told is not None else None
        layouts = self._questions(rows, queries)
        with torch.no_grad(), one_thread(self.options.threads):
            if net.head is None:
                return np.stack([self._title_scores(layout, told) for layout in layouts])
            return self._item_scores(net, layouts, rows, told)

    def _questions(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> list[Layout]:
        maker, found = self._maker, []
        for number, (row, query) in enumerate(zip(rows, queries, strict=True)):
            words = self._words(query.graph)
            found.append(maker.question(query.history, row, self._prompt(query.history), words, number))
        return found

    def _item_scores(
        self, net: RecSysNet, layouts: Sequence[Layout], rows: Sequence[IntArray], told: ConcatTold | None
    ) -> np.ndarray:
        scores = np.zeros((len(layouts), len(self.items)), dtype=np.float32)
        lengths = [len(layout) for layout in layouts]
        order = sorted(range(len(layouts)), key=lambda n: lengths[n])
        for group in steps_of([[number] for number in order], lengths, QUERY_TOKENS):
            batch = Batch.of(layouts, group, net.backbone.device)
            content = self._content_of(rows, batch.ask[:, 2:4])
            found = net.item_scores(net.states(batch, told), batch.ask, content)
            scores[batch.ask[:, 2]] = found.cpu().numpy()
        return scores

    def _title_scores(self, layout: Layout, told: ConcatTold | None) -> np.ndarray:
        reading = Reading(self._fitted(), self.config, layout, told)
        return score_catalogue(reading, self._words_of.trie, self._log_shares, self.config.loss == "trie")

    def recommend_titles(self, queries: Sequence[Query], k: int = 10, beams: int = 20) -> list[Beams]:
        """The k likeliest unseen titles of each query by beam search; every one is in the catalogue, always.

        Raises: CallerError: not fitted, or k or beams below 1.
        """
        net, items = self._fitted(), self.items
        net.eval()
        net.backbone.training_way(False)
        rows = [items.rows(query.history.items) for query in queries]
        told = self._told.of_queries(queries, rows) if self._told is not None else None
        found = []
        for row, layout in zip(rows, self._questions(rows, queries), strict=True):
            reading = Reading(net, self.config, layout, told)
            how = {"hidden": set(row.tolist()), "renormalised": self.config.loss == "trie"}
            found.append(beam_search(reading, self._words_of.trie, self._log_shares, k, beams, **how))  # type: ignore[arg-type]
        return found

    def contributions(self, query: Query, item: str) -> list[Contribution]:
        """The content's part, the graph's (what the score loses without any), and the language model's; they sum to the score."""
        whole = super().contributions(query, item)
        if not len(query.history) or self._fitted().head is None:
            return whole
        head, column = self._fitted().head, self.items.row(item) - 1
        assert head is not None
        row = self.items.rows(query.history.items)
        content = head.weights * self._content_of([row], np.array([[0, len(row)]]))[:, 0, column]
        parts = [Contribution("base", name, float(value)) for name, value in zip(("text", "attributes"), content, strict=True)]
        if self.config.graph != "none":
            bare = super().contributions(Query(query.history), item)[0].value
            parts.append(Contribution("graph", "graph", whole[0].value - bare))
        rest = whole[0].value - sum(part.value for part in parts)
        return [Contribution("base", "language model", rest), *parts]

    # -- saving --------------------------------------------------------------------------------------------------------
    def _config(self) -> Mapping[str, Any]:
        net = self._fitted()
        return {
            "settings": self.config.model_dump(mode="json"),
            "base_model": net.backbone.name,
            "weights_key": net.backbone.weights,
            "catalogue": [
                [item.title, [list(pair) for pair in item.attributes if pair[0] in self._named]] for item in self._catalogue
            ],
            "attributes": list(self._named),
            "told": self._told.config() if self._told is not None else {},
            "text": self._told.text.name if self._told is not None else self.text.name,
            "encoder": self._content_known.encoder,
            "template": self.template,
            "ndcg": self._validation_ndcg,
            "seed": self.options.seed,
        }

    def _tensors(self) -> Mapping[str, np.ndarray]:
        net = {f"net.{name}": value.float().cpu().numpy() for name, value in self._fitted().state_dict().items()}
        told = self._told.tensors() if self._told is not None else {}
        return {**net, **told, **self._content_known.tensors(), "log_shares": self._log_shares}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        saved, text = artifact.config, options.pop("text", None)
        run = options.pop("options", None) or RunOptions(seed=saved["seed"])
        made = cls(RecSysLlmConfig(**saved["settings"]), text, None, run, **options)
        device = made.options.torch_device()
        backbone = made._load_backbone(device)
        if backbone.weights != saved["weights_key"]:
            raise ArtifactError(
                f"these adapters were trained on {saved['base_model']!r} with other weights ({saved['weights_key']}, here "
                f"{backbone.weights}); put the same base model there, or train again"
            )
        items = [
            Item(id, title, tuple((n, v) for n, v in pairs))
            for id, (title, pairs) in zip(artifact.items, saved["catalogue"], strict=True)
        ]
        made._textualiser = made._make_textualiser(items, saved["attributes"], backbone)
        made._catalogue = tuple(items)
        made._content = Content.revived(artifact, saved["encoder"])
        made._told = made._revived(artifact, text, saved) if made.config.graph in ("slots", "random") else None
        made._log_shares, made.template = artifact.tensor("log_shares"), saved["template"]
        made._validation_ndcg = saved["ndcg"]
        made._net = made._make_net(backbone, np.ones(2)).to(device)
        names = made._net.learnt()
        state = {name: torch.from_numpy(artifact.tensor(f"net.{name}").copy()) for name in names}
        try:
            made._net.load_state_dict(state)
        except RuntimeError as error:
            raise ArtifactError(f"the adapters do not fit the saved settings: {error}; train again") from error
        made._net.eval()
        return made

    def _revived(self, artifact: Artifact, text: TextVectors | None, saved: Mapping[str, Any]) -> ConcatTold:
        known = RandomVectors(text or self.text) if self.config.graph == "random" else text
        return ConcatConfig().revived(artifact, known)

    def fit(self, dataset: Dataset, graphs: Any = None, themes: Any = None) -> None:
        """Learn from the training part of every history; validation items decide when to stop.

        Raises:
            ConfigError: settings that do not go together, a base model that cannot be masked, or graphs asked for and none given.
            MissingPackageError, ModelFileError: the base model is not there.
            ResourceError: out of memory.
        """
        self._catalogue: tuple[Item, ...] = tuple(dataset.catalogue)
        super().fit(dataset, graphs, themes)
