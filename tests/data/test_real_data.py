"""Public data sets, if they are here: our counts are the published ones. `LLMRG_TEST_DATA` names their folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmrg.data.registry import load_data

pytestmark = pytest.mark.realdata

PUBLISHED = {
    "ml-latest-small": (610, 9_724, 100_836),
    "ml-1m": (6_040, 3_706, 1_000_209),
    "amazon-beauty": (22_363, 12_101, 198_502),
}


@pytest.fixture(scope="module")
def folder() -> Path:
    path = os.environ.get("LLMRG_TEST_DATA", "")
    if path and Path(path).is_dir():
        return Path(path)
    why = f"no public data sets: LLMRG_TEST_DATA is {path!r}, not a folder (docs/data.md says what it holds)"
    if os.environ.get("LLMRG_REQUIRE_REALDATA") == "1":
        pytest.fail(why)
    pytest.skip(why)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(name: str, folder: Path) -> None:
    dataset = load_data(name, data_dir=folder)
    report = dataset.report
    assert (report.users, report.items, report.interactions) == PUBLISHED[name]
    assert report.duplicates_dropped == report.items_without_title == 0
    assert report.bad_rows == ()
    assert all(dataset.split.train_length(history) >= 3 for history in dataset.histories.values())


@pytest.mark.parametrize("name", ["ml-latest-small", "ml-1m"])
def test_every_rating_is_an_opinion(name: str, folder: Path) -> None:
    dataset = load_data(name, data_dir=folder)
    rated = [opinion for said in dataset.opinions.values() for opinion in said if opinion and opinion.rating is not None]
    assert len(rated) == PUBLISHED[name][2]
    assert all(len(said) == len(dataset.history(user)) for user, said in dataset.opinions.items())
    stars = {opinion.rating for opinion in rated}
    assert stars == ({1.0, 2.0, 3.0, 4.0, 5.0} if name == "ml-1m" else {half / 2 for half in range(1, 11)})
    assert len({id(opinion) for opinion in rated}) == len(stars)  # a million ratings, a handful of objects
    assert not any(opinion.headline or opinion.text for opinion in rated)


def test_reviews_keep_stars_headlines_and_texts(folder: Path) -> None:
    if not list(folder.glob("**/musical_instruments.reviews.*")):
        pytest.skip("no reviews of musical instruments in LLMRG_TEST_DATA")
    dataset = load_data("amazon-musical-instruments", data_dir=folder)
    assert (dataset.report.users, dataset.report.items, dataset.report.interactions) == (1_429, 900, 10_261)
    opinions = [opinion for said in dataset.opinions.values() for opinion in said if opinion]
    # counted in the file of the publisher: all have stars and a headline, seven have no text
    assert (
        sum(opinion.rating is not None for opinion in opinions) == sum(opinion.headline != "" for opinion in opinions) == 10_261
    )
    assert sum(opinion.text != "" for opinion in opinions) == 10_254
    assert not any("&quot;" in opinion.text or "  " in opinion.text for opinion in opinions)


def test_sequences_have_no_opinions(folder: Path) -> None:
    assert load_data("amazon-beauty", data_dir=folder).opinions == {}


def test_films_keep_genres_years_and_shared_tags(folder: Path) -> None:
    dataset = load_data("ml-latest-small", data_dir=folder)
    assert dataset.catalogue["1"].title == "Toy Story (1995)"
    assert dataset.catalogue["1"].values("year") == ("1995",)
    assert dataset.reason_attributes == ("genre",)
    assert 100 <= len(dataset.reason_phrases) <= 120
    assert {"time travel", "superhero"} <= set(dataset.reason_phrases)


def test_five_core_stays_whole_under_a_five_core(folder: Path) -> None:
    dataset = load_data("amazon-beauty", data_dir=folder, min_interactions=5)
    assert dataset.report.interactions == PUBLISHED["amazon-beauty"][2]
