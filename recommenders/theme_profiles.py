"""Item profiles as sparse matrices: how strongly each item of a catalogue stands for each theme.

Leak rule: what the steps of users say of an item is counted over their training parts alone, and at any position of a user
without that user's own steps (leave-own-out): an own step about an item was made by someone who saw the item taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import csr_matrix, diags

from llmrg.core.errors import ConfigError
from llmrg.core.graph_table import offsets_of
from llmrg.core.themes import CATALOGUE, STEPS, Profile, Themes
from llmrg.data.profiles import WORDS, catalogue_profile, words_profile
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import FitData
from llmrg.recommenders.items import ItemRows

AUTO = "auto"
"""Choose the source by what there is (`_best_source`)."""
DAMPING = 1.0
"""Steps that speak for nothing, added to the steps about an item: one step alone is worth half."""


@dataclass(frozen=True)
class ItemProfiles:
    """One source's profiles over a catalogue of N items and T themes."""

    themes: tuple[str, ...]
    matrix: csr_matrix
    """(N, T) float32, in [0, 1]."""
    idf: np.ndarray
    """(T,) float32 log(N / items that stand for the theme), at least 0."""
    own: OwnSteps | None = None
    """Whose steps stand behind the matrix; None for sources that no user's steps went into."""
    unknown: tuple[str, ...] = ()
    """Items of the source that the catalogue lacks."""
    source: str = ""
    """Name of the source: of `auto`, the one that was chosen."""
    column: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "column", {theme: number for number, theme in enumerate(self.themes)})

    @classmethod
    def of(
        cls, themes: Sequence[str], matrix: csr_matrix, own: OwnSteps | None = None, unknown: Sequence[str] = ()
    ) -> ItemProfiles:
        matrix = csr_matrix(matrix, dtype=np.float32)
        carriers = np.bincount(matrix.indices, minlength=matrix.shape[1])
        idf = np.log(max(matrix.shape[0], 1) / np.maximum(carriers, 1)).astype(np.float32)
        return cls(tuple(themes), matrix, np.maximum(idf, 0.0), own, tuple(unknown))

    def unit(self, rows: csr_matrix) -> csr_matrix:
        """(n, T) rows weighted by idf and brought to length 1; zero rows stay zero."""
        weighted = csr_matrix(rows @ diags(self.idf), dtype=np.float32)
        lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
        return csr_matrix(diags(np.where(lengths > 0, 1.0 / np.maximum(lengths, 1e-12), 0.0)) @ weighted, dtype=np.float32)


@dataclass(frozen=True)
class OwnSteps:
    """Accepted steps of all training parts, by user: user u's are [offsets[u], offsets[u + 1])."""

    users: Mapping[str, int]
    offsets: np.ndarray
    """(U + 1,) int64."""
    item: np.ndarray
    """(S,) int64 columns (row - 1)."""
    theme: np.ndarray
    """(S,) int64."""
    weight: np.ndarray
    """(S,) float32 scores."""
    counts: csr_matrix
    """(N, T) float32 their sum over all users."""

    @classmethod
    def of(
        cls,
        users: Sequence[str],
        offsets: np.ndarray,
        item: np.ndarray,
        theme: np.ndarray,
        weight: np.ndarray,
        shape: tuple[int, int],
    ) -> OwnSteps:
        counts = csr_matrix((weight, (item, theme)), shape=shape, dtype=np.float32)
        return cls({user: number for number, user in enumerate(users)}, offsets, item, theme, weight, counts)

    def of_user(self, user: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(item, theme, weight) of one user's steps; empty for a user without any."""
        number = self.users.get(user)
        part = slice(0, 0) if number is None else slice(self.offsets[number], self.offsets[number + 1])
        return self.item[part], self.theme[part], self.weight[part]

    def rows_without(self, user: str, items: np.ndarray) -> csr_matrix:
        """(n, T) shares of these items over the other users' steps. Args: items: (n,) int64 columns."""
        rest = self.counts[items].astype(np.float64)
        item, theme, weight = self.of_user(user)
        place = {number: line for line, number in reversed(list(enumerate(items.tolist())))}
        mine = np.array([place.get(number, -1) for number in item.tolist()], dtype=np.int64)
        if (mine >= 0).any():
            keep = mine >= 0
            lines = np.array([place[number] for number in items.tolist()], dtype=np.int64)
            taken = csr_matrix((weight[keep].astype(np.float64), (mine[keep], theme[keep])), shape=rest.shape)
            rest = csr_matrix(rest - taken[lines])
            rest.data[rest.data < 1e-6] = 0.0
            rest.eliminate_zeros()
        return shares(rest)

    def tensors(self) -> dict[str, np.ndarray]:
        """All arrays by name; `revived` is the way back."""
        return {f"own.{name}": getattr(self, name) for name in ("offsets", "item", "theme", "weight")}

    @classmethod
    def revived(cls, users: Sequence[str], artifact: Artifact, shape: tuple[int, int]) -> OwnSteps:
        offsets, item, theme, weight = (artifact.tensor(f"own.{name}") for name in ("offsets", "item", "theme", "weight"))
        return cls.of(users, offsets, item, theme, weight, shape)


def shares(counts: csr_matrix) -> csr_matrix:
    """(n, T) in [0, 1]: weight of each theme among all steps about the item, damped."""
    totals = np.asarray(counts.sum(axis=1)).ravel() + DAMPING
    shared = csr_matrix(counts, dtype=np.float32, copy=True)
    shared.data /= np.repeat(totals, np.diff(shared.indptr)).astype(np.float32)
    return shared


def source_profiles(data: FitData, source: str) -> ItemProfiles:
    """The profiles of one source: `catalogue`, `words`, `steps`, one that is stored under its name, or `auto`.

    Raises: ConfigError: no such source, or it says nothing of this catalogue.
    """
    if source == AUTO:
        source = _best_source(data)
    if source == STEPS:
        return replace(step_profiles(data), source=source)
    profile = data.themes.profile(source)
    if profile is None and source == CATALOGUE:
        profile = catalogue_profile(data.dataset)
    elif profile is None and source == WORDS:
        profile = words_profile(data.dataset)
    if profile is None:
        sources = ", ".join([CATALOGUE, WORDS, STEPS, *(p.source.name for p in data.themes.profiles)])
        raise ConfigError(f"there are no item profiles of the source {source!r}; known are {sources} (`llmrg profiles list`)")
    return replace(stored_profiles(profile, data.items, data.themes), source=source)


def _best_source(data: FitData) -> str:
    """A stored profile of a mind or an import, else the catalogue's attributes, else the steps of other users."""
    stored = [profile.source.name for profile in data.themes.profiles if profile.source.name not in (CATALOGUE, STEPS)]
    if stored:
        return stored[0]
    return CATALOGUE if any(item.attributes for item in data.dataset.catalogue) else STEPS


def stored_profiles(profile: Profile, items: ItemRows, themes: Themes) -> ItemProfiles:
    """A profile's appeals as a matrix; items that the catalogue lacks are left out and named.

    Raises: ConfigError: it says nothing of this catalogue.
    """
    ids = set(items.ids)
    names = [themes.theme(appeal.theme) for appeal in profile.appeals]
    columns = {name: number for number, name in enumerate(sorted(set(names)))}
    here = [(appeal, columns[name]) for appeal, name in zip(profile.appeals, names, strict=True) if appeal.item in ids]
    unknown = sorted({appeal.item for appeal in profile.appeals} - ids)
    if not here:
        raise ConfigError(
            f"the item profiles of the source {profile.source.name!r} name {len(unknown)} items, none of them in the catalogue"
            + (f" (for instance {unknown[0]!r})" if unknown else "")
        )
    at = (items.rows([appeal.item for appeal, _ in here]) - 1, np.array([column for _, column in here]))
    matrix = csr_matrix((np.array([appeal.score for appeal, _ in here], np.float32), at), shape=(len(items), len(columns)))
    matrix.data = np.minimum(matrix.data, 1.0)
    return ItemProfiles.of(tuple(columns), matrix, unknown=unknown)


def step_profiles(data: FitData) -> ItemProfiles:
    """What accepted steps of the training parts say of the items they lead to."""
    table = data.graphs
    row = np.array([data.items.get(text) for text in table.texts] + [0], dtype=np.int64)
    lengths = np.array([len(data.parts.get(user, ())) for user in table.users], dtype=np.int64)
    owner, steps = table.owners, table.steps
    keep = steps["accepted"] & table.says("kind", "reasoned") & (row[steps["item"]] > 0) & (steps["seen"] <= lengths[owner])
    chosen, owner = steps[keep], owner[keep]
    texts, which = np.unique(chosen["reason"], return_inverse=True)
    names = [data.themes.theme(table.texts[text]) for text in texts.tolist()]
    columns = {name: number for number, name in enumerate(sorted({name for name in names if name}))}
    theme = np.array([columns.get(name, -1) for name in names], dtype=np.int64)[which]
    chosen, owner, theme = chosen[theme >= 0], owner[theme >= 0], theme[theme >= 0]
    offsets = offsets_of(np.bincount(owner, minlength=len(table.users)))
    weight = chosen["score"].astype(np.float32)
    own = OwnSteps.of(table.users, offsets, row[chosen["item"]] - 1, theme, weight, (len(data.items), len(columns)))
    return ItemProfiles.of(tuple(columns), shares(own.counts), own)


def attribute_profiles(data: FitData) -> ItemProfiles:
    """The catalogue's attributes, for item vectors that hold them. Raises: ConfigError: the catalogue has none."""
    return source_profiles(data, CATALOGUE)
