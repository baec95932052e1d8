"""Amazon reviews, sequence files, and the pair of sequences and items."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from llmrg.core.errors import BadRowError, DataError
from llmrg.data.amazon import load_amazon_pair, load_amazon_sequences
from llmrg.data.opinions import Opinion
from llmrg.data.review_layouts import AMAZON
from llmrg.data.reviews import load_reviews
from llmrg.data.sniff import load_path

REVIEWS = [
    {
        "reviewerID": "A1",
        "asin": "B2",
        "overall": 5.0,
        "unixReviewTime": 200,
        "summary": " Good &amp;\nwell ",
        "reviewText": "It&#39;s  fine.\n\nTruly&nbsp;so",
    },
    {"reviewerID": "A1", "asin": "B1", "overall": 4.0, "unixReviewTime": 100},
    {"reviewerID": "A2", "asin": "B1", "overall": 1.0, "unixReviewTime": 300},
]


def write_lines(path: Path, lines: list[str]) -> Path:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in lines))
    return path


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "reviews_Beauty_5.json.gz", [json.dumps(review) for review in REVIEWS])


def test_reviews_alone(reviews: Path) -> None:
    dataset = load_path(reviews)
    assert dataset.history("A1").items == ("B1", "B2")
    assert dataset.history("A1").at == (100.0, 200.0)
    assert dataset.report.items_without_title == 2
    assert dataset.catalogue["B1"].title == "B1"
    assert dataset.catalogue.noun == "product"
    assert any("no product data" in note for note in dataset.report.notes)


def test_reviews_are_opinions_in_plain_text(reviews: Path) -> None:
    assert load_path(reviews).opinions == {
        "A1": (Opinion(4.0), Opinion(5.0, "Good & well", "It's fine. Truly so")),
        "A2": (Opinion(1.0),),
    }


def test_reviews_with_the_publishers_product_data(reviews: Path) -> None:
    products = [
        "{'asin': 'B1', 'title': \"Bath &amp; Body\", 'categories': [['Beauty', 'Bath'], ['Beauty', 'Gifts']], 'brand': 'Acme'}",
        json.dumps({"asin": "B2", "title": "Soap", "categories": [["Beauty", "Bath"]]}),
        "{'asin': 'B9', 'title': 'Not reviewed'}",
    ]
    write_lines(reviews.with_name("meta_Beauty.json.gz"), products)
    dataset = load_path(reviews.parent)
    assert dataset.catalogue["B1"].title == "Bath & Body"
    assert dataset.catalogue["B1"].attributes == (("category", "Bath"), ("category", "Gifts"), ("brand", "Acme"))
    assert set(dataset.catalogue.ids) == {"B1", "B2"}
    assert dataset.reason_attributes == ("category",)


def test_bad_reviews(tmp_path: Path) -> None:
    late = {**REVIEWS[0], "unixReviewTime": "late"}
    path = write_lines(tmp_path / "r.json", [json.dumps(REVIEWS[0]), "{broken", json.dumps(late), json.dumps(REVIEWS[2])])
    with pytest.raises(BadRowError, match=r"r\.json, line 2, column 'line': not a JSON object"):
        load_reviews(path, AMAZON)
    dataset = load_reviews(path, AMAZON, on_bad_row="skip")
    assert [row.split(", ")[1] for row in dataset.report.bad_rows] == ["line 2", "line 3"]
    assert dataset.report.interactions == 2


def test_bad_product_data(reviews: Path) -> None:
    meta = write_lines(reviews.with_name("meta_Beauty.json.gz"), ["{'asin': 'B1'", "{'asin': 'B1', 'title': 'Soap'}"])
    with pytest.raises(BadRowError, match=r"meta_Beauty\.json\.gz, line 1"):
        load_reviews(reviews, AMAZON, meta)
    assert load_reviews(reviews, AMAZON, meta, on_bad_row="skip").catalogue["B1"].title == "Soap"


def test_reviews_without_a_column(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "r.json",
        [json.dumps({"reviewerID": "A1", "asin": "B1"}), json.dumps({"reviewerID": "A1", "asin": "B2", "unixReviewTime": 1})],
    )
    with pytest.raises(DataError, match=r"line 1, column 'unixReviewTime': empty"):
        load_reviews(path, AMAZON)


def test_sequences(tmp_path: Path) -> None:
    dataset = load_path(write_lines(tmp_path / "Beauty.txt", ["1 10 20 10", "2 20"]))
    assert dataset.name == "Beauty"
    assert dataset.history("1").items == ("10", "20")
    assert dataset.history("1").at == (None, None)
    assert dataset.report.duplicates_dropped == 1
    assert dataset.history("2").items == ("20",)


def test_bad_sequences(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "Beauty.txt", ["1 10 20", "2"])
    with pytest.raises(BadRowError, match=r"Beauty\.txt, line 2, column 'items': a user without items: '2'"):
        load_amazon_sequences(path)
    assert set(load_amazon_sequences(path, on_bad_row="skip").histories) == {"1"}
    with pytest.raises(DataError, match="empty"):
        load_amazon_sequences(write_lines(tmp_path / "empty.txt", [""]))


def test_the_pair(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "beauty.sequences.tsv.gz", ["reviewer_id\tasins\tgap_seconds", "A1\tB1 B2 B3\t0 0 86400", "A2\tB1\t"]
    )
    items = [
        {"asin": "B1", "index": 1, "title": "Soap", "categories": [["Beauty", "Bath"]], "keywords": "soap bar"},
        {"asin": "B2"},
    ]
    write_lines(tmp_path / "beauty.items.jsonl.gz", [json.dumps(item) for item in items])
    dataset = load_path(path)
    assert dataset.name == "amazon-beauty"
    assert dataset.history("A1").items == ("B1", "B2", "B3")
    assert dataset.report.time_ties == 1
    assert dataset.catalogue["B1"].attributes == (("category", "Bath"), ("keywords", "soap bar"))
    assert dataset.report.items_without_title == 2


def test_a_pair_whose_gaps_do_not_fit(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.sequences.tsv", ["reviewer_id\tasins\tgap_seconds", "A1\tB1 B2\t0"])
    with pytest.raises(BadRowError, match="line 2, column 'gap_seconds': 1 gaps for 2 items"):
        load_amazon_pair(path)


def test_a_cut_off_gzip_file_is_said_to_be_one(reviews: Path) -> None:
    reviews.write_bytes(reviews.read_bytes()[:-12])
    with pytest.raises(DataError, match="not a whole gzip file"):
        load_reviews(reviews, AMAZON)
