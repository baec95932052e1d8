"""Recorded profiles that come with the package, by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llmrg.core.errors import DataError
from llmrg.data.dataset import Catalogue

FOLDER = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class RecordedProfile:
    """A table of the package, and what it fits."""

    name: str
    file: Path
    item: str
    """Column of the item ids."""
    lists: tuple[str, ...]
    """Columns with lists of themes."""
    note: str
    """For `ProfileSource.note`."""
    made_for: str
    """What it fits, for messages."""
    titles: Mapping[str, str]
    """Some ids, and a word of the title that each must have: ids of another data set would mean other items."""

    def check(self, catalogue: Catalogue) -> None:
        """Raises: DataError: the catalogue gives the same ids to other items."""
        for item, word in self.titles.items():
            if item in catalogue and not re.search(word, catalogue[item].title, re.IGNORECASE):
                raise DataError(
                    f"the recorded profile {self.name!r} is for {self.made_for}: there item {item!r} is {word!r}, here it is "
                    f"{catalogue[item].title!r}, so its ids mean other items"
                )


RECORDED: Mapping[str, RecordedProfile] = {
    "films": RecordedProfile(
        name="films",
        file=FOLDER / "films" / "film_reasons.tsv.gz",
        item="movie_id",
        lists=("reasons", "people"),
        note="reasons and people of 7,185 MovieLens films, by a large language model from its own knowledge; bundled",
        made_for="the film ids of MovieLens 1M and latest-small",
        titles={
            "110": "Braveheart",
            "260": "Star Wars",
            "296": "Pulp Fiction",
            "318": "Shawshank",
            "480": "Jurassic Park",
            "589": "Terminator",
            "593": "Silence of the Lambs",
            "1193": "Cuckoo",
        },
    )
}
