"""Recommenders by name, as the command and the SDK ask for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from llmrg.core.errors import ConfigError
from llmrg.core.text_vectors import TextVectors
from llmrg.encoders.backends import BackendName
from llmrg.recommenders.base import BaseRecommender
from llmrg.recommenders.names import MODELS, SIMPLE
from llmrg.recommenders.theme_profiles import AUTO

if TYPE_CHECKING:
    from llmrg.recommenders.sequential import SequentialRecommender
    from llmrg.recommenders.theme_events import View
    from llmrg.recommenders.training import RunOptions, TrainingConfig

FusionName = Literal["themes", "concat", "sr_gnn", "slots", "words"]
Fit = Literal["auto", "late", "joint"]
JOINT_DROPOUT = 0.7
"""Least dropout of a base model that is trained together with themes: else it memorises the training items, and the loss finds
the themes superfluous (chosen on validation items of the demo)."""


@dataclass(frozen=True)
class GraphOptions:
    """How graphs come in; each switch is an ablation."""

    fusion: FusionName = "themes"
    """`themes`: reasons as a second space; `concat`: the paper's concatenation with the causal encoder; `sr_gnn`: with SR-GNN. Of
    a language model alone: `slots`, E_rea and E_div added to two tokens of the prompt; `words`, the live reasons as words."""
    fit: Fit = "auto"
    """Of `themes`: `late` weighs theme scores after the base is trained, on items it has not seen; `joint` trains both together;
    `auto` does both and lets validation choose."""
    source: str = AUTO
    """Source of the item profiles; `auto` takes the first stored profile of a mind or an import, else the catalogue's
    attributes, else the steps of other users."""
    use_reasoned: bool = True
    use_imagined: bool = True
    gates: bool = True
    backend: BackendName = "auto"


def simple_recommenders() -> dict[str, Callable[[TextVectors], BaseRecommender]]:
    """Name -> how to make one that needs no training loop."""
    from llmrg.recommenders.ease import Ease
    from llmrg.recommenders.item_knn import ItemKnn
    from llmrg.recommenders.popularity import Popularity
    from llmrg.recommenders.sequential_rules import SequentialRules
    from llmrg.recommenders.text_cosine import TextCosine
    from llmrg.recommenders.theme_scores import ThemeScores, ThemeScoresConfig

    return {
        "popularity": lambda _: Popularity(),
        "rules": lambda _: SequentialRules(),
        "item-knn": lambda _: ItemKnn(),
        "ease": lambda _: Ease(),
        "text": lambda text: TextCosine(text=text),
        "overlap": lambda _: ThemeScores(ThemeScoresConfig(view="bag", half_life=None)),
    }


def make_recommender(
    name: str,
    text: TextVectors,
    *,
    graphs: GraphOptions | None = None,
    attributes: bool = False,
    objective: str | None = None,
    training: TrainingConfig | None = None,
    options: RunOptions | None = None,
    progress: Callable[[str], None] | None = None,
    **settings: Any,
) -> BaseRecommender:
    """An untrained recommender.

    Args:
        name: a base model or one of the simple recommenders.
        text: turns reasons, or item texts, into vectors.
        graphs: how graphs come in; None leaves them out. Simple recommenders use none.
        attributes: put the catalogue's attributes into the item vectors.
        objective: what the base model is trained on: `next_item`, `last_item` (every prefix for itself), `cloze`, `contrastive`;
            None for the one that it is known by.
        progress: told what is trained next.
        settings: fields of the base model's configuration (`embedding_size`, `max_length`, ...).
    Raises: ConfigError: unknown name.
    """
    if name in SIMPLE:
        return simple_recommenders()[name](text)
    from llmrg.recommenders.registry import model_config, objective_config
    from llmrg.recommenders.sequential import SequentialRecommender

    if name not in MODELS:
        raise ConfigError(f"no recommender is named {name!r}; choose one of {', '.join((*MODELS, *SIMPLE))}")
    base = SequentialRecommender(
        model_config(name, **settings),
        objective_config(objective) if objective else None,
        attributes=attributes,
        text=text,
        training=training,
        options=options,
    )
    return base if graphs is None else with_graphs(base, graphs, progress)


def with_graphs(
    base: SequentialRecommender,
    graphs: GraphOptions,
    progress: Callable[[str], None] | None = None,
    options: RunOptions | None = None,
) -> BaseRecommender:
    """The base model with reasoning graphs. A base that is fitted already is not fitted again for the late weights.

    Args: options: how what is trained with graphs is run; by default as the base.
    """
    from llmrg.recommenders.best_of import BestOf
    from llmrg.recommenders.fusion.concat import ConcatConfig
    from llmrg.recommenders.fusion.themes import ThemesConfig
    from llmrg.recommenders.sequential import SequentialRecommender

    parts: dict[str, Any] = {"attributes": base.attributes, "text": base.text, "training": base.training, "loss": base.parts.loss}
    if graphs.fusion in ("slots", "words"):
        raise ConfigError(
            f"the fusion {graphs.fusion!r} is for a language model (`--model recsysllm`); take themes, concat or sr_gnn"
        )
    if graphs.fusion != "themes":
        encoder: Literal["causal", "sr_gnn"] = "causal" if graphs.fusion == "concat" else "sr_gnn"
        used: dict[str, Any] = {
            "use_reasoned": graphs.use_reasoned,
            "use_imagined": graphs.use_imagined,
            "backend": graphs.backend,
        }
        fusion = ConcatConfig(encoder=encoder, **used)
        return SequentialRecommender(base.parts.model, base.parts.objective, fusion, options=options or base.options, **parts)
    views: tuple[View, ...] = ("graph",) if graphs.use_reasoned else ()
    joint_config = ThemesConfig(source=graphs.source, views=views, use_imagined=graphs.use_imagined, gates=graphs.gates)
    dropout = max(base.parts.model.dropout, JOINT_DROPOUT)
    model = base.parts.model.model_copy(update={"dropout": dropout})
    apart = (options or base.options).apart("joint")
    joint = SequentialRecommender(model, base.parts.objective, joint_config, options=apart, **parts)
    late = late_mix(base, graphs, progress=progress)
    ways: dict[str, Any] = {"late": late, "joint": joint}
    chosen = {way: recommender for way, recommender in ways.items() if graphs.fit in ("auto", way)}
    return BestOf(chosen, f"{base.name} + themes")


def late_mix(
    base: BaseRecommender,
    graphs: GraphOptions,
    others: Sequence[BaseRecommender] = (),
    progress: Callable[[str], None] | None = None,
) -> BaseRecommender:
    """The base, others beside it, and the scores of themes and imagined steps, weighed on items that none was trained on."""
    from llmrg.recommenders.imagined_scores import ImaginedScores
    from llmrg.recommenders.mix import Mix
    from llmrg.recommenders.theme_scores import ThemeScores, ThemeScoresConfig

    scores: list[BaseRecommender] = []
    if graphs.use_reasoned:
        for half_life in (3.0, 20.0):
            scores.append(ThemeScores(ThemeScoresConfig(view="graph", source=graphs.source, half_life=half_life)))
    if graphs.use_imagined:
        scores.append(ImaginedScores())
    return Mix([base, *others, *scores], refit=False, progress=progress)
