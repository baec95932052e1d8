"""A data set that lies in a graph store, put there by a build or by `llmrg import`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmrg.core.errors import DataError
from llmrg.core.records import History
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.data.reason_attributes import reason_attributes

if TYPE_CHECKING:
    from llmrg.graph_store.protocol import GraphStore


def stored_dataset(store: GraphStore, namespace: str) -> Dataset:
    """The catalogue and histories of a namespace.

    What is not stored: which attributes can be reasons (found in the catalogue), reason phrases of the whole set (there are
    none), and what one item is called in prompts (`item`). So a build may differ from one over the files; it is another run.

    Raises: DataError: nobody has a history there.
    """
    histories: dict[str, History] = {}
    while page := store.users(namespace, after=next(reversed(histories), "")):
        histories |= store.histories(namespace, page)
    if not histories:
        raise DataError(f"{store.url} holds no data set {namespace!r}; `llmrg import` or a build puts one there")
    items = store.items(namespace)
    taken = sum(len(history.items) for history in histories.values())
    report = LoadReport(store.url, taken, len(histories), len(items))
    return Dataset(namespace, Catalogue(items), histories, report, reason_attributes(items))
