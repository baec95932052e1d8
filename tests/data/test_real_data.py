"""Public data sets, if they are here: our counts are the published ones. `LLMRG_TEST_DATA` names their folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmrg.data.registry import load_data
from llmrg.data.splits import train_length

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
    assert all(train_length(history) >= 3 for history in dataset.histories.values())


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
