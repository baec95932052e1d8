"""Recommendations for all users: batch by batch, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from llmrg.lister import Lister, ListOptions
from llmrg.project_part import ProjectPart

if TYPE_CHECKING:
    import pyarrow as pa

    from llmrg.core.themes import Themes
    from llmrg.core.vetoes import Vetoes
    from llmrg.recommenders.base import BaseRecommender

BATCH = 256
"""Users of one batch: scored at once."""


class Lists(ProjectPart):
    """What `llmrg.Project` can do for all users at once."""

    def recommend_all(
        self,
        path: Path | str,
        *,
        k: int = 10,
        users: Iterable[str] | None = None,
        recommender: str | None = None,
        again: bool = False,
        why: bool = False,
        run: str = "",
        ray: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Path:
        """Write every user's list to a file; under its name stands a whole file or what stood there before.

        Args:
            path: `.parquet`, `.csv` or `.jsonl`; rows of user, rank (1-based), item, title, score; users as in the data.
            k: items per user; fewer where fewer unseen ones are left.
            users: some of the users; all by default.
            recommender: name of a trained one; by default the best on validation items.
            again: items that the user has taken already too.
            why: a column with the strongest reason in words; many times slower.
            run: whose graphs are read; by default those that the recommender learnt from, else each user's newest.
            ray: on a Ray cluster, as in `build`.
            progress: told the users done, and all of them.
        Raises: ConfigError: another ending; PlaceError; ArtifactError: no recommender is trained; UnknownUserError; StoreError.
        """
        from llmrg.list_file import SCHEMA, WITH_WHY, check_kind, list_file

        path = Path(path)
        check_kind(path)
        folder = self.recommender_folder(recommender)
        options = ListOptions(k, again, why, self._graphs_of(folder, run))
        chosen = list(self.dataset.histories) if users is None else list(users)
        batches = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
        done = 0
        with list_file(path, WITH_WHY if why else SCHEMA) as file:
            for batch, table in zip(batches, self._tables(batches, folder, options, ray), strict=True):
                file.write_table(table)
                done += len(batch)
                if progress:
                    progress(done, len(chosen))
        return path

    def _tables(self, batches: list[list[str]], folder: Path, options: ListOptions, ray: str | None) -> Iterator[pa.Table]:
        """The batches' rows in order, made when they are asked for."""
        if ray is not None:
            from llmrg.on_ray.cluster import connected
            from llmrg.on_ray.list_workers import tables_on

            with connected(ray, self.settings) as cluster:
                yield from tables_on(cluster, self.settings, self.dataset, folder, self.themes(), self.vetoes, options, batches)
            return
        lister = Lister(self.dataset, self.store, self.recommender(folder.name), self.themes(), self.vetoes, options)
        yield from map(lister.table, batches)

    def _graphs_of(self, folder: Path, run: str) -> str:
        """The run to read. Raises: ConfigError: there are no graphs of it."""
        from llmrg.kept_figures import read_figures

        kept = read_figures(folder)
        return self.run_named(run or (kept.run if kept is not None else ""))

    if TYPE_CHECKING:  # the project has these

        def recommender_folder(self, name: str | None = None) -> Path: ...
        def recommender(self, name: str | None = None, *, device: str | None = None) -> BaseRecommender: ...
        def run_named(self, run: str) -> str: ...
        def themes(self) -> Themes: ...
        @property
        def vetoes(self) -> Vetoes: ...
