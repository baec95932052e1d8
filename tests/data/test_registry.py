"""Known data sets: the list, where they lie, downloads, and `load_data`."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from llmrg.core.errors import ConfigError, DataError
from llmrg.data import registry
from llmrg.data.known_sets import KNOWN, KnownSet

RATINGS, MOVIES = "userId,movieId,rating,timestamp\n1,10,4.0,200\n", "movieId,title,genres\n10,Heat (1995),Crime\n"


def archive(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("ml-latest-small/ratings.csv", RATINGS)
        file.writestr("ml-latest-small/movies.csv", MOVIES)
    return path


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KnownSet:
    """A known data set whose publisher is a folder."""
    path = archive(tmp_path / "publisher" / "ml-latest-small.zip")
    known = replace(KNOWN["ml-latest-small"], urls=(path.as_uri(),))
    monkeypatch.setattr(registry, "KNOWN", {**KNOWN, known.name: known})
    return known


def with_md5(known: KnownSet, md5: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "KNOWN", {**KNOWN, known.name: replace(known, md5={"ml-latest-small.zip": md5})})


def test_every_known_set_says_what_one_must_know(tmp_path: Path) -> None:
    sets = registry.known_sets(tmp_path)
    assert [s.name for s in sets] == list(KNOWN)
    for one in sets:
        assert one.what
        assert one.licence
        assert one.size
        if one.name != "demo":
            assert one.here == ""
            assert one.publisher.startswith("https://")
            assert one.publisher in registry.terms(one.name)
    assert sets[0].here == "bundled"
    assert "simulated" in registry.terms("demo")


@pytest.mark.parametrize("place", ["ml-latest-small.zip", "ml-latest-small/ml-latest-small.zip"])
def test_archives_are_found_by_name(place: str, tmp_path: Path) -> None:
    path = archive(tmp_path / place)
    assert registry.find("ml-latest-small", tmp_path) == path
    assert registry.find("ml-latest-small", tmp_path / "elsewhere", [tmp_path]) == path
    assert next(s.here for s in registry.known_sets(tmp_path) if s.name == "ml-latest-small") == str(path)
    dataset = registry.load_data("ml-latest-small", data_dir=tmp_path)
    assert (dataset.name, dataset.report.interactions) == ("ml-latest-small", 1)


def test_paths_are_found_and_other_words_are_not(tmp_path: Path) -> None:
    assert registry.find(tmp_path, tmp_path) == tmp_path
    with pytest.raises(DataError, match="get it with `llmrg data get ml-1m`"):
        registry.find("ml-1m", tmp_path)
    with pytest.raises(DataError, match=r"known data set 'netflix'; known are: demo, ml-latest-small"):
        registry.load_data("netflix", data_dir=tmp_path)
    for ask in (registry.terms, lambda name: registry.get(name, tmp_path), lambda name: registry.checksums(name, tmp_path)):
        with pytest.raises(DataError, match="no known data set 'netflix'"):
            ask("netflix")


def test_get_downloads_once_and_tells_how_far_it_is(published: KnownSet, tmp_path: Path) -> None:
    calls: list[tuple[int, int | None]] = []
    folder = registry.get("ml-latest-small", tmp_path / "data", lambda done, total: calls.append((done, total)))
    file = folder / "ml-latest-small.zip"
    assert calls == [(file.stat().st_size, file.stat().st_size)]
    assert [path.name for path in folder.iterdir()] == ["ml-latest-small.zip"]
    registry.get("ml-latest-small", tmp_path / "data", lambda done, total: calls.append((done, total)))
    assert len(calls) == 1
    assert registry.load_data("ml-latest-small", data_dir=tmp_path / "data").history("1").items == ("10",)
    said = registry.checksums("ml-latest-small", tmp_path / "data")["ml-latest-small.zip"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() in said
    assert "checksum unknown" in said


def test_checksums_are_compared(published: KnownSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = hashlib.md5((tmp_path / "publisher" / "ml-latest-small.zip").read_bytes()).hexdigest()
    with_md5(published, right, monkeypatch)
    registry.get("ml-latest-small", tmp_path / "data")
    assert "as stated by the publisher" in registry.checksums("ml-latest-small", tmp_path / "data")["ml-latest-small.zip"]
    with_md5(published, "0" * 32, monkeypatch)
    with pytest.raises(DataError, match=f"md5 {right} instead of {'0' * 32}"):
        registry.get("ml-latest-small", tmp_path / "data")


def test_without_a_network_it_says_what_to_put_where(
    published: KnownSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = (tmp_path / "gone" / "ml-latest-small.zip").as_uri()
    monkeypatch.setattr(registry, "KNOWN", {**KNOWN, published.name: replace(published, urls=(url,))})
    with pytest.raises(DataError) as caught:
        registry.get("ml-latest-small", tmp_path / "data")
    assert url in str(caught.value)
    assert f"put it into {(tmp_path / 'data' / 'ml-latest-small').resolve()} as ml-latest-small.zip" in str(caught.value)
    assert not list((tmp_path / "data" / "ml-latest-small").iterdir())


def test_the_demo_set_needs_no_download(tmp_path: Path) -> None:
    assert (registry.get("demo", tmp_path) / "books.csv").exists()
    assert registry.load_data("demo").name == "demo"


def test_the_demo_set_heeds_how_it_is_to_be_read_or_refuses(tmp_path: Path) -> None:
    core = registry.load_data("demo", min_interactions=7)
    assert core.name == "demo-7core"
    assert min(map(len, core.histories.values())) >= 7
    assert core.report.users < registry.load_data("demo").report.users
    for how in ({"columns": {"user": "reader"}}, {"items": tmp_path / "items.csv"}):
        with pytest.raises(ConfigError, match="has a form of its own"):
            registry.load_data("demo", **how)


def test_the_data_folder_comes_from_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(tmp_path / "ml-latest-small.zip")
    monkeypatch.setenv("LLMRG_DATA_DIR", str(tmp_path))
    assert registry.load_data("ml-latest-small").report.users == 1


def test_columns_for_a_form_of_its_own_are_refused(tmp_path: Path) -> None:
    archive(tmp_path / "ml-latest-small.zip")
    with pytest.raises(ConfigError, match="has a form of its own; columns cannot be given"):
        registry.load_data("ml-latest-small", data_dir=tmp_path, columns={"user": "userId"})


def test_a_zip_archive_without_a_table_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("notes.txt", "x")
    with pytest.raises(DataError, match=r"notes\.txt, line 1, column 'items': a user without items"):
        registry.load_data(tmp_path / "x.zip", data_dir=tmp_path)


def test_inspect() -> None:
    summary = registry.inspect(registry.load_data("demo"))
    assert (summary.users, summary.items) == (300, 400)
    assert summary.density == pytest.approx(summary.interactions / 120_000)
    assert summary.lengths == tuple(sorted(summary.lengths))
    theme = next(a for a in summary.attributes if a.name == "theme")
    assert (theme.of, theme.values, theme.can_be_reason) == ("items", 48, True)
    assert {a.name for a in summary.attributes if a.of == "users"} == {"age group", "favourite format"}
    assert len(summary.examples) == 3
