"""The planted world: simulated readers whose reasons are known.

A reader belongs to one of a few kinds and has some tastes (themes of the catalogue), most of them the kind's own; so readers of a
kind resemble each other. Each step of a history is

- **noise**: any unseen item, by popularity, for no reason; or
- a step for a theme T of the reader's tastes, mostly that of the step before, to an unseen item that carries T, by popularity.
  If an earlier item of the history carries T, the step has the kind **reason** and one of those items, mostly the latest, is its
  cause; else it is a **root**.

Only `Random.random()`, whose values Python promises to keep for a seed, and integer weights are used:
worlds are equal on all machines.

`python -m llmrg.testing.planted --write data/demo` writes the bundled readers, their profiles and the truth.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, Field, PositiveInt, model_validator

from llmrg.core.errors import ConfigError
from llmrg.core.records import Attributes, History, Item
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.data.demo_set import SIMULATED, THEME, demo_catalogue, write_demo
from llmrg.data.truth import PlantedStep

T = TypeVar("T")
PROFILES = {
    "age group": ("under 25", "25-39", "40-59", "60 and over"),
    "favourite format": ("hardback", "paperback", "e-book", "audiobook"),
}
"""Made-up reader attributes; they depend weakly on the kind of reader."""
FIRST_DAY = datetime(2023, 1, 1, tzinfo=UTC)


class PlantedConfig(BaseModel, frozen=True):
    """Size and character of a planted world."""

    readers: PositiveInt = 300
    """Simulated users."""
    min_length: PositiveInt = 8
    """Fewest items of a history."""
    max_length: PositiveInt = 16
    """Most items of a history (fewer where the catalogue is used up)."""
    kinds: PositiveInt = 8
    """Kinds of readers."""
    themes_per_kind: PositiveInt = 4
    """Themes that a kind of readers likes; kinds may share themes."""
    min_tastes: PositiveInt = 2
    """Fewest tastes (themes) of a reader."""
    max_tastes: PositiveInt = 4
    """Most tastes of a reader."""
    loyalty: float = Field(default=0.85, ge=0, le=1)
    """Probability that a taste comes from the themes of the reader's kind and not from all themes."""
    noise: float = Field(default=0.12, ge=0, le=1)
    """Probability that a step has no reason."""
    persistence: float = Field(default=0.7, ge=0, le=1)
    """Probability that a step with a reason keeps the theme of the last one (else: any taste, evenly)."""
    recency: float = Field(default=0.7, gt=0, le=1)
    """Probability that the cause is the latest item that carries the theme (else the one before it, and so on)."""
    popularity: float = Field(default=0.6, ge=0)
    """Exponent a of the popularity weight rank^-a (0: all items alike)."""
    profile_strength: float = Field(default=0.35, ge=0, le=1)
    """Probability that a reader attribute is the one typical of the kind (else: any, evenly)."""
    seed: int = 3
    """Seed of everything. The demo's was chosen among twelve for a first reader who is easy to follow."""

    @model_validator(mode="after")
    def _ranges(self) -> PlantedConfig:
        if self.min_length > self.max_length or self.min_tastes > self.max_tastes:
            raise ValueError("min_length and min_tastes must not be above max_length and max_tastes")
        return self


@dataclass(frozen=True)
class PlantedWorld:
    """A data set and the truth behind it."""

    dataset: Dataset
    truth: tuple[PlantedStep, ...]
    """By user in the data set's order, then by position."""
    tastes: Mapping[str, tuple[str, ...]]
    """The themes that each reader likes."""
    popularity: Mapping[str, int]
    """Weight with which each item is drawn among its like."""
    config: PlantedConfig


class _Dice:
    """Draws on `Random.random()` alone."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def between(self, low: int, high: int) -> int:
        return low + int(self._random.random() * (high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        return options[self.between(0, len(options) - 1)]

    def weighted(self, options: Sequence[T], weights: Sequence[int]) -> T:
        mark = int(self._random.random() * sum(weights))
        for option, weight in zip(options, weights, strict=True):
            mark -= weight
            if mark < 0:
                return option
        return options[-1]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        keyed = [(self._random.random(), index) for index in range(len(options))]
        return [options[index] for _, index in sorted(keyed)]

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        return self.shuffled(options)[:count]


def random_catalogue(n_items: int, n_themes: int, seed: int = 0, noun: str = "book") -> Catalogue:
    """Made-up items `item-0001`, ... with 3 to 6 of the themes `theme 01`, ...; no theme goes without."""
    dice = _Dice(f"catalogue-{seed}")
    themes = [f"theme {number:02d}" for number in range(1, n_themes + 1)]
    items = []
    for number in range(1, n_items + 1):
        first = themes[number % n_themes]
        own = [first, *dice.sample([theme for theme in themes if theme != first], dice.between(2, 5))]
        values = tuple((THEME, theme) for theme in own)
        items.append(Item(f"item-{number:04d}", f"Title {number:04d}", values))
    return Catalogue(items, noun=noun)


def simulate(catalogue: Catalogue, config: PlantedConfig | None = None, name: str = "planted") -> PlantedWorld:
    """Simulate readers over a catalogue whose items carry themes.

    Raises:
        ConfigError: no item of the catalogue has the attribute `theme`.
    """
    config = config or PlantedConfig()
    by_theme: dict[str, list[str]] = {}
    for item in catalogue:
        for theme in item.values(THEME):
            by_theme.setdefault(theme, []).append(item.id)
    if not by_theme:
        raise ConfigError(f"a planted world needs items with the attribute {THEME!r}; none of the {len(catalogue)} items has it")
    dice = _Dice(f"world-{config.seed}")
    popularity = {
        item: max(1, round(1_000_000 * rank**-config.popularity))
        for rank, item in enumerate(dice.shuffled(catalogue.ids), start=1)
    }
    likes = [dice.sample(list(by_theme), config.themes_per_kind) for _ in range(config.kinds)]
    histories, truth, tastes = {}, [], {}
    for number in range(1, config.readers + 1):
        user = f"reader-{number:03d}"
        kind = dice.between(0, config.kinds - 1)
        reader = _Reader(user, _tastes(dice, likes[kind], list(by_theme), config), catalogue, by_theme, popularity, config)
        steps = reader.walk(dice)
        histories[user] = History(user, tuple(s.item for s in steps), _days(dice, len(steps)), _profile(dice, kind, config))
        truth.extend(steps)
        tastes[user] = reader.tastes
    report = LoadReport(name, len(truth), len(histories), len(catalogue), notes=(SIMULATED,))
    dataset = Dataset(name, catalogue, histories, report, reason_attributes=(THEME,))
    return PlantedWorld(dataset, tuple(truth), tastes, popularity, config)


def _tastes(dice: _Dice, kind: Sequence[str], themes: Sequence[str], config: PlantedConfig) -> tuple[str, ...]:
    wanted = min(dice.between(config.min_tastes, config.max_tastes), len(themes))
    tastes: dict[str, None] = {}
    while len(tastes) < wanted:
        pool = [t for t in kind if t not in tastes] if dice.chance(config.loyalty) else []
        tastes[dice.pick(pool or [t for t in themes if t not in tastes])] = None
    return tuple(tastes)


def _profile(dice: _Dice, kind: int, config: PlantedConfig) -> Attributes:
    return tuple(
        (name, values[(kind + shift) % len(values)] if dice.chance(config.profile_strength) else dice.pick(values))
        for shift, (name, values) in enumerate(PROFILES.items())
    )


def _days(dice: _Dice, length: int) -> tuple[float, ...]:
    """Made-up times, in Unix seconds at midnight UTC; no two of a reader are equal."""
    day = FIRST_DAY + timedelta(days=dice.between(0, 364))
    days = []
    for _ in range(length):
        days.append(day.timestamp())
        day += timedelta(days=dice.between(3, 40))
    return tuple(days)


class _Reader:
    """One simulated reader, walking from item to item."""

    def __init__(
        self,
        user: str,
        tastes: tuple[str, ...],
        catalogue: Catalogue,
        by_theme: Mapping[str, Sequence[str]],
        popularity: Mapping[str, int],
        config: PlantedConfig,
    ) -> None:
        self.user, self.tastes, self.config = user, tastes, config
        self._catalogue, self._by_theme, self._popularity = catalogue, by_theme, popularity
        self._taken: dict[str, int] = {}
        self._theme = ""

    def walk(self, dice: _Dice) -> list[PlantedStep]:
        length = min(dice.between(self.config.min_length, self.config.max_length), len(self._catalogue))
        steps: list[PlantedStep] = []
        for position in range(length):
            step = self._step(dice, position)
            self._taken[step.item] = position
            steps.append(step)
        return steps

    def _step(self, dice: _Dice, position: int) -> PlantedStep:
        theme = "" if dice.chance(self.config.noise) else self._next_theme(dice)
        if not theme:
            return PlantedStep(self.user, position, None, None, self._draw(dice, self._catalogue.ids), "noise")
        self._theme = theme
        carriers = [at for item, at in self._taken.items() if theme in self._catalogue[item].values(THEME)]
        item = self._draw(dice, self._by_theme[theme])
        if not carriers:
            return PlantedStep(self.user, position, None, theme, item, "root")
        cause = carriers.pop()
        while carriers and not dice.chance(self.config.recency):
            cause = carriers.pop()
        return PlantedStep(self.user, position, cause, theme, item, "reason")

    def _next_theme(self, dice: _Dice) -> str:
        """A taste with unseen items left, or "" when all are read out."""
        left = [theme for theme in self.tastes if any(item not in self._taken for item in self._by_theme[theme])]
        if self._theme in left and dice.chance(self.config.persistence):
            return self._theme
        return dice.pick(left) if left else ""

    def _draw(self, dice: _Dice, options: Sequence[str]) -> str:
        unseen = [item for item in options if item not in self._taken]
        return dice.weighted(unseen, [self._popularity[item] for item in unseen])


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the bundled demo world into a folder that holds `books.csv`."""
    parser = argparse.ArgumentParser(prog="python -m llmrg.testing.planted", description=main.__doc__)
    parser.add_argument(
        "--write", type=Path, required=True, metavar="FOLDER", help="folder with books.csv, for instance data/demo"
    )
    folder: Path = parser.parse_args(arguments).write
    world = simulate(demo_catalogue(folder), PlantedConfig(), name="demo")
    write_demo(folder, world.dataset, world.truth)
    print(f"{folder}: {world.dataset.report.users} simulated readers, {world.dataset.report.interactions} interactions")


if __name__ == "__main__":
    main()
