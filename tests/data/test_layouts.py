"""The layouts of the publishers, on small files that the tests write as they write them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from llmrg.core.errors import DataError
from llmrg.data.dataset import Dataset
from llmrg.data.opinions import Opinion
from llmrg.data.registry import load_data


def lines(path: Path, *records: Any, python: bool = False) -> Path:
    text = "".join((repr(one) if python else json.dumps(one, ensure_ascii=False)) + "\n" for one in records)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def amazon_2018(folder: Path) -> Path:
    review = {"overall": 4.0, "verified": True, "reviewTime": "09 1, 2016", "reviewerID": "A1",
              "reviewText": "Good &amp; cheap", "summary": "Buy", "unixReviewTime": 1472688000}  # fmt: skip
    lines(folder / "Games_5.json.gz", {**review, "asin": "B1"}, {**review, "asin": "B2", "unixReviewTime": 1472601600})
    return lines(
        folder / "meta_Games.json.gz",
        {
            "category": ["Video Games", "Puzzle"],
            "title": "Tiles",
            "brand": "by\n\n    Acme",
            "asin": "B1",
            "rank": [],
            "price": "",
        },
        {"category": ["Video Games", "Race", "x" * 80], "title": '<span id="t">getTime()', "brand": "", "asin": "B2"},
    ).parent


def amazon_2023(folder: Path) -> Path:
    review = {"rating": 4.0, "title": "Buy", "text": "Good &amp; cheap", "images": [], "asin": "V1", "user_id": "A1",
              "helpful_vote": 0, "verified_purchase": True}  # fmt: skip
    lines(
        folder / "raw" / "review_categories" / "Games.jsonl",
        {**review, "parent_asin": "B1", "timestamp": 1472688000123},
        {**review, "parent_asin": "B2", "timestamp": 1472601600000},
    )
    lines(
        folder / "raw" / "meta_categories" / "meta_Games.jsonl",
        {"main_category": "Video Games", "title": "Tiles", "average_rating": 4.1, "features": [], "store": "Acme",
         "categories": ["Video Games", "Puzzle"], "details": {"Brand": "Acme"}, "parent_asin": "B1", "bought_together": None},
        {"main_category": None, "title": "", "categories": [], "parent_asin": "B2", "store": None},
    )  # fmt: skip
    return folder / "raw" / "review_categories"


@pytest.mark.parametrize("make", [amazon_2018, amazon_2023])
def test_amazon(make: Any, tmp_path: Path) -> None:
    dataset = load_data(make(tmp_path))
    assert dataset.history("A1").items == ("B2", "B1")
    assert dataset.history("A1").at[0] == 1472601600.0
    assert dataset.opinions["A1"][1] == Opinion(4.0, "Buy", "Good & cheap")
    assert dataset.catalogue["B1"].title == "Tiles"
    assert dataset.catalogue["B1"].attributes == (("category", "Puzzle"), ("brand", "Acme"))
    assert dataset.report.items_without_title == 1
    assert dataset.reason_attributes == ("category",)


def test_reviews_of_two_categories_in_one_folder_are_refused(tmp_path: Path) -> None:
    amazon_2018(tmp_path)
    lines(tmp_path / "Toys_5.json.gz", {"reviewerID": "A1", "asin": "B1", "unixReviewTime": 1})
    with pytest.raises(DataError, match=r"more than one file of reviews \(Games_5\.json\.gz, Toys_5\.json\.gz\); name the file"):
        load_data(tmp_path)
    assert load_data(tmp_path / "Games_5.json.gz").catalogue["B1"].title == "Tiles"


def test_yelp(tmp_path: Path) -> None:
    review = {"review_id": "r", "user_id": "u1", "stars": 3.0, "useful": 0, "funny": 0, "cool": 0, "text": "Fine.\n"}
    lines(
        tmp_path / "yelp_academic_dataset_review.json",
        {**review, "business_id": "b1", "date": "2018-07-07 22:09:11"},
        {**review, "business_id": "b2", "date": "2017-07-07 22:09:11"},
    )
    lines(
        tmp_path / "yelp_academic_dataset_business.json",
        {"business_id": "b1", "name": "Café Neun", "city": "Tampa", "latitude": 27.9, "longitude": -82.4, "stars": 4.5,
         "attributes": {"WiFi": "free"}, "categories": "Coffee & Tea, Food", "hours": None},
        {"business_id": "b2", "name": "Oil", "city": "", "categories": None},
    )  # fmt: skip
    lines(tmp_path / "yelp_academic_dataset_user.json", {"user_id": "u1", "name": "Ann", "review_count": 2, "friends": ""})
    lines(tmp_path / "yelp_academic_dataset_tip.json", {"user_id": "u1", "business_id": "b1", "text": "t", "date": "2012-05-18"})
    dataset = load_data(tmp_path)
    assert dataset.history("u1").items == ("b2", "b1")
    assert dataset.catalogue["b1"].title == "Café Neun"
    assert dataset.catalogue["b1"].attributes == (("category", "Coffee & Tea"), ("category", "Food"), ("city", "Tampa"))
    assert dataset.history("u1").attributes == ()


def test_steam(tmp_path: Path) -> None:
    review = {"username": "Ann", "hours": 0.1, "products": 41.0, "page_order": 0, "text": "It's fun", "early_access": False}
    lines(
        tmp_path / "steam_reviews.json.gz",
        {**review, "product_id": "725280", "date": "2017-12-17"},
        {**review, "product_id": "328100", "date": "2017-12-16"},
        python=True,
    )
    games = {"publisher": "P", "genres": ["Action", "Free to Play"], "app_name": "Ace of Seafood", "title": "Ace of Seafood",
             "tags": ["Fish"], "price": 9.99, "id": "725280", "developer": "Nussoft"}  # fmt: skip
    lines(tmp_path / "steam_games.json.gz", games, {"app_name": "Other", "id": "1"}, python=True)
    dataset = load_data(tmp_path)
    assert dataset.history("Ann").items == ("328100", "725280")
    assert dataset.catalogue["725280"].attributes == (
        ("genre", "Action"),
        ("genre", "Free to Play"),
        ("tag", "Fish"),
        ("developer", "Nussoft"),
    )
    assert set(dataset.reason_attributes) == {"genre", "tag"}


def test_steam_reviews_by_user(tmp_path: Path) -> None:
    said = [{"item_id": "7", "posted": "Posted November 5, 2011.", "recommend": True, "review": "Simple yet with great replay"}]
    path = tmp_path / "australian_user_reviews.json.gz"
    lines(
        path,
        {"user_id": "u1", "user_url": "http://x", "reviews": said},
        {"user_id": "u2", "user_url": "", "reviews": []},
        python=True,
    )
    dataset = load_data(path)
    assert dataset.history("u1").items == ("7",)
    assert dataset.opinions["u1"][0].text.startswith("Simple yet")  # type: ignore[union-attr]


def test_goodreads(tmp_path: Path) -> None:
    taken = {"user_id": "u1", "review_id": "r", "is_read": True, "rating": 0, "review_text_incomplete": "", "read_at": ""}
    lines(
        tmp_path / "goodreads_interactions_poetry.json.gz",
        {**taken, "book_id": "2", "date_added": "Wed Apr 03 10:10:41 -0700 2013", "rating": 4},
        {**taken, "book_id": "1", "date_added": "Tue Apr 02 10:10:41 -0700 2013"},
    )
    shelves = [{"count": "9", "name": n} for n in ("to-read", "currently-reading", "epic-poetry", "books-i-own", "classics")]
    lines(
        tmp_path / "goodreads_books_poetry.json.gz",
        {"book_id": "1", "title": "Odyssey", "popular_shelves": shelves, "publication_year": "1999", "authors": []},
        {"book_id": "2", "title": "Iliad", "popular_shelves": [], "publication_year": ""},
    )
    dataset = load_data(tmp_path)
    assert dataset.history("u1").items == ("1", "2")
    assert dataset.history("u1").at == (1364922641.0, 1365009041.0)
    assert dataset.opinions["u1"] == (None, Opinion(4.0))
    assert dataset.catalogue["1"].attributes == (("shelf", "epic poetry"), ("shelf", "classics"), ("year", "1999"))


def hetrec(folder: Path) -> Dataset:
    folder.mkdir()
    (folder / "user_artists.dat").write_text("userID\tartistID\tweight\n2\t51\t11\n2\t52\t900\n3\t51\t5\n")
    (folder / "artists.dat").write_text('id\tname\turl\tpictureURL\n51\tDuran "Two"\tu\tp\n52\tMorcheeba\tu\tp\n')
    (folder / "tags.dat").write_bytes("tagID\ttagValue\n1\tpop\n2\tété\n".encode("latin-1"))
    rows = ["2\t51\t1\t1\t4\t2009", "3\t51\t1\t1\t4\t2009", "2\t52\t2\t1\t4\t2009"]
    (folder / "user_taggedartists.dat").write_text("\n".join(["userID\tartistID\ttagID\tday\tmonth\tyear", *rows]) + "\n")
    return load_data(folder)


def test_last_fm_hetrec(tmp_path: Path) -> None:
    dataset = hetrec(tmp_path / "hetrec2011-lastfm-2k")
    assert dataset.name == "hetrec2011-lastfm-2k"
    assert dataset.history("2").items == ("52", "51")
    assert dataset.catalogue["51"].title == 'Duran "Two"'
    assert dataset.catalogue["51"].values("tag") == ("pop",)


def test_last_fm_logs(tmp_path: Path) -> None:
    log = tmp_path / "userid-timestamp-artid-artname-traid-traname.tsv"
    log.write_text(
        "user_000001\t2009-05-04T23:08:57Z\ta-1\tDeep Dish\tt-1\tSacramento\n"
        'user_000001\t2009-05-04T13:54:10Z\ta-2\t坂本龍一\t\tComposition 0919 "Live"\n'
    )
    dataset = load_data(log)
    assert dataset.history("user_000001").items == ('坂本龍一 / Composition 0919 "Live"', "t-1")
    assert dataset.catalogue["t-1"].values("artist") == ("Deep Dish",)
    plays = tmp_path / "usersha1-artmbid-artname-plays.tsv"
    plays.write_text(f"{'0a' * 20}\t3bd73256-3905\tBetty Blowtorch\t2137\n{'0a' * 20}\t\tDie Ärzte\t1099\n")
    assert load_data(plays).history("0a" * 20).items == ("3bd73256-3905", "Die Ärzte")


@pytest.mark.parametrize(
    ("folder", "name"), [("ml-20m", "ml-20m"), ("ml-25m", "ml-25m"), ("ml-32m", "ml-32m"), ("Films of ours", "films of ours")]
)
def test_movielens_with_a_header_is_called_as_its_folder(folder: str, name: str, tmp_path: Path) -> None:
    there = tmp_path / folder
    there.mkdir()
    (there / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,10,4.5,944249077\n")
    (there / "movies.csv").write_text('movieId,title,genres\n10,"Été, L\' (1991)",Drama|Comedy\n')
    (there / "genome-tags.csv").write_text("tagId,tag\n1,007\n")
    dataset = load_data(there)
    assert dataset.name == name
    assert dataset.catalogue["10"].title == "Été, L' (1991)"


@pytest.mark.parametrize(("encoding", "folder", "name"), [("utf-8", "ml-10M100K", "ml-10m"), ("latin-1", "ml-1m", "ml-1m")])
def test_movielens_without_a_header_in_either_encoding(encoding: str, folder: str, name: str, tmp_path: Path) -> None:
    there = tmp_path / folder
    there.mkdir()
    (there / "movies.dat").write_bytes("1::Misérables, Les (1995)::Drama\n".encode(encoding))
    (there / "ratings.dat").write_text("1::1::4.5::838985046\n")
    dataset = load_data(there)
    assert (dataset.name, dataset.catalogue["1"].title) == (name, "Misérables, Les (1995)")
