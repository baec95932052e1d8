"""The ceiling of a planted world: a recommender that knows every reader's tastes and how the simulator draws."""

from __future__ import annotations

from llmrg.data.demo_set import THEME
from llmrg.testing.planted import PlantedWorld


class Oracle:
    """Scores items by their probability under the simulator, given tastes and the reasons so far."""

    def __init__(self, world: PlantedWorld) -> None:
        self._world = world
        self._reasons = {(step.user, step.position): step.reason for step in world.truth}
        self._by_theme: dict[str, list[str]] = {}
        for item in world.dataset.catalogue:
            for theme in item.values(THEME):
                self._by_theme.setdefault(theme, []).append(item.id)

    def scores(self, user: str, position: int) -> dict[str, float]:
        """Probability of each unseen item to stand at `position` of the user's history."""
        seen = set(self._world.dataset.history(user).items[:position])
        noise = self._world.config.noise
        themes = self._themes(user, position, seen)
        parts = [(noise if themes else 1.0, list(self._world.dataset.catalogue.ids))]
        parts += [((1 - noise) * weight, self._by_theme[theme]) for theme, weight in themes.items()]
        scores: dict[str, float] = {}
        for share, options in parts:
            weights = {item: self._world.popularity[item] for item in options if item not in seen}
            total = sum(weights.values())
            for item, weight in weights.items():
                scores[item] = scores.get(item, 0.0) + share * weight / total
        return scores

    def _themes(self, user: str, position: int, seen: set[str]) -> dict[str, float]:
        """Probability of each taste to be the next reason."""
        left = [theme for theme in self._world.tastes[user] if any(item not in seen for item in self._by_theme[theme])]
        last = next((r for p in range(position - 1, -1, -1) if (r := self._reasons[user, p]) is not None), None)
        keep = self._world.config.persistence if last in left else 0.0
        return {theme: (1 - keep) / len(left) + (keep if theme == last else 0.0) for theme in left}
