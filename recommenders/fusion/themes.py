"""Reasons as a second space: what the visible reasons ask for against what each item stands for, learnt together with the
base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt
from scipy.sparse import coo_matrix, csr_matrix, vstack
from torch import Tensor, nn

from llmrg.core.contribution import Contribution
from llmrg.core.records import stable_key
from llmrg.core.text_vectors import TextVectors
from llmrg.core.themes import CATALOGUE, Themes
from llmrg.encoders.placed_steps import PlacedSteps
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import FitData
from llmrg.recommenders.fusion.fused import Fused
from llmrg.recommenders.items import ItemRows
from llmrg.recommenders.losses import Bonus
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.queries import steps_of, users_of
from llmrg.recommenders.theme_events import Events, View, imagined_events, theme_events
from llmrg.recommenders.theme_profiles import ItemProfiles, OwnSteps, source_profiles

SPEED = 10.0
"""Scalars start at 0 and are learnt in units of a tenth, so that they keep pace with the vectors."""


class ThemesConfig(BaseModel, frozen=True, extra="forbid"):
    """Which reasons ask, whose profiles answer, and how they are weighed."""

    kind: Literal["themes"] = "themes"
    source: str = CATALOGUE
    """Source of the item profiles."""
    views: tuple[View, ...] = ("graph",)
    """Which themes ask: `graph`, the reasons of accepted steps; `shared`, themes that two items of the history share; `bag`,
    all."""
    use_imagined: bool = True
    """Let imagined steps add to the score of their item."""
    gates: bool = True
    """Learn how much each theme counts, starting from its idf."""
    size: PositiveInt = 64
    """Width D_r of the second space."""
    half_lives: tuple[PositiveFloat, ...] = (1.0, 4.0, 16.0)
    """Positions after which a reason counts half; how much of each is learnt."""
    last: PositiveInt = 50
    """Most recent items that are looked at."""
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    """Share of the reasons dropped in training."""

    def graphs_of(self, data: FitData, text: TextVectors) -> ThemesGraphs:
        """What the graphs tell about the training parts."""
        profiles = source_profiles(data, self.source)
        users, rows = list(data.parts), list(data.parts.values())
        placed = PlacedSteps.of(data.graphs, data.graphs.numbers(users), rows, data.items.get)
        return ThemesGraphs.of(self, profiles, Themes(data.themes.of_text), data.items, users, rows, placed)

    def build(self, size: int, sizes: Mapping[str, int]) -> ThemesFusion:
        return ThemesFusion(self, sizes["themes"], sizes["items"])

    def revived(self, artifact: Artifact, text: TextVectors | None) -> ThemesGraphs:
        """What a saved recommender knew, without any user."""
        saved = artifact.config["told"]
        shape = (len(artifact.items), len(saved["themes"]))
        matrix = csr_matrix(tuple(artifact.tensor(f"profile.{name}") for name in ("data", "indices", "indptr")), shape=shape)
        own = None if saved["users"] is None else OwnSteps.revived(saved["users"], artifact, shape)
        profiles = replace(ItemProfiles.of(saved["themes"], matrix, own), source=saved["said_by"])
        items = ItemRows(artifact.items)
        return ThemesGraphs.of(self, profiles, Themes(saved["texts"]), items, [], [], PlacedSteps.of_records([], [], items.get))


@dataclass(frozen=True)
class ThemesBatch:
    """Tensors of B users and L asked positions."""

    profile: Tensor
    """(N, T) sparse float32."""
    idf: Tensor
    """(T,) float32."""
    theme: Tensor
    """(B, V) int64."""
    weight: Tensor
    """(B, V) float32, 0 where there is no event."""
    view: Tensor
    """(B, V) int64."""
    age: Tensor
    """(B, L, V) float32 positions between the event and the question, minus 1 where it is not visible."""
    imagined: Bonus
    """Imagined steps visible at a slot, their weight as value."""
    own: OwnChange | None
    """None where no profile rests on users' steps."""


@dataclass(frozen=True)
class OwnChange:
    """How the profiles of items change for a user without the user's own steps (leave-own-out)."""

    user: Tensor
    """(K,) int64 line of the batch."""
    column: Tensor
    """(K,) int64 item."""
    change: Tensor
    """(K, T) sparse float32."""


@dataclass(frozen=True)
class ThemesGraphs:
    """Events of some users and the profiles that answer them."""

    setting: ThemesConfig
    profiles: ItemProfiles
    themes: Themes
    items: ItemRows
    users: tuple[str, ...]
    reasons: Events
    imagined: Events
    _changes: dict[str, tuple[np.ndarray, csr_matrix]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        setting: ThemesConfig,
        profiles: ItemProfiles,
        themes: Themes,
        items: ItemRows,
        users: Sequence[str],
        rows: Sequence[np.ndarray],
        placed: PlacedSteps,
    ) -> ThemesGraphs:
        reasons = theme_events(rows, users, placed, setting.views, profiles, themes, setting.last)
        imagined = imagined_events(placed if setting.use_imagined else placed.only(None), len(rows))
        return cls(setting, profiles, themes, items, tuple(users), reasons, imagined)

    @property
    def sizes(self) -> Mapping[str, int]:
        return {"themes": len(self.profiles.themes), "items": len(self.items)}

    def of_queries(self, queries: Sequence[Query], rows: Sequence[np.ndarray]) -> ThemesGraphs:
        """See `FusionGraphs.of_queries`."""
        users, placed = users_of(queries), steps_of(queries, rows, self.items)
        return ThemesGraphs.of(self.setting, self.profiles, self.themes, self.items, users, rows, placed)

    def visible(self, users: np.ndarray, positions: np.ndarray) -> dict[str, float]:
        """See `FusionGraphs.visible`."""
        slots = max(int((positions > 0).sum()), 1)
        layers = {"reasoned": self.reasons, "imagined": self.imagined}
        return {name: float(events.visible(users, positions).sum()) / slots for name, events in layers.items()}

    def fingerprint(self) -> str:
        """See `FusionGraphs.fingerprint`."""
        arrays = [value.tobytes() for events in (self.reasons, self.imagined) for value in vars(events).values()]
        return stable_key(
            *arrays, self.profiles.themes, self.profiles.matrix.data.tobytes(), self.profiles.matrix.indices.tobytes()
        )

    def at(self, users: np.ndarray, positions: np.ndarray, device: torch.device) -> ThemesBatch:
        """See `FusionGraphs.at`."""
        number, real = self.reasons.padded(users)
        if len(self.reasons.content):
            theme, view = self.reasons.content[number], self.reasons.view[number]
            weight = np.where(real, self.reasons.weight[number], 0.0).astype(np.float32)
            start = np.where(real, self.reasons.start[number], np.iinfo(np.int64).max)
            age = positions[:, :, None] - 1 - self.reasons.position[number][:, None, :]
            age = np.where((start[:, None, :] <= positions[:, :, None]) & (positions[:, :, None] > 0), age, -1)
        else:
            theme = view = np.zeros(number.shape, np.int64)
            weight, age = np.zeros(number.shape, np.float32), np.full((*positions.shape, number.shape[1]), -1)
        return ThemesBatch(
            profile=self._profile(device),
            idf=self._idf(device),
            theme=torch.from_numpy(theme).to(device),
            weight=torch.from_numpy(weight).to(device),
            view=torch.from_numpy(view).to(device),
            age=torch.from_numpy(age.astype(np.float32)).to(device),
            imagined=self._bonus(users, positions, device),
            own=self._own(users, device),
        )

    def _bonus(self, users: np.ndarray, positions: np.ndarray, device: torch.device) -> Bonus:
        number, real = self.imagined.padded(users)
        if not len(self.imagined.content):
            none = torch.zeros(0, dtype=torch.int64, device=device)
            return Bonus(none, none, torch.zeros(0, device=device))
        at = positions[:, :, None]
        start, end = np.where(real, self.imagined.start[number], np.iinfo(np.int64).max), self.imagined.end[number]
        b, line, v = np.nonzero((start[:, None, :] <= at) & (at < end[:, None, :]) & (at > 0))
        which = number[b, v]
        age = positions[b, line] - 1 - self.imagined.position[which]
        value = self.imagined.weight[which] * np.exp2(-age / 4.0)
        row, column = b * positions.shape[1] + line, self.imagined.content[which]
        return Bonus(_whole(row, device), _whole(column, device), torch.from_numpy(value.astype(np.float32)).to(device))

    def _own(self, users: np.ndarray, device: torch.device) -> OwnChange | None:
        if self.profiles.own is None:
            return None
        changes = [self._change(self.users[user]) for user in users]
        lines = np.repeat(np.arange(len(users)), [len(items) for items, _ in changes])
        columns = np.concatenate([items for items, _ in changes])
        change = vstack([change for _, change in changes], format="coo")
        return OwnChange(_whole(lines, device), _whole(columns, device), _sparse(change, device))

    def _change(self, user: str) -> tuple[np.ndarray, csr_matrix]:
        """Own items' columns, and their unit profiles without the user's own steps minus those with them."""
        if user not in self._changes:
            assert self.profiles.own is not None
            items = np.unique(self.profiles.own.of_user(user)[0])
            less, whole = self.profiles.own.rows_without(user, items), self.profiles.matrix[items]
            self._changes[user] = items, csr_matrix(self.profiles.unit(less) - self.profiles.unit(whole))
        return self._changes[user]

    @cached_property
    def _keys(self) -> csr_matrix:
        return self.profiles.unit(self.profiles.matrix)

    def _profile(self, device: torch.device) -> Tensor:
        return _sparse(self._keys.tocoo(), device)

    def _idf(self, device: torch.device) -> Tensor:
        return torch.from_numpy(self.profiles.idf).to(device)

    def contributions(
        self, fusion: ThemesFusion, query: Query, row: np.ndarray, column: int, device: torch.device
    ) -> list[Contribution]:
        """See `FusionGraphs.contributions`: one part a theme and one an imagined step, those of 0 left out."""
        graphs = self.of_queries([query], [row])
        batch = graphs.at(np.zeros(1, np.int64), np.array([[len(row)]]), device)
        reasons, imagined = (part.cpu().numpy() for part in fusion.parts(batch, column))
        sums: dict[int, tuple[float, set[int]]] = {}
        for theme, position, value in zip(graphs.reasons.content, graphs.reasons.position, reasons, strict=False):
            if value:
                before, positions = sums.get(int(theme), (0.0, set()))
                sums[int(theme)] = before + float(value), positions | {int(position)}
        names, source = self.profiles.themes, self.profiles.source
        by_theme = [Contribution("theme", names[t], value, tuple(sorted(at)), source) for t, (value, at) in sums.items()]
        return by_theme + [Contribution("imagined", "imagined", float(value)) for value in imagined if value]

    def config(self) -> Mapping[str, Any]:
        """See `FusionGraphs.config`."""
        own = self.profiles.own
        users = list(own.users) if own is not None else None
        return {
            "themes": list(self.profiles.themes),
            "texts": dict(self.themes.of_text),
            "users": users,
            "said_by": self.profiles.source,
        }

    def tensors(self) -> Mapping[str, np.ndarray]:
        """See `FusionGraphs.tensors`."""
        matrix, own = self.profiles.matrix, self.profiles.own
        tensors = {"profile.data": matrix.data, "profile.indices": matrix.indices, "profile.indptr": matrix.indptr}
        return tensors if own is None else {**tensors, **own.tensors()}


class ThemesFusion(nn.Module):
    """score(i) = h . e_i + s * sum_v a_v t(v) . c_i + sum over visible imagined steps (learned weight) [i = item of the step].

    a_v = gate(theme of v) * weight_v * sum_k m_k 2 ** (-age_v / half_life_k), over the root of 1 + sum a_v ** 2; c_i is the
    mean of the theme vectors t of i's profile, by idf and score, of length about 1. s and the weight of imagined steps start at
    0: untrained is the base alone. There is no softmax over reasons, so each one's part of the score is a summand.
    """

    def __init__(self, config: ThemesConfig, themes: int, items: int) -> None:
        super().__init__()
        self.config = config
        self.theme = nn.Parameter(torch.randn(themes, config.size) / config.size**0.5)
        self.gate = nn.Parameter(torch.zeros(themes), requires_grad=config.gates)
        self.mixture = nn.Parameter(torch.zeros(max(len(config.views), 1), len(config.half_lives)))
        self.scale = nn.Parameter(torch.zeros(()))
        self.imagined = nn.Parameter(torch.zeros(()))

    def forward(self, base: Tensor, table: Tensor, batch: ThemesBatch) -> Fused:
        """(B, L, D) states and (N, D) item vectors -> (B, L, D + D_r) and (N, D + D_r)."""
        weights = self.weights(batch)
        themes_asked_for = SPEED * self.scale * (weights @ self.theme[batch.theme])
        keys = torch.sparse.mm(batch.profile, self.theme)
        bonus = [Bonus(batch.imagined.row, batch.imagined.column, SPEED * self.imagined * batch.imagined.value)]
        if batch.own is not None:
            bonus.append(self._own_bonus(themes_asked_for, batch.own))
        row, column, value = (torch.cat(parts) for parts in zip(*bonus, strict=True))
        states = torch.cat([base, themes_asked_for], dim=2)
        return Fused(states, torch.cat([table, keys], dim=1), Bonus(row, column, value) if len(row) else None)

    def _own_bonus(self, themes_asked_for: Tensor, own: OwnChange) -> Bonus:
        """What the scores of a user's own items lose without the user's own steps."""
        length = themes_asked_for.shape[1]
        change = torch.sparse.mm(own.change, self.theme)
        value = torch.einsum("kld,kd->kl", themes_asked_for[own.user], change)
        row = own.user[:, None] * length + torch.arange(length, device=themes_asked_for.device)[None, :]
        return Bonus(row.flatten(), own.column[:, None].expand(-1, length).flatten(), value.flatten())

    def parts(self, batch: ThemesBatch, column: int) -> tuple[Tensor, Tensor]:
        """What one question's score of an item gets from each reason, and from each imagined step that is visible.

        Args: batch: of one user and one asked position. Returns: (V,) and (K,) float32.
        """
        key = torch.sparse.mm(batch.profile, self.theme)[column]
        if batch.own is not None:
            mine = batch.own.column == column
            key = key + torch.sparse.mm(batch.own.change, self.theme)[mine].sum(dim=0)
        reasons = SPEED * self.scale * self.weights(batch)[0, 0] * (self.theme[batch.theme[0]] @ key)
        here = batch.imagined.column == column
        return reasons, SPEED * self.imagined * batch.imagined.value * here

    def weights(self, batch: ThemesBatch) -> Tensor:
        """(B, L, V) a_v: how much each reason asks at each slot."""
        visible = batch.age >= 0
        shares = F.softplus(self.mixture)[batch.view]
        decay = sum(
            shares[:, None, :, k] * torch.exp2(-batch.age / half_life) for k, half_life in enumerate(self.config.half_lives)
        )
        gates = F.softplus(self.gate)[batch.theme] * batch.idf[batch.theme] * batch.weight
        weights = torch.where(visible, decay * gates[:, None, :], 0.0)
        if self.training and self.config.dropout:
            weights = F.dropout(weights, self.config.dropout)
        return weights / (1.0 + weights.square().sum(dim=2, keepdim=True)).sqrt()


def _whole(numbers: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(numbers.astype(np.int64)).to(device)


def _sparse(matrix: coo_matrix, device: torch.device) -> Tensor:
    at = torch.from_numpy(np.stack([matrix.row, matrix.col]).astype(np.int64))
    values = torch.from_numpy(np.asarray(matrix.data, dtype=np.float32))
    return torch.sparse_coo_tensor(at, values, matrix.shape, device=device, check_invariants=True).coalesce()
