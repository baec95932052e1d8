"""RecSysLLM by name and settings, as the command and the SDK ask for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from llmrg.core.errors import ConfigError
from llmrg.core.text_vectors import TextVectors
from llmrg.recommenders.base import BaseRecommender
from llmrg.recommenders.best_of import BestOf
from llmrg.recommenders.fusion.themes import ThemesConfig
from llmrg.recommenders.making import GraphOptions, late_mix
from llmrg.recommenders.mix import Mix
from llmrg.recommenders.training import RunOptions
from llmrg.recsysllm.config import LlmTrainingConfig, RecSysLlmConfig
from llmrg.recsysllm.lower_states import LowerStates
from llmrg.recsysllm.recommender import RecSysLlm
from llmrg.recsysllm.theme_fusion import ThemeFusion
from llmrg.recsysllm.training import Progress


def make_recsysllm(
    text: TextVectors,
    graphs: GraphOptions | None = None,
    options: RunOptions | None = None,
    step: Callable[[Progress], None] | None = None,
    lower: LowerStates | None = None,
    cache_dir: Path | None = None,
    **settings: Any,
) -> BaseRecommender:
    """An untrained RecSysLLM, with reasoning graphs where `graphs` says how.

    Args:
        graphs: fusion `slots` and `words` tell the language model of the graph; `themes` weighs theme scores beside its own, and
            leaves the attributes to them (`content_attributes=False`).
        settings: fields of `RecSysLlmConfig` and `LlmTrainingConfig`; lists may be joined by commas.
    Raises: ConfigError: a setting that there is not or that may not be so, or a fusion that is not for a language model.
    """
    fusion = graphs.fusion if graphs is not None else "none"
    if fusion in ("concat", "sr_gnn"):
        raise ConfigError(
            f"the fusion {fusion!r} joins vectors of a sequential model; recsysllm takes themes, slots, words or none"
        )
    if fusion in ("slots", "words"):
        settings = {"graph": fusion, **_shown(graphs), **settings}
    if fusion == "themes":  # what the attributes explain, theme vectors explain better; both at once stand in each other's way
        settings = {"content_attributes": False, **settings}
    names = {*RecSysLlmConfig.model_fields, *LlmTrainingConfig.model_fields}
    if strange := sorted(settings.keys() - names):
        raise ConfigError(f"recsysllm has no setting {strange[0]!r}; there are {', '.join(sorted(names))}")
    training = {name: settings.pop(name) for name in list(settings) if name in LlmTrainingConfig.model_fields}
    config = _settings(RecSysLlmConfig, settings)
    base = RecSysLlm(config, text, _settings(LlmTrainingConfig, training), options, cache_dir=cache_dir, lower=lower, step=step)
    return with_themes(base, graphs) if graphs is not None and fusion == "themes" else base


def _shown(graphs: GraphOptions | None) -> dict[str, Any]:
    """Which steps the language model is told of. Raises: ConfigError: an option that only themes have."""
    assert graphs is not None
    for name, value in (("source", graphs.source), ("gates", graphs.gates)):
        if value != getattr(GraphOptions, name):
            raise ConfigError(f"{name}={value!r} is an option of the fusion 'themes'; {graphs.fusion!r} has no such part")
    if graphs.fusion == "words" and not graphs.use_reasoned:
        raise ConfigError("words are those of reasoned steps; without these the fusion 'words' says nothing")
    return {"use_reasoned": graphs.use_reasoned, "use_imagined": graphs.use_imagined, "backend": graphs.backend}


def with_themes(base: RecSysLlm, graphs: GraphOptions) -> BaseRecommender:
    """Reasons beside the item head: weighed late, or theme vectors learnt on top of it; validation chooses."""
    joint = ThemesConfig(
        source=graphs.source,
        views=("graph",) if graphs.use_reasoned else (),
        use_imagined=graphs.use_imagined,
        gates=graphs.gates,
    )
    ways: dict[str, Callable[[], Any]] = {"late": lambda: late_mix(base, graphs), "joint": lambda: ThemeFusion(base, joint)}
    fits = ("late",) if base.config.head == "titles" and graphs.fit == "auto" else tuple(ways)
    chosen = {way: ways[way]() for way in fits if graphs.fit in ("auto", way)}
    return BestOf(chosen, f"{base.name} + themes")


def language_model_of(recommender: Any) -> RecSysLlm:
    """The language model in a recommender, which may be a mix. Raises: ConfigError: there is none."""
    best = recommender.best if isinstance(recommender, BestOf) else recommender
    inside = best.members if isinstance(best, Mix) else [best.base] if isinstance(best, ThemeFusion) else []
    for part in (best, *inside):
        if isinstance(part, RecSysLlm):
            return part
    raise ConfigError(f"the recommender {recommender.name!r} has no language model to ask; train one: `llmrg train recsysllm`")


def _settings(kind: type[Any], values: dict[str, Any]) -> Any:
    """Raises: ConfigError: what pydantic says of the first field that is wrong, with the names that there are."""
    model: type[BaseModel] = kind
    try:
        return model(**{name: _plain(name, value, model) for name, value in values.items()})
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        names = ", ".join(sorted({*RecSysLlmConfig.model_fields, *LlmTrainingConfig.model_fields}))
        value = f"={values[field]!r}" if field in values else ""
        raise ConfigError(f"the setting {field}{value} of recsysllm: {first['msg']}; there are {names}") from error


def _plain(name: str, value: Any, model: type[BaseModel]) -> Any:
    """Words of the shell as what the field holds: `a,b` as a list, `none` as None, where the field is of that kind."""
    if not isinstance(value, str) or name not in model.model_fields:
        return value
    kind = str(model.model_fields[name].annotation)
    if "tuple" in kind and value not in ("all",):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return None if value.lower() == "none" and "None" in kind else value
