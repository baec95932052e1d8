"""Recommendations for all users on a Ray cluster: batches go to a pool of actors, each of which loads the recommender once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmrg.core.errors import WorkerLostError
from llmrg.core.settings import Settings
from llmrg.core.themes import Themes
from llmrg.core.vetoes import Vetoes
from llmrg.data.dataset import Dataset
from llmrg.kept_figures import VALIDATED
from llmrg.lister import Lister, ListOptions
from llmrg.on_ray.cluster import Cluster, settings_for

if TYPE_CHECKING:
    import pyarrow as pa

RETRIES = 5
"""Times that a batch is given again whose worker has died."""


@dataclass(frozen=True)
class ListJob:
    """All that a worker needs to know; it travels as data."""

    dataset: Dataset
    settings: Settings
    recommender: dict[str, bytes]
    """Path within the saved recommender's folder -> content: the folder lies on the driver's machine."""
    themes: Themes
    vetoes: Vetoes
    options: ListOptions


class ListWorker:
    """The actor."""

    def __init__(self) -> None:
        self._lister: Lister | None = None

    def table(self, job: list[Any], users: Sequence[str]) -> pa.Table:
        """As `Lister.table`. Args: job: reference to a `ListJob`, in a list: Ray fetches it only where it is asked for."""
        import ray

        if self._lister is None:
            self._lister = self._opened(ray.get(job[0]))
        return self._lister.table(users)

    def _opened(self, job: ListJob) -> Lister:
        from llmrg.graph_store.open_store import open_configured_store
        from llmrg.recommenders.loading import load_recommender
        from llmrg.wiring import text_vectors

        settings = job.settings
        with tempfile.TemporaryDirectory() as folder:
            for name, content in job.recommender.items():
                file = Path(folder) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            how = {"cache_dir": settings.cache_dir.expanduser(), "device": settings.device}
            recommender = load_recommender(folder, text=text_vectors(settings), **how)
        return Lister(job.dataset, open_configured_store(settings), recommender, job.themes, job.vetoes, job.options)


def tables_on(
    cluster: Cluster,
    settings: Settings,
    dataset: Dataset,
    folder: Path,
    themes: Themes,
    vetoes: Vetoes,
    options: ListOptions,
    batches: list[list[str]],
) -> Iterator[pa.Table]:
    """The rows of each batch, in order; as many batches as there are workers are under way at once.

    Args: folder: of the saved recommender.
    Raises: WorkerLostError; as `Lister.table`.
    """
    import ray
    from ray.exceptions import RayActorError, RayTaskError
    from ray.util import ActorPool

    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and VALIDATED not in path.relative_to(folder).parts]
    files = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
    job = ray.put(ListJob(dataset, settings_for(settings), files, themes, vetoes, options))
    make = cluster.actor(ListWorker, retries=RETRIES)
    workers = [make() for _ in range(min(cluster.workers, len(batches)))]
    try:
        yield from ActorPool(workers).map(lambda worker, users: worker.table.remote([job], users), batches)
    except RayActorError as error:
        raise WorkerLostError(
            f"a worker died {RETRIES + 1} times over one batch ({str(error).splitlines()[0]}); look into Ray's logs"
        ) from error
    except RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from None
    finally:
        for worker in workers:
            ray.kill(worker)
