"""MovieLens in the publisher's formats, on small files that the tests write."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from llmrg.core.errors import BadRowError, DataError
from llmrg.data.movielens import load_movielens
from llmrg.data.movielens_tags import MOST_PHRASES, tag_phrases
from llmrg.data.opinions import Opinion
from llmrg.data.rows import Row
from llmrg.data.sniff import load_path

RATINGS = "userId,movieId,rating,timestamp\r\n1,10,4.0,200\r\n1,20,3.5,100\r\n2,10,5.0,50\r\n2,30,1.0,50\r\n"
MOVIES = (
    'movieId,title,genres\r\n10,"Matrix, The (1999)",Action|Sci-Fi\r\n20,Heat (1995),Crime\r\n'
    "30,Untitled,(no genres listed)\r\n40,Unseen (2001),Drama\r\n"
)


@pytest.fixture
def latest(tmp_path: Path) -> Path:
    folder = tmp_path / "ml-latest-small"
    folder.mkdir()
    (folder / "ratings.csv").write_text(RATINGS, newline="")
    (folder / "movies.csv").write_text(MOVIES, newline="")
    return folder


@pytest.fixture
def ml_100k(tmp_path: Path) -> Path:
    folder = tmp_path / "ml-100k"
    folder.mkdir()
    flags = {1: "0|0|0|1|1|1" + "|0" * 13, 2: "1" + "|0" * 18}
    (folder / "u.data").write_text("196\t1\t3\t881250949\n196\t2\t2\t881250940\n22\t1\t1\t878887116\n")
    (folder / "u.item").write_bytes(
        f"1|Toy Story (1995)|01-Jan-1995||http://x/|{flags[1]}\n2|Misérables, Les|||http://x/|{flags[2]}\n".encode("latin-1")
    )
    (folder / "u.user").write_text("196|49|M|writer|55105\n22|25|M|writer|40206\n")
    return folder


@pytest.fixture
def ml_1m(tmp_path: Path) -> Path:
    folder = tmp_path / "ml-1m"
    folder.mkdir()
    (folder / "movies.dat").write_bytes("1::Toy Story (1995)::Animation|Comedy\n2::Été (1990)::Drama\n".encode("latin-1"))
    (folder / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n")
    return folder


def test_latest_small(latest: Path) -> None:
    dataset = load_movielens(latest)
    assert dataset.name == "ml-latest-small"
    assert dataset.catalogue.noun == "film"
    assert dataset.reason_attributes == ("genre",)
    assert dataset.history("1").items == ("20", "10")
    assert dataset.history("2").items == ("10", "30")
    assert dataset.opinions == {"1": (Opinion(3.5), Opinion(4.0)), "2": (Opinion(5.0), Opinion(1.0))}
    assert dataset.report.time_ties == 1
    matrix = dataset.catalogue["10"]
    assert matrix.title == "Matrix, The (1999)"
    assert matrix.attributes == (("genre", "Action"), ("genre", "Sci-Fi"), ("year", "1999"))
    assert dataset.catalogue["30"].attributes == ()
    assert "40" not in dataset.catalogue


def test_a_zip_reads_as_its_folder(latest: Path, tmp_path: Path) -> None:
    archive = tmp_path / "ml-latest-small.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for member in latest.iterdir():
            file.write(member, f"ml-latest-small/{member.name}")
    zipped, plain = load_path(archive), load_path(latest)
    assert zipped.histories == plain.histories
    assert list(zipped.catalogue) == list(plain.catalogue)


def test_ml_100k(ml_100k: Path) -> None:
    dataset = load_path(ml_100k)
    assert dataset.name == "ml-100k"
    assert dataset.history("196").items == ("2", "1")
    assert dataset.opinions["196"] == (Opinion(2.0), Opinion(3.0))
    assert dataset.history("196").attributes == (("age", "49"), ("gender", "M"), ("occupation", "writer"))
    assert dataset.catalogue["1"].values("genre") == ("Animation", "Children's", "Comedy")
    assert dataset.catalogue["1"].values("year") == ("1995",)
    assert dataset.catalogue["2"].title == "Misérables, Les"
    assert dataset.catalogue["2"].attributes == ()


def test_ml_1m_as_published(ml_1m: Path) -> None:
    (ml_1m / "ratings.dat").write_text("1::2::5::978300760\n1::1::3::978300700\n2::1::3::1\n")
    dataset = load_path(ml_1m)
    assert dataset.name == "ml-1m"
    assert dataset.history("1").items == ("1", "2")
    assert dataset.history("1").attributes == (("gender", "F"), ("age", "under 18"), ("occupation", "K-12 student"))
    assert dataset.opinions["1"] == (Opinion(3.0), Opinion(5.0))
    assert dataset.catalogue["2"].title == "Été (1990)"


def test_ml_1m_with_time_ranks(ml_1m: Path) -> None:
    header = "user_id\tmovie_id\trating\ttime_rank\ttimestamp\tts_source\n"
    with gzip.open(ml_1m / "ratings.tsv.gz", "wt") as file:
        file.write(header + "1\t2\t5\t1\t\t\n1\t1\t3\t0\t978300700\td\n2\t1\t3\t0\t7\td\n")
    dataset = load_path(ml_1m)
    assert dataset.history("1").items == ("1", "2")
    assert dataset.history("1").at == (978300700.0, None)
    assert dataset.opinions["1"] == (Opinion(3.0), Opinion(5.0))
    assert any("time_rank" in note for note in dataset.report.notes)


def test_ml_1m_without_ratings_says_what_is_there(ml_1m: Path) -> None:
    with pytest.raises(DataError, match=r"no file 'ratings.dat'; there are: movies.dat, users.dat"):
        load_movielens(ml_1m)


@pytest.mark.parametrize(("person", "column"), [("1::F::2::10::48067", "age"), ("1::F::1::99::48067", "occupation")])
def test_unknown_codes_are_bad_rows(ml_1m: Path, person: str, column: str) -> None:
    (ml_1m / "users.dat").write_text(person + "\n")
    (ml_1m / "ratings.dat").write_text("1::2::5::978300760\n")
    with pytest.raises(BadRowError, match=rf"ml-1m/users.dat, line 1, column '{column}'"):
        load_movielens(ml_1m)


def test_bad_rows_have_their_line(latest: Path) -> None:
    (latest / "ratings.csv").write_text(RATINGS + "3,10,good,7\r\n3,10,4.0,8\r\n3,20\r\n", newline="")
    with pytest.raises(BadRowError, match=r"ml-latest-small/ratings.csv, line 6, column 'rating': not a number: 'good'"):
        load_movielens(latest)
    dataset = load_movielens(latest, on_bad_row="skip")
    assert [row.split(":")[0] for row in dataset.report.bad_rows] == [
        "ml-latest-small/ratings.csv, line 6, column 'rating'",
        "ml-latest-small/ratings.csv, line 8, column 'rating'",
    ]
    assert dataset.history("3").items == ("10",)


def test_a_missing_column_is_named(latest: Path) -> None:
    (latest / "ratings.csv").write_text("userId,movieId,stars,timestamp\n1,10,4,5\n")
    with pytest.raises(DataError, match=r"no column 'rating'; there are: 'userId', 'movieId', 'stars', 'timestamp'"):
        load_movielens(latest)


def test_empty_files(latest: Path, ml_100k: Path) -> None:
    (latest / "ratings.csv").write_text("")
    with pytest.raises(DataError, match=r"ratings.csv: the file is empty"):
        load_movielens(latest)
    (ml_100k / "u.data").write_text("")
    with pytest.raises(DataError, match=r"u.data: the file is empty"):
        load_movielens(ml_100k)


def test_other_folders_and_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"not MovieLens.*notes.txt"):
        load_movielens(tmp_path)
    with pytest.raises(DataError, match="neither a folder nor a zip"):
        load_movielens(tmp_path / "notes.txt")
    with pytest.raises(DataError, match="no file or folder"):
        load_movielens(tmp_path / "nothing")


def test_a_damaged_archive_is_said_to_be_one(latest: Path, tmp_path: Path) -> None:
    archive = tmp_path / "damaged.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for member in latest.iterdir():
            file.write(member, member.name)
    whole = archive.read_bytes()
    place = whole.index(b"1,10,4.0,200")
    archive.write_bytes(whole[:place] + b"9" + whole[place + 1 :])
    with pytest.raises(DataError, match=r"damaged.zip/ratings.csv cannot be read.*fetch the archive again"):
        load_movielens(archive)


def test_tags_that_several_people_gave_several_films_become_phrases() -> None:
    used = [
        ("1", "10", "Time-Travel"),
        ("2", "20", "time travel"),
        ("3", "30", "time  travel"),
        ("3", "10", "dogs"),
        ("1", "10", "dogs"),
    ]
    used += [("1", str(film), "in netflix queue") for film in range(50)] + [(str(n), str(n), "boring") for n in range(9)]
    rows = [Row("tags.csv", 1, {"userId": user, "movieId": film, "tag": tag}) for user, film, tag in used]
    assert tag_phrases(rows) == ("time travel",)


def test_phrases_are_capped_and_most_used_come_first() -> None:
    rows = [
        Row("tags.csv", 1, {"userId": str(n), "movieId": str(n), "tag": f"tag {number}"})
        for number in range(MOST_PHRASES + 5)
        for n in range(9 if number == 77 else 3)
    ]
    phrases = tag_phrases(rows)
    assert len(phrases) == MOST_PHRASES
    assert phrases[0] == "tag 77"
