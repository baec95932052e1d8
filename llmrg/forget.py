"""What a project can forget, a user, a run or the whole data set, and what lies in a store."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmrg.chosen_run import chosen_run
from llmrg.core.errors import DataError, UnknownUserError
from llmrg.core.settings import Settings
from llmrg.data_identity import forget_in_identity
from llmrg.graph_store.contents import graphs_of, pages_of_users
from llmrg.kept_figures import read_figures
from llmrg.project_part import ProjectPart

if TYPE_CHECKING:
    from llmrg.graph_store.protocol import GraphStore, StoreCounts

MODELS, PICTURES, EVALUATIONS = "models", "pictures", "evaluations"
"""Folders of `home`, with a folder for each data set."""


@dataclass(frozen=True)
class StoredSet:
    """One data set of a store."""

    name: str
    counts: StoreCounts


def stored_sets(store: GraphStore) -> list[StoredSet]:
    """All data sets of an opened store, by name."""
    return [StoredSet(name, store.counts(name)) for name in store.namespaces()]


@dataclass(frozen=True)
class Forgotten:
    """What was deleted, and what is left to do."""

    data: str
    """Name of the data set."""
    user: str | None
    """None: the whole data set, or a run."""
    graph_steps: int
    """Steps of the deleted graphs."""
    files: tuple[str, ...]
    """Deleted or rewritten files and folders of the project's own."""
    train_again: tuple[str, ...]
    """Trained recommenders that had learnt from the user, or from the run's graphs."""
    in_the_data: bool
    """Whether the user is still in the data set that was read: the next build would bring the user back."""
    cached_replies: int
    """Replies in the call cache. They name no user, so those about this one cannot be told from the others."""
    run: str | None = None
    """Where a run was forgotten."""

    def left_to_do(self) -> list[str]:
        """What the caller must still do, a line each."""
        if self.run is not None:
            return self._left_of_a_run()
        who = f"user {self.user!r}" if self.user is not None else f"data set {self.data!r}"
        todo = []
        if self.in_the_data:
            todo.append(f"{who} is still in the data itself: take it out there too, or the next build brings it back")
        if self.train_again:
            todo.append(f"trained with {who}, so train again: {', '.join(self.train_again)}")
        if self.cached_replies:
            todo.append(
                f"the call cache keeps {self.cached_replies:,} replies; they name no user, so those about {who} cannot be picked "
                "out: `llmrg cache clear` deletes all (what is built anew is then paid anew)"
            )
        return [*todo, "backups, exports and traces made before still hold it"]

    def _left_of_a_run(self) -> list[str]:
        trained = f"trained with graphs of run {self.run!r}, so train again: {', '.join(self.train_again)}"
        knowledge = (
            "the knowledge base keeps what the run found; `llmrg store prune` deletes entries that are little used or weak"
        )
        return [*([trained] if self.train_again else []), knowledge]


def picture_of(home: Path, data: str, user: str) -> Path:
    """Where a user's picture is kept."""
    name = "".join(c if c.isalnum() or c in "-_" else "_" for c in user)[:80]
    return home / PICTURES / data / f"{name}.html"


class Forgets(ProjectPart):
    """What `llmrg.Project` can forget."""

    if TYPE_CHECKING:  # `Builds` has it

        def write_run_report(self, run: str) -> Path: ...

    def forget(self, user: str) -> Forgotten:
        """Delete what the store and `home` hold of a user: history, graphs of all runs, drafts, statuses, the knowledge that came
        from the user first, the picture, the kept rows of comparisons. What is left to do, such as training again, is in the
        answer.

        Raises: UnknownUserError: neither the store nor the data has this user.
        """
        store, name, home = self.store, self.name, self.settings.home
        graphs = graphs_of(store, name, [user]).get(user, ())
        there = store.forget_user(name, user)
        if self.in_store:
            self.__dict__.pop("dataset", None)
        in_the_data = not self.in_store and user in self.dataset.histories
        if not there and not in_the_data:
            raise UnknownUserError(user, next(iter(store.users(name, limit=1)), ""))
        picture = picture_of(home, name, user)
        files = [picture] if picture.exists() else []
        picture.unlink(missing_ok=True)
        files += _removed([path for path in _folders(home, name) if path.parent.name == EVALUATIONS])  # ranks of all users
        remembered = forget_in_identity(name, home, user)
        files += [remembered] if remembered else []
        for run in store.runs(name):  # reports name users that failed
            if (home / "runs" / f"{run.id}.md").exists():
                files.append(self.write_run_report(run.id))
        trained = tuple(sorted(path.name for path in (home / MODELS / name).glob("*") if path.is_dir()))
        steps = sum(len(graph.steps) for graph in graphs)
        return Forgotten(name, user, steps, tuple(map(str, files)), trained, in_the_data, _replies(self.settings))

    def forget_run(self, run: str) -> Forgotten:
        """Delete the graphs, drafts, statuses and the record of a run (its id, or the beginning of it), and its report. Users who
        had its graph as the newest have the one before it.

        Raises: ConfigError: there is no such run, or several begin so.
        """
        store, name, home = self.store, self.name, self.settings.home
        run = chosen_run(store, name, run, (listed.id for listed in store.runs(name)))
        steps = sum(len(store.graphs(name, users, run).steps) for users in pages_of_users(store, name))
        store.forget_run(name, run)
        files = [path for path in (home / "runs" / f"{run}{suffix}" for suffix in (".md", ".json")) if path.exists()]
        for path in files:
            path.unlink()
        folders = sorted(path for path in (home / MODELS / name).glob("*") if path.is_dir())
        trained = tuple(path.name for path in folders if (figures := read_figures(path)) is not None and figures.run == run)
        return Forgotten(name, None, steps, tuple(map(str, files)), trained, False, 0, run)

    def forget_data_set(self) -> Forgotten:
        """Delete all that the store holds of the data set, and its recommenders, pictures and reports in `home`.

        Raises: DataError: the store has no such data set.
        """
        store, name, home = self.store, self.name, self.settings.home
        counts, runs = store.counts(name), [run.id for run in store.runs(name)]
        if not store.forget_namespace(name):
            there = ", ".join(store.namespaces()) or "none"
            raise DataError(f"{store.url} holds no data set {name!r}; there are: {there}")
        if self.in_store:
            self.__dict__.pop("dataset", None)
        reports = [home / "runs" / f"{run}{suffix}" for run in runs for suffix in (".md", ".json")]
        files = _removed([*reports, *_folders(home, name)])
        steps = counts.accepted + counts.rejected + counts.imagined
        return Forgotten(name, None, steps, tuple(map(str, files)), (), not self.in_store, _replies(self.settings))


def _removed(paths: Iterable[Path]) -> list[Path]:
    """Delete files and folders; returns those that were there."""
    there = [path for path in paths if path.exists()]
    for path in there:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return there


def _folders(home: Path, name: str) -> list[Path]:
    """Those of a data set; none for a name that leads out of them, such as `..`."""
    rooms = [(home / room).resolve() for room in (MODELS, PICTURES, EVALUATIONS)]
    return [room / name for room in rooms if room in (room / name).resolve().parents]


def _replies(settings: Settings) -> int:
    from llmrg.agents.chat.call_cache import SqliteCallCache

    if not settings.calls_path.exists():
        return 0
    cache = SqliteCallCache(settings.calls_path)
    try:
        return sum(model.replies for model in cache.stats())
    finally:
        cache.close()
