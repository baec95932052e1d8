"""Two data sets of one name never share graphs or recommenders: what is kept is compared with what is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from llmrg.core.errors import DataError
from llmrg.core.places import HOME, written
from llmrg.data.identity import USERS, Sketch

if TYPE_CHECKING:
    from llmrg.data.dataset import Dataset
    from llmrg.graph_store.protocol import GraphStore

FILE = "data_set.json"
"""Beside the recommenders of a data set."""


def check_identity(dataset: Dataset, store: GraphStore, home: Path) -> None:
    """Raises: DataError: the store or `home` holds another data set of this name."""
    name = dataset.name
    histories = store.histories(name, store.users(name, limit=USERS))
    stored = Sketch({user: h.items for user, h in histories.items()}, {item.id: item.title for item in store.items(name)})
    if why := stored.other_than(dataset):
        _refuse(dataset, store.url, why, f"llmrg forget --data-set {name}")
    file = _file(home, name)
    if file.exists():
        read = json.loads(file.read_text(encoding="utf-8"))
        if why := Sketch(read["histories"], read["titles"]).other_than(dataset):
            _refuse(dataset, str(file.parent), why, f"delete {file.parent}")


def keep_identity(dataset: Dataset, home: Path) -> None:
    """Remember of which data set the recommenders in `home` are."""
    written(_file(home, dataset.name), json.dumps(Sketch.of(dataset).to_json()), HOME)


def forget_in_identity(name: str, home: Path, user: str) -> Path | None:
    """Take a user out of what is remembered; returns the file that was rewritten, if there was anything of the user in it."""
    file = _file(home, name)
    read = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"histories": {}}
    if read["histories"].pop(user, None) is None:
        return None
    written(file, json.dumps(read), HOME)
    return file


def _refuse(dataset: Dataset, where: str, why: str, removal: str) -> None:
    raise DataError(
        f"{dataset.report.source}: {where} holds another data set named {dataset.name!r}: {why}",
        sdk=f"give this one a name of its own (`Project(..., name=...)`), take another home, or remove the other one: {removal}",
        shell=f"give this one a name of its own with --name, take another --home, or remove the other one: {removal}",
    )


def _file(home: Path, name: str) -> Path:
    return home / "models" / name / FILE
