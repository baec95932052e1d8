"""Every switch of RecSysLLM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from llmrg.core.errors import ConfigError
from llmrg.encoders.backends import BackendName
from llmrg.language_models.folders import NAMED_MODELS

if TYPE_CHECKING:
    from llmrg.recommenders.base import FitData

Family = Literal["rating", "sequential", "explanation", "review", "direct"]
FAMILIES: tuple[Family, ...] = ("rating", "sequential", "explanation", "review", "direct")
STARRED, BEST = frozenset({"rating", "explanation", "review"}), 5
"""Families that speak of stars, and how many there are."""
LayoutName = Literal["causal", "blank"]
Positions = Literal["paper", "running"]
Level = Literal["entity", "sentence", "document"]
GraphWay = Literal["none", "slots", "words", "random"]


class RecSysLlmConfig(BaseModel, frozen=True, extra="forbid"):
    """How a causal language model is made a recommender (Chu et al. 2023)."""

    model: str = "smollm2-135m"
    """A packaged model (`smollm2-135m`, `gemma-3-270m`), a `.gguf` file, or a Hugging Face folder."""
    layout: LayoutName = "causal"
    """`causal`: left to right, all items of a history are asked for in one pass. `blank`: the paper's blank infilling: what is
    left of the text is read both ways, each masked span is one [MASK], and spans are written left to right after it."""
    positions: Positions = "paper"
    """Of a span's tokens in `blank`: `paper` gives all of them the position of their [MASK]; `running` counts on from it."""
    order: Literal["chronological", "shuffled"] = "chronological"
    """Of spans in `blank`; the paper keeps time, GLM shuffles."""
    whole_entities: bool = True
    """False lets spans of `blank` cut entities, as GLM does: the paper's control."""
    loss: Literal["trie", "vocabulary"] = "trie"
    """For titles: a softmax over the children of the catalogue's trie, or over the whole vocabulary."""
    head: Literal["items", "titles", "both"] = "items"
    """What is trained to rank the catalogue: item vectors against the state, titles written by the language model, or both. With
    both, the item head ranks. In `blank`, masked spans are written whatever the head: that is its training."""
    families: tuple[Family, ...] = Field(default=("sequential",), min_length=1)
    """What is trained together. Beside others, and where titles are trained, `sequential` asks to choose among a few as well."""
    texts_per_user: PositiveInt = 4
    """Examples of a user in each family of texts, an epoch."""
    templates: str = ""
    """A TOML file of further templates (`llmrg.recsysllm.templates`)."""
    levels: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat] = (0.6, 0.2, 0.2)
    """Shares of entity-, sentence- and document-level examples in `blank`; the paper does not say."""
    mask_ratio: float = Field(default=0.3, gt=0.0, le=1.0)
    """Share of a history's items that are masked at the entity level; the paper does not say."""
    draws: PositiveInt = 4
    """Versions drawn of each example of `blank` and of each text, before training, and used in turn."""
    item_attributes: tuple[str, ...] | Literal["all"] = ()
    """Attributes written after a title in the history; `all` takes those that can be reasons. The item head knows all of them
    anyway; in the history they make prompts two or three times as long."""
    content_attributes: bool = True
    """Let the item head know the attributes, in its text vectors and as a score that it starts from. False is a control: a
    catalogue of bare titles, in which nothing but a graph can say why an item was taken."""
    item_offset: bool = False
    """Add a vector of its own to each item's text vector; starts at zero."""
    graph: GraphWay = "none"
    """`slots`: E_rea and E_div are added to two tokens that stand in every prompt; `words`: the live themes as words, where what
    comes next is asked; `random`:
    as `slots`, but the reasons' text vectors are replaced by ones that mean nothing (a control)."""
    use_reasoned: bool = True
    """Of `slots`: tell of reasoned steps (E_rea)."""
    use_imagined: bool = True
    """Of `slots`: tell of imagined steps (E_div)."""
    backend: BackendName = "auto"
    """Of `slots`: what encodes the graphs."""
    lora_rank: PositiveInt = 16
    train_layers: PositiveInt | None = 6
    """Last layers that get adapters; what is below is computed once. None adapts all layers."""
    max_tokens: PositiveInt = 512
    """Longest example; a longer history is sampled by horizon."""
    history_items: PositiveInt = 50
    """Items of a history that enter a prompt at most."""

    def with_whole_paths(self) -> Self:
        """The same, with files and folders named from the root: a saved model is opened from anywhere."""
        values = {"model": self.model if self.model not in NAMED_MODELS else "", "templates": self.templates}
        paths = {name: Path(value).expanduser() for name, value in values.items() if value}
        return self.model_copy(update={name: str(path.resolve()) for name, path in paths.items() if path.exists()})

    def check(self, data: FitData) -> None:
        """Raises: ConfigError: settings that do not go together, or with this data."""
        if not len(data.items):
            raise ConfigError("a catalogue without items has nothing to recommend")
        if self.graph in ("slots", "words", "random") and not len(data.graphs.steps):
            raise ConfigError(f"graph={self.graph!r} needs reasoning graphs, and none is given; build them first, or take 'none'")
        if self.item_attributes != "all":
            there = {name for item in data.dataset.catalogue for name, _ in item.attributes}
            if strange := [name for name in self.item_attributes if name not in there]:
                raise ConfigError(
                    f"no item has the attribute {strange[0]!r} of item_attributes; there are {', '.join(sorted(there))}"
                )
        if STARRED & set(self.families):
            ratings = (
                opinion.rating for opinions in data.dataset.opinions.values() for opinion in opinions if opinion is not None
            )
            if (worst := max((rating for rating in ratings if rating is not None), default=0.0)) > BEST:
                raise ConfigError(
                    f"ratings of {data.dataset.name!r} go up to {worst:g}, and a language model answers in 1 to {BEST} stars: "
                    "divide them first, or leave the families rating, explanation and review out"
                )
        if not self.whole_entities and (self.layout != "blank" or self.loss != "vocabulary" or self.head != "titles"):
            raise ConfigError("whole_entities=False is a control of layout='blank' with head='titles' and loss='vocabulary'")


class LlmTrainingConfig(BaseModel, frozen=True, extra="forbid"):
    """How long and how fast."""

    epochs: PositiveInt = 3
    learning_rate: PositiveFloat = 5e-4
    """Of the adapters. The paper's 1e-5 moves nothing in a few hundred steps."""
    head_rate: PositiveFloat = 1e-3
    """Of the heads and of the vectors of control tokens and positions."""
    graph_rate: PositiveFloat = 5e-3
    """Of the encoders of the graph in the slots, which start at nothing and have few steps."""
    weight_decay: NonNegativeFloat = 0.01
    warm_up: float = Field(default=0.05, ge=0.0, lt=1.0)
    """Share of all steps in which the rate rises; it falls as a cosine afterwards."""
    batch_tokens: PositiveInt = 1024
    """Tokens of a step, over all processes."""
    row_tokens: PositiveInt = 256
    """Examples are packed into rows of about so many tokens."""
    patience: PositiveInt = 2
    """Epochs without a better validation NLL before training stops."""
    max_seconds: PositiveFloat | None = None
    """Start no further epoch after so many seconds of this call; None for no limit."""
    cache_megabytes: PositiveInt = 4096
    """Memory for the states below the first trained layer; examples beyond it are computed anew at each step."""
