"""What a graph store must do. Two stores fulfil it, SQLite and Neo4j, under one contract suite (`llmrg.testing`).

Calls are synchronous, one call is one transaction, and no argument holds query text. Every call names its namespace: data sets
and tenants never see each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from llmrg.core.graph_table import GraphTable
from llmrg.core.records import History, Item, Knowledge, ReasoningGraph, Run, Step, UserStatus, VectorSpace
from llmrg.core.themes import Profile, Themes


@dataclass(frozen=True)
class StoreAbilities:
    """What sets a store apart from others; known before it is opened."""

    many_machines: bool
    """Several machines may use it at once; else any number of processes of one machine."""
    neo4j_browser: bool
    """People can look at it in Neo4j Browser, with the queries of `llmrg graph queries`; `put_recommendations` works."""
    file_upkeep: bool
    """`llmrg store backup` and `llmrg store compact` work on it; else its server has tools of its own."""


@dataclass(frozen=True)
class StoreHealth:
    """How an opened store is."""

    url: str
    """Without user name and password."""
    product: str
    """For instance `SQLite 3.45.1` or `Neo4j 2026.08.1 community`."""
    schema_version: int


@dataclass(frozen=True)
class StoreCounts:
    """Sizes of one namespace."""

    items: int
    users: int
    graphs: int
    """Users with a graph; of each the newest one counts, here and in the numbers of steps."""
    accepted: int
    """Accepted reasoned steps (`ReasoningGraph.reasoned`); accepted + rejected + imagined is the number of steps."""
    rejected: int
    """Steps of either kind that verification refused."""
    imagined: int
    """Accepted imagined steps."""
    knowledge: int
    runs: int
    themes: int = 0
    """Themes that a reason's text belongs to, or that an item stands for."""
    appeals: int = 0
    """Of all profiles together."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong inside a store, as it happens when other programs write there or a disk fails."""

    what: str
    count: int
    examples: tuple[str, ...]
    """A few of the ids."""
    how: str
    """What `repair` does about it, or what the reader can do."""
    mendable: bool
    """Whether `repair` mends it."""


class GraphStore(Protocol):
    """Items, users, graphs, drafts, knowledge, themes and runs of any number of namespaces.

    Every method may raise StoreUnreachableError, StoreFullError or another StoreError; nothing is then half written.
    Ids and namespaces are any text but the empty one; what cannot be stored raises CallerError before anything is written
    (`llmrg.graph_store.checked_store` checks for all stores). "Ascending" means by code point, as Python sorts.
    """

    url: str
    """Without user name and password."""

    @property
    def abilities(self) -> StoreAbilities: ...

    def open(self) -> None:
        """Connect; make the schema in an empty place, else check it.

        Raises: NotAStoreError, StoreUnreachableError, StoreVersionError: newer or older code made it (see `migrate`).
        """

    def migrate(self, dry_run: bool = False) -> list[str]:
        """On a store that is not open: bring an older schema forward. Returns what was done, or would be, a line each.

        An interrupted migration is finished by calling it again. Raises: as `open`, but for an older schema.
        """

    def close(self) -> None: ...

    def __enter__(self) -> GraphStore: ...

    def __exit__(self, *_: object) -> None: ...

    def health(self) -> StoreHealth:
        """Asks the store, so it also tells whether the store answers."""

    def problems(self) -> list[Problem]:
        """Look through all namespaces: orphans, missing items, users marked done without a graph, missing indexes, damage."""

    def repair(self) -> None:
        """Mend every problem that is `mendable`. Stop builders first: what they are about to write may look like an orphan."""

    # -- namespaces --------------------------------------------------------------------------------------------------
    def namespaces(self) -> list[str]:
        """Those in which anything is stored, ascending."""

    def counts(self, namespace: str) -> StoreCounts: ...

    def forget_namespace(self, namespace: str) -> bool:
        """Delete all that is stored in it; True if there was anything.

        A server may take several transactions; repeat the call after an interruption.
        """

    def forget_user(self, namespace: str, user: str) -> bool:
        """Delete history, graphs, drafts and statuses of a user in all runs, and the knowledge that came from this user first.

        Graphs of other users keep the steps that were made from that knowledge; themes and profiles name no user and stay.
        Returns True if there was anything.
        """

    # -- catalogue and users -----------------------------------------------------------------------------------------
    def put_items(self, namespace: str, items: Iterable[Item]) -> None:
        """Insert or replace items by id."""

    def items(self, namespace: str) -> list[Item]:
        """All items, in order of id."""

    def put_histories(self, namespace: str, histories: Iterable[History]) -> None:
        """Insert or replace users with their histories and attributes; their graphs stay as they are.

        Raises: UnknownItemError: an item is not in the catalogue.
        """

    def history(self, namespace: str, user: str) -> History:
        """Raises: UnknownUserError."""

    def histories(self, namespace: str, users: Sequence[str]) -> dict[str, History]:
        """Histories of many users in one call; unknown users are left out."""

    def users(self, namespace: str, after: str = "", limit: int = 1000) -> list[str]:
        """User ids in ascending order that come after `after` (keyset paging)."""

    # -- graphs: a user has one of each run that built for the user; the newest is the one written last -----------------
    def replace_graph(self, namespace: str, graph: ReasoningGraph, expected_version: int | None = None) -> int:
        """Swap the user's graph of `graph.run` for this one, atomically, and clear the user's draft of that run; returns the
        new version. Graphs of other runs stay beside it, and it is the user's newest.

        A version is one more than that of the user's newest graph so far, of whatever run (0: there is none). Steps come back in
        the order given.

        Raises:
            VersionConflictError: `expected_version` is given and is not that of the user's newest graph.
            UnknownUserError, UnknownItemError: no history of the user; a step's item or cause is not in the catalogue.
        """

    def graph(self, namespace: str, user: str, run: str = "") -> ReasoningGraph:
        """The user's graph of a run, or the newest. Raises: GraphNotFoundError."""

    def graphs(self, namespace: str, users: Sequence[str], run: str = "") -> GraphTable:
        """Graphs of many users in one call, of a run or each user's newest, as flat arrays; users without one are left out."""

    def graphs_by_run(self, namespace: str) -> dict[str, int]:
        """Run -> how many users have a graph of it."""

    # -- drafts: steps of a run that is under way, not yet visible as a graph ------------------------------------------
    def append_draft(self, namespace: str, run: str, user: str, steps: Sequence[Step], through: int, start: int) -> None:
        """Keep the steps of one block; positions below `through` are then done. Repeating the same call changes nothing.

        Args: start: where the draft ends from which these steps go on; 0 for one in which nothing is done.
        Raises:
            DraftConflictError: the draft ends elsewhere: somebody else has gone on with it.
            UnknownUserError, UnknownItemError: as `replace_graph`.
        """

    def draft(self, namespace: str, run: str, user: str) -> tuple[tuple[Step, ...], int]:
        """(steps so far, positions done); ((), 0) if nothing was kept."""

    # -- knowledge base ----------------------------------------------------------------------------------------------
    def put_knowledge(self, namespace: str, entries: Iterable[Knowledge]) -> None:
        """Insert; an entry that is there keeps its uses and its source, and takes the higher score.

        Entries of different minds are different ones. A vector fills one that was missing. It is kept in half precision
        (`llmrg.graph_store.half_precision`), by all stores alike: the cosine of a vector of unit length with any other is off by
        less than 0.0005. A vector that was read comes back equal when it is put again.

        Raises: UnknownItemError; StoreError: a vector's dimension is not the one stored.
        """

    def claim_vector_space(self, namespace: str, space: VectorSpace) -> None:
        """Say which text encoder makes the vectors, before any is put. Where vectors are there whose encoder nobody has said, it
        is taken to be this one; a space without any vector left can be claimed anew.

        Raises: StoreError: there are vectors of another encoder or dimension.
        """

    def vector_space(self, namespace: str) -> VectorSpace | None:
        """None as long as nobody has claimed one or put a vector."""

    def knowledge(self, namespace: str, after: str = "", limit: int = 1000) -> list[Knowledge]:
        """Entries in ascending order of key that come after the key `after` (keyset paging)."""

    def knowledge_for(self, namespace: str, pairs: Sequence[tuple[str, str]], mind: str = "") -> list[Knowledge]:
        """Tier 1: this mind's entries whose (from item, to item) is among `pairs`, best score first."""

    def nearest_knowledge(
        self, namespace: str, to_item: str, vector: np.ndarray, limit: int = 5, mind: str = ""
    ) -> list[tuple[Knowledge, float]]:
        """Tier 2: this mind's entries that lead to `to_item`, nearest first by cosine of their reason vectors, with the cosine.

        Args: vector: (D,) float32. Raises: StoreError: D is not the dimension stored.
        """

    def count_uses(self, namespace: str, uses: Mapping[str, int]) -> None:
        """Add to the use counters of entries, by key; unknown keys are ignored."""

    def top_knowledge(self, namespace: str, limit: int = 20) -> list[Knowledge]:
        """Most used first, then best score."""

    def prune_knowledge(self, namespace: str, *, max_uses: int = 0, max_score: float = 1.0, dry_run: bool = False) -> int:
        """Delete entries with at most `max_uses` uses and a score of at most `max_score`; graphs keep the steps made from them.

        Returns how many there were. A dry run deletes none.
        """

    # -- themes and profiles of items ----------------------------------------------------------------------------------
    def put_theme_texts(self, namespace: str, of_text: Mapping[str, str]) -> None:
        """Insert or replace: reason text -> theme."""

    def put_profile(self, namespace: str, profile: Profile) -> None:
        """Replace all appeals of the profile's source, atomically.

        Raises: UnknownItemError: an item is not in the catalogue.
        """

    def delete_profile(self, namespace: str, source: str) -> bool:
        """True if there was one."""

    def themes(self, namespace: str) -> Themes:
        """Theme of each text, and all profiles: sources by name, appeals by item and theme, both ascending."""

    # -- recommendations: written on request, for people to look at; no method reads them -------------------------------
    def put_recommendations(self, namespace: str, user: str, model: str, items: Sequence[tuple[str, float]], at: float) -> None:
        """Replace what a recommender recommends to a user; no graph changes. Forgetting the user deletes it.

        Args:
            model: the recommender's name.
            items: (item, score), best first.
            at: when it was recommended, in Unix seconds.
        Raises: UnknownUserError; UnknownItemError; CallerError: nobody can look at them there (`abilities.neo4j_browser`).
        """

    # -- runs --------------------------------------------------------------------------------------------------------
    def forget_run(self, namespace: str, run_id: str) -> bool:
        """Delete the record of a run, its statuses, drafts and graphs; of users who had its graph as the newest, the one written
        before it is. Knowledge that it found stays. Returns True if there was anything.

        A server may take several transactions; repeat the call after an interruption.
        """

    def put_run(self, namespace: str, run: Run) -> None:
        """Insert or replace by id."""

    def run(self, namespace: str, run_id: str) -> Run:
        """Raises: StoreError: no such run."""

    def runs(self, namespace: str) -> list[Run]:
        """Newest first."""

    def set_user_status(self, namespace: str, run_id: str, user: str, status: UserStatus, cause: str = "") -> None:
        """Raises: StoreError: no such run."""

    def user_statuses(self, namespace: str, run_id: str) -> dict[str, tuple[UserStatus, str]]:
        """user -> (status, cause of a failure); empty for a run that is not there."""
