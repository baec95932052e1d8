"""Records as pandas frames and networkx graphs; both packages are loaded only when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from llmrg.core.errors import MissingPackageError

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

    from llmrg.core.records import ReasoningGraph


def package(name: str) -> Any:
    """The imported package. Raises: MissingPackageError."""
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPackageError(name, f"pip install {name}") from error


def frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """A frame with these columns, also where there is no row. Raises: MissingPackageError."""
    table: pd.DataFrame = package("pandas").DataFrame(list(rows), columns=list(columns))
    return table


def as_networkx(graph: ReasoningGraph, titles: Mapping[str, str] | None = None) -> nx.MultiDiGraph:
    """Accepted steps as edges from cause to item; see `ReasoningGraph.to_networkx`."""
    nx_graph = package("networkx").MultiDiGraph(user=graph.user, run=graph.run)

    def node(kind: str, name: str) -> str:
        label = (titles or {}).get(name) or name
        nx_graph.add_node(key := f"{kind}:{name}", kind=kind, id=name, label=label if kind == "item" else name)
        return key

    for step in graph.steps:
        if step.accepted:
            cause = node("user", graph.user) if step.cause_kind == "root" else node(step.cause_kind, step.cause)
            fields = {name: value for name, value in step.to_json().items() if name not in ("user", "accepted", "why_rejected")}
            nx_graph.add_edge(cause, node("item", step.item), **fields)
    return nx_graph
