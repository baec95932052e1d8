"""The planted world: its promises hold for any size, and it can be learnt but not by popularity."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from llmrg.core.errors import ConfigError
from llmrg.core.records import Item
from llmrg.data.dataset import Catalogue
from llmrg.data.demo_set import demo_catalogue
from llmrg.testing.oracle import Oracle
from llmrg.testing.planted import PlantedConfig, PlantedWorld, random_catalogue, simulate


@settings(max_examples=25, deadline=None)
@given(
    st.integers(min_value=5, max_value=60),
    st.integers(min_value=2, max_value=12),
    st.floats(min_value=0, max_value=1),
    st.integers(min_value=0, max_value=999),
)
def test_reasons_are_shared_and_causes_are_earlier(items: int, themes: int, noise: float, seed: int) -> None:
    catalogue = random_catalogue(items, themes, seed)
    world = simulate(catalogue, PlantedConfig(readers=8, noise=noise, seed=seed, max_length=12))
    for history in world.dataset.histories.values():
        assert len(set(history.items)) == len(history.items)
        assert list(history.at) == sorted(set(history.at))  # type: ignore[type-var]
    for step in world.truth:
        history = world.dataset.history(step.user)
        assert history.items[step.position] == step.item
        own = catalogue[step.item].values("theme")
        earlier = [catalogue[item].values("theme") for item in history.items[: step.position]]
        if step.kind == "noise":
            assert step.reason is step.cause_position is None
            continue
        assert step.reason in own
        assert step.reason in world.tastes[step.user]
        if step.kind == "root":
            assert step.cause_position is None
            assert all(step.reason not in values for values in earlier)
        else:
            assert step.cause_position is not None
            assert step.reason in earlier[step.cause_position]  # an IndexError would mean: not earlier


def test_equal_seeds_give_equal_worlds_and_others_do_not() -> None:
    catalogue = random_catalogue(60, 10, 1)
    first, again, other = (simulate(catalogue, PlantedConfig(readers=10, seed=seed)) for seed in (1, 1, 2))
    assert first.truth == again.truth
    assert first.dataset.histories == again.dataset.histories
    assert first.truth != other.truth


def test_a_world_is_the_same_on_every_machine() -> None:
    """Written down once; a change here means that every planted world, the demo too, has changed."""
    world = simulate(random_catalogue(30, 6, 5), PlantedConfig(readers=2, min_length=3, max_length=3, seed=5))
    assert [(s.item, s.kind, s.reason, s.cause_position) for s in world.truth] == GOLDEN


GOLDEN: list[tuple[str, str, str | None, int | None]] = [
    ("item-0022", "root", "theme 06", None),
    ("item-0004", "reason", "theme 05", 0),
    ("item-0024", "noise", None, None),
    ("item-0024", "noise", None, None),
    ("item-0014", "reason", "theme 02", 0),
    ("item-0018", "reason", "theme 05", 1),
]


def test_without_noise_all_steps_have_reasons_and_with_noise_alone_none() -> None:
    catalogue = random_catalogue(100, 10)
    kinds = {
        noise: Counter(s.kind for s in simulate(catalogue, PlantedConfig(readers=20, noise=noise)).truth) for noise in (0, 1)
    }
    assert not kinds[0]["noise"]
    assert set(kinds[1]) == {"noise"}


def test_recency_one_means_the_latest_carrier() -> None:
    world = simulate(random_catalogue(100, 10), PlantedConfig(readers=20, recency=1))
    for step in world.truth:
        if step.kind == "reason":
            items = world.dataset.history(step.user).items
            between = items[step.cause_position + 1 : step.position]  # type: ignore[operator]
            assert all(step.reason not in world.dataset.catalogue[item].values("theme") for item in between)


def test_popular_items_are_popular() -> None:
    world = simulate(random_catalogue(100, 10), PlantedConfig(readers=200, popularity=1.0))
    taken = Counter(item for history in world.dataset.histories.values() for item in history.items)
    top = sorted(world.popularity, key=lambda item: -world.popularity[item])
    assert sum(taken[item] for item in top[:10]) > 3 * sum(taken[item] for item in top[-10:])


def test_readers_of_a_kind_share_tastes() -> None:
    """With one kind and full loyalty all tastes come from its themes."""
    world = simulate(random_catalogue(100, 30), PlantedConfig(readers=20, kinds=1, loyalty=1, themes_per_kind=4))
    assert len({taste for tastes in world.tastes.values() for taste in tastes}) == 4


def test_random_catalogues() -> None:
    catalogue = random_catalogue(50, 12, 3)
    assert len(catalogue) == 50
    assert {theme for item in catalogue for theme in item.values("theme")} == {f"theme {n:02d}" for n in range(1, 13)}
    assert all(3 <= len(set(item.values("theme"))) <= 6 for item in catalogue)
    assert list(catalogue) == list(random_catalogue(50, 12, 3))


def test_bad_worlds_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs items with the attribute 'theme'; none of the 1 items has it"):
        simulate(Catalogue([Item("x", "X")]))
    with pytest.raises(ValidationError):
        PlantedConfig(min_length=9, max_length=8)
    with pytest.raises(ValidationError):
        PlantedConfig(noise=1.5)


def hit_rate(world: PlantedWorld, scores: dict[str, dict[str, float]], k: int = 10) -> float:
    """Full ranking of unseen items, ties against us."""
    hits = 0
    for user, history in world.dataset.histories.items():
        position = world.dataset.split.test_position(history)
        assert position is not None
        target, seen, mine = history.items[position], set(history.items[:position]), scores[user]
        unseen = (item for item in world.dataset.catalogue.ids if item not in seen and item != target)
        hits += sum(mine.get(item, 0.0) >= mine.get(target, 0.0) for item in unseen) < k
    return hits / len(scores)


def test_the_demo_world_is_learnable_but_not_by_popularity() -> None:
    world = simulate(demo_catalogue())
    histories = world.dataset.histories
    taken = Counter(item for history in histories.values() for item in history.items[: world.dataset.split.train_length(history)])
    popularity = hit_rate(world, {user: dict(taken) for user in histories})
    oracle = Oracle(world)
    ceiling = hit_rate(world, {user: oracle.scores(user, len(history) - 1) for user, history in histories.items()})
    assert popularity < 0.15
    assert ceiling > 0.4


def test_the_oracle_tells_probabilities() -> None:
    world = simulate(random_catalogue(60, 8), PlantedConfig(readers=5))
    user, history = next(iter(world.dataset.histories.items()))
    for position in range(len(history)):
        scores = Oracle(world).scores(user, position)
        assert sum(scores.values()) == pytest.approx(1.0)
        assert scores[history.items[position]] > 0
        assert not set(scores) & set(history.items[:position])
