"""The weights of a fitted recommender as the start of another, where they fit: rows by item, theme and attribute."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from llmrg.core.errors import ConfigError

if TYPE_CHECKING:
    from llmrg.recommenders.base import BaseRecommender
    from llmrg.recommenders.sequential import SequentialRecommender

NO_SHAPE = {"kind", "dropout", "attention_dropout"}
"""Settings of a model that its weights do not depend on; the kind is compared for itself."""


def fitting_start(model: SequentialRecommender, source: BaseRecommender) -> SequentialRecommender:
    """The sequential model in a fitted recommender, checked to be a start for `model`.

    Raises: ConfigError: it has none, another kind or shape of one, or was trained on held-out items.
    """
    start = _sequential_in(source)
    if start.final or source.final:
        raise ConfigError(
            f"{source.name!r} was trained on whole histories, the held-out items among them: validation would say nothing of "
            "what starts from it",
            sdk="start from one that was trained without `final=True`",
            shell="start from one that was trained without --final",
        )
    old, new = start.parts.model, model.parts.model
    if old.kind != new.kind:
        raise ConfigError(
            f"the start {source.name!r} is a {old.kind}, and a {new.kind} is to be trained; they share no weights",
            sdk=f"train {old.kind!r}, or leave out `start_from=`",
            shell=f"give --model {old.kind}, or leave out --from",
        )
    for name, value in new.model_dump(exclude=NO_SHAPE).items():
        if (before := getattr(old, name)) != value:
            raise ConfigError(
                f"the start {source.name!r} has {name}={before}, and {name}={value} is to be trained; their weights do not fit",
                sdk=f"give `{name}={before!r}`, or leave out `start_from=`",
                shell=f"give --set {name}={before}, or leave out --from",
            )
    if "concat" in _fusions(model, start) and model.text.name != start.text.name:
        raise ConfigError(f"the start {source.name!r} reads texts as {start.text.name!r}, not as {model.text.name!r}; train anew")
    return start


def take_weights(model: SequentialRecommender, start: SequentialRecommender) -> None:
    """Copy what fits into the net of `model`, which is built; rows of what is new stay as they are.

    Raises: ConfigError: no item of the catalogue is known to the start.
    """
    if not any(item in start.items for item in model.items.ids):
        raise ConfigError(
            f"the start {start.name!r} was trained on other data: none of its {len(start.items):,} items (for instance "
            f"{next(iter(start.items.ids), '')!r}) is in this catalogue",
            sdk="start from a recommender of this data set, or leave out `start_from=`",
            shell="start from a recommender of this data set, or leave out --from",
        )
    new, old = model.weights(), start.weights()
    with torch.no_grad():
        for name, weight in new.items():
            if name not in old or name.endswith((".attribute_at", ".attribute_share")):  # these belong to the catalogue
                continue
            if name.startswith("fusion.") and len(_fusions(model, start)) > 1:
                continue
            rows, before = _row_names(model, name, weight), _row_names(start, name, old[name])
            if rows is not None and before is not None:
                place = {row: number for number, row in enumerate(before)}
                shared = [number for number, row in enumerate(rows) if row in place]
                if shared and weight.shape[1:] == old[name].shape[1:]:
                    weight[shared] = old[name][[place[rows[number]] for number in shared]].to(weight.device)
            elif weight.shape == old[name].shape:
                weight.copy_(old[name])


def weights_mark(source: BaseRecommender) -> str:
    """A digest of the items and weights that a start would give. Raises: ConfigError: it has no sequential model."""
    start = _sequential_in(source)
    digest = hashlib.sha256(repr(start.items.ids).encode("utf-8", "surrogatepass"))
    for name, value in start.weights().items():
        digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:32]


def _sequential_in(source: BaseRecommender) -> SequentialRecommender:
    from llmrg.recommenders.best_of import BestOf
    from llmrg.recommenders.mix import Mix
    from llmrg.recommenders.sequential import SequentialRecommender

    model: BaseRecommender = source.best if isinstance(source, BestOf) else source
    model = model.members[0] if isinstance(model, Mix) else model
    if not isinstance(model, SequentialRecommender):
        raise ConfigError(f"{source.name!r} is no start for a sequential model: {source.no_start}; name one such as 'sasrec'")
    return model


def _fusions(*recommenders: SequentialRecommender) -> set[str]:
    return {recommender.parts.fusion.kind if recommender.parts.fusion is not None else "" for recommender in recommenders}


def _row_names(recommender: SequentialRecommender, name: str, weight: Tensor) -> Sequence[Hashable] | None:
    """What each row of a weight belongs to; None where rows are not of items, themes or attributes."""
    if name == "model.item.weight":
        extra = len(weight) - len(recommender.items) - 1
        return ["padding", *(("item", item) for item in recommender.items.ids), *(("mask", number) for number in range(extra))]
    if name.endswith("item.attributes"):
        return recommender.attribute_names
    if name in ("fusion.theme", "fusion.gate"):
        return recommender.theme_names
    return None
