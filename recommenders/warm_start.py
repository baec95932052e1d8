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


def fitting_start(made: SequentialRecommender, given: BaseRecommender) -> SequentialRecommender:
    """The sequential model in a fitted recommender, checked to be a start for `made`.

    Raises: ConfigError: it has none, another kind or shape of one, or was trained on held-out items.
    """
    start = _sequential_in(given)
    if start.final or given.final:
        raise ConfigError(
            f"{given.name!r} was trained on whole histories, the held-out items among them: validation would say nothing of what "
            "starts from it",
            sdk="start from one that was trained without `final=True`",
            shell="start from one that was trained without --final",
        )
    old, new = start.parts.model, made.parts.model
    if old.kind != new.kind:
        raise ConfigError(
            f"the start {given.name!r} is a {old.kind}, and a {new.kind} is to be trained; they share no weights",
            sdk=f"train {old.kind!r}, or leave out `start_from=`",
            shell=f"give --model {old.kind}, or leave out --from",
        )
    for name, value in new.model_dump(exclude=NO_SHAPE).items():
        if (before := getattr(old, name)) != value:
            raise ConfigError(
                f"the start {given.name!r} has {name}={before}, and {name}={value} is to be trained; their weights do not fit",
                sdk=f"give `{name}={before!r}`, or leave out `start_from=`",
                shell=f"give --set {name}={before}, or leave out --from",
            )
    if "concat" in _fusions(made, start) and made.text.name != start.text.name:
        raise ConfigError(f"the start {given.name!r} reads texts as {start.text.name!r}, not as {made.text.name!r}; train anew")
    return start


def take_weights(made: SequentialRecommender, start: SequentialRecommender) -> None:
    """Copy what fits into the net of `made`, which is built; rows of what is new stay as they are.

    Raises: ConfigError: no item of the catalogue is known to the start.
    """
    if not any(item in start.items for item in made.items.ids):
        raise ConfigError(
            f"the start {start.name!r} was trained on other data: none of its {len(start.items):,} items (for instance "
            f"{next(iter(start.items.ids), '')!r}) is in this catalogue",
            sdk="start from a recommender of this data set, or leave out `start_from=`",
            shell="start from a recommender of this data set, or leave out --from",
        )
    new, old = made.weights(), start.weights()
    with torch.no_grad():
        for name, weight in new.items():
            if name not in old or name.endswith((".attribute_at", ".attribute_share")):  # these belong to the catalogue
                continue
            if name.startswith("fusion.") and len(_fusions(made, start)) > 1:
                continue
            rows, before = _row_names(made, name, weight), _row_names(start, name, old[name])
            if rows is not None and before is not None:
                place = {row: number for number, row in enumerate(before)}
                known = [number for number, row in enumerate(rows) if row in place]
                if known and weight.shape[1:] == old[name].shape[1:]:
                    weight[known] = old[name][[place[rows[number]] for number in known]].to(weight.device)
            elif weight.shape == old[name].shape:
                weight.copy_(old[name])


def weights_mark(given: BaseRecommender) -> str:
    """A digest of the items and weights that a start would give. Raises: ConfigError: it has no sequential model."""
    start = _sequential_in(given)
    digest = hashlib.sha256(repr(start.items.ids).encode("utf-8", "surrogatepass"))
    for name, value in start.weights().items():
        digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:32]


def _sequential_in(given: BaseRecommender) -> SequentialRecommender:
    from llmrg.recommenders.best_of import BestOf
    from llmrg.recommenders.mix import Mix
    from llmrg.recommenders.sequential import SequentialRecommender

    found: BaseRecommender = given.best if isinstance(given, BestOf) else given
    found = found.members[0] if isinstance(found, Mix) else found
    if not isinstance(found, SequentialRecommender):
        raise ConfigError(f"{given.name!r} is no start for a sequential model: {given.no_start}; name one such as 'sasrec'")
    return found


def _fusions(*recommenders: SequentialRecommender) -> set[str]:
    return {made.parts.fusion.kind if made.parts.fusion is not None else "" for made in recommenders}


def _row_names(made: SequentialRecommender, name: str, weight: Tensor) -> Sequence[Hashable] | None:
    """What each row of a weight belongs to; None where rows are not of items, themes or attributes."""
    if name == "model.item.weight":
        extra = len(weight) - len(made.items) - 1
        return ["padding", *(("item", item) for item in made.items.ids), *(("mask", number) for number in range(extra))]
    if name.endswith("item.attributes"):
        return made.attribute_names
    if name in ("fusion.theme", "fusion.gate"):
        return made.theme_names
    return None
