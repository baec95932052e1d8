"""The data sets that are known by name: who publishes them, under which terms, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Reader = Literal["demo", "movielens", "amazon"]

GROUPLENS = "https://files.grouplens.org/datasets/movielens/"
SNAP = "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles/"
MOVIELENS_TERMS = (
    "Published by GroupLens, University of Minnesota. Free for research, with acknowledgement (Harper & Konstan 2015, "
    "doi:10.1145/2827872); commercial use needs GroupLens's permission; "
)
AMAZON_TERMS = (
    "Published by J. McAuley, UC San Diego, for research; no open licence: the texts belong to Amazon and the reviewers, "
    "so do not pass the data on. Cite He & McAuley 2016 (WWW) and McAuley et al. 2015 (SIGIR)."
)

AMAZON_SIZE = "reviews and product data, up to some hundred MB (told while downloading)"


@dataclass(frozen=True)
class KnownSet:
    """One data set of the list."""

    name: str
    about: str
    """What it holds, with the published counts."""
    publisher: str
    """Page of the publisher."""
    terms: str
    """The licence in short, in our words; the publisher's own text holds."""
    size: str
    """Of the download."""
    reader: Reader
    urls: tuple[str, ...] = ()
    """Files to download, all into one folder."""
    md5: Mapping[str, str] | None = None
    """Sums that the publisher states, by file name; a file without one is not pinned."""
    places: tuple[str, ...] = ()
    """Where it may lie below a data folder, best first."""


def _movielens(name: str, about: str, page: str, size: str, sharing: str, md5: str = "", folder: str = "") -> KnownSet:
    """Args: folder: of the unpacked archive, where it is not called as the set is."""
    file = f"{name}.zip"
    return KnownSet(
        name, about, f"https://grouplens.org/datasets/movielens/{page}/", MOVIELENS_TERMS + sharing, size, "movielens",
        urls=(GROUPLENS + file,), md5={file: md5} if md5 else None,
        places=(f"{name}/{file}", file, folder or name),
    )  # fmt: skip


def _amazon(name: str, category: str, counts: str, size: str, short: str = "") -> KnownSet:
    reviews, meta = f"reviews_{category}_5.json.gz", f"meta_{category}.json.gz"
    short = short or name
    return KnownSet(
        f"amazon-{name}",
        f"Amazon reviews 1996-2014, 5-core: {category.replace('_', ' ')}; {counts}",
        "https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html",
        AMAZON_TERMS,
        size,
        "amazon",
        urls=(SNAP + reviews, SNAP + meta),
        places=(
            f"amazon-{name}/{reviews}",
            reviews,
            f"amazon-2014-5core/{short}.sequences.tsv.gz",
            f"amazon-2014-5core/{short}.reviews.jsonl.gz",
            f"amazon-2014-5core/{short}.sequences-index-only.txt.gz",
        ),
    )


NO_SHARING = "no redistribution without permission."
KNOWN: Mapping[str, KnownSet] = {
    known.name: known
    for known in (
        KnownSet(
            "demo",
            "400 well-known books, 300 simulated readers; bundled",
            "",
            "Apache-2.0, as the rest of this project. The readers are simulated.",
            "nothing to download",
            "demo",
        ),
        _movielens(
            "ml-latest-small",
            "MovieLens latest small (9/2018): 610 users, 9,742 films (9,724 rated), 100,836 ratings, 3,683 tags",
            "latest",
            "about 1 MB",
            "redistribution under the same terms only. The publisher may replace the file by a newer one.",
        ),
        _movielens(
            "ml-100k",
            "MovieLens 100K (1998): 943 users, 1,682 films, 100,000 ratings",
            "100k",
            "about 5 MB",
            NO_SHARING,
            "0e33842e24a9c977be4e0107933c0723",
        ),
        _movielens(
            "ml-1m",
            "MovieLens 1M (2003): 6,040 users, 3,883 films (3,706 rated), 1,000,209 ratings",
            "1m",
            "about 6 MB",
            NO_SHARING,
            "c4d9eecfca2ab87c1945afe126590906",
        ),
        _movielens(
            "ml-10m",
            "MovieLens 10M (2009): 69,878 users, 10,681 films, 10,000,054 ratings",
            "10m",
            "about 65 MB",
            NO_SHARING,
            folder="ml-10M100K",
        ),
        _movielens(
            "ml-20m",
            "MovieLens 20M (2015): 138,493 users, 27,278 films, 20,000,263 ratings",
            "20m",
            "about 200 MB",
            NO_SHARING,
        ),
        _movielens(
            "ml-25m",
            "MovieLens 25M (2019): 162,541 users, 62,423 films, 25,000,095 ratings",
            "25m",
            "about 260 MB",
            NO_SHARING,
        ),
        _movielens(
            "ml-32m",
            "MovieLens 32M (2024): 200,948 users, 87,585 films, 32,000,204 ratings",
            "32m",
            "about 240 MB",
            NO_SHARING,
        ),
        _amazon("beauty", "Beauty", "22,363 users, 12,101 products, 198,502 reviews", AMAZON_SIZE),
        _amazon("sports", "Sports_and_Outdoors", "35,598 users, 18,357 products, 296,337 reviews", AMAZON_SIZE),
        _amazon("toys", "Toys_and_Games", "19,412 users, 11,924 products, 167,597 reviews", AMAZON_SIZE),
        _amazon(
            "clothing",
            "Clothing_Shoes_and_Jewelry",
            "39,387 users, 23,033 products, 278,677 reviews",
            AMAZON_SIZE,
        ),
        _amazon(
            "musical-instruments",
            "Musical_Instruments",
            "1,429 users, 900 products, 10,261 reviews",
            AMAZON_SIZE,
            "musical_instruments",
        ),
    )
}
