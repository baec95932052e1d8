"""Trainings and tables as runs of an MLflow tracking server, where that is asked for (extra `mlflow`).

Written with a client of its own: the program's active run and tracking URI stay as they are. A server that fails on the way
costs a warning and no training.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from llmrg.core.errors import ConfigError, MissingPackageError

if TYPE_CHECKING:
    from llmrg.evaluation.comparison import Comparison, Row
    from llmrg.recommenders.training import Epoch

LONGEST, LONGEST_TAG = 500, 5000
"""Characters of a parameter and of a tag at most."""
_LOG = logging.getLogger(__name__)


class MlflowLog:
    """The experiment `llmrg/DATA` of one server."""

    def __init__(self, where: str | bool, data: str) -> None:
        """Args: where: a tracking URI (`http://host:5000`, `sqlite:///mlflow.db`); True for MLflow's own choice, which
        `MLFLOW_TRACKING_URI` makes.

        Raises: MissingPackageError; ConfigError: no server there, or a URI that MLflow does not take.
        """
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing is sent but what was asked for
        try:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
        except ImportError as error:
            raise MissingPackageError("mlflow", "pip install 'llmrg[mlflow]'") from error
        self._error: type[Exception] = MlflowException
        self._lost = False
        try:
            self.client: Any = MlflowClient(tracking_uri=None if where is True else str(where))
            experiment = self.client.get_experiment_by_name(f"llmrg/{data}")
            self._experiment = experiment.experiment_id if experiment else self.client.create_experiment(f"llmrg/{data}")
        except MlflowException as error:
            reason = str(error).strip().splitlines()[0]
            raise ConfigError(
                f"MLflow cannot log to {'its own tracking URI' if where is True else repr(where)}: {reason}",
                sdk="give `mlflow=` the URI of a server or sqlite:///mlflow.db",
                shell="give --mlflow-uri the URI of a server or sqlite:///mlflow.db",
            ) from error

    @contextmanager
    def run(self, name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[LoggedRun]:
        """A run around the block: finished at its end, failed where an error leaves it, killed where Ctrl-C does."""
        run = self.begin(name, tags)
        run.params(params)
        try:
            yield run
        except BaseException as error:
            run.end(_status(error))
            raise
        run.end("FINISHED")

    def begin(self, name: str, tags: Mapping[str, str], parent: str = "") -> LoggedRun:
        """A run that the caller ends. Args: parent: id of the run that it is listed under."""
        cut_tags = {tag: value[:LONGEST_TAG] for tag, value in tags.items()} | ({"mlflow.parentRunId": parent} if parent else {})
        run = self.send(self.client.create_run, self._experiment, run_name=name, tags=cut_tags)
        return LoggedRun(self, run.info.run_id if run is not None else "")

    def send(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What the server answers; None from its first failure on: one that is away would hold up every epoch."""
        if self._lost:
            return None
        try:
            return call(*arguments, **options)
        except self._error as error:
            self._lost = True
            _LOG.warning("MLflow failed (%s); the work goes on, and no more of it is logged", str(error).strip().splitlines()[0])
            return None


class LoggedRun:
    """One run."""

    def __init__(self, log: MlflowLog, id: str) -> None:
        self._log, self.id, self._epochs = log, id, 0

    def params(self, values: Mapping[str, Any]) -> None:
        """What is None or empty is left out; a nested configuration becomes `name.field`."""
        from mlflow.entities import Param

        params = [Param(name, str(value)[:LONGEST]) for name, value in _flat(values).items()]
        self._log.send(self._log.client.log_batch, self.id, params=params)

    def metrics(self, values: Mapping[str, float | None], step: int = 0) -> None:
        """Names as `metric_name` makes them; None is left out."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now, step) for name, value in values.items() if value is not None]
        self._log.send(self._log.client.log_batch, self.id, metrics=metrics)

    def epoch(self, epoch: Epoch) -> None:
        """One step for each epoch of this run, counted through where several models are trained for it."""
        self._epochs += 1
        figures = {"validation_ndcg_10": epoch.ndcg, "validation_nll": epoch.nll, "loss": epoch.loss}
        self.metrics({**figures, "epoch": epoch.number}, self._epochs)

    def row(self, row: Row) -> None:
        """The metrics of a row of a table, each with the ends of its interval."""
        figures: dict[str, float | None] = {"p_value": row.p_value, "coverage": row.coverage}
        named = {**row.metrics, **({"difference NDCG@10": row.difference} if row.difference is not None else {})}
        for name, interval in named.items():
            label = metric_name(name)
            figures |= {label: interval.value, f"{label}_low": interval.low, f"{label}_high": interval.high}
        self.metrics(figures | {f"{metric_name(name)}_unmasked": value for name, value in row.unmasked.items()})

    def text(self, text: str, name: str) -> None:
        """A file of the run."""
        self._log.send(self._log.client.log_text, self.id, text, name)

    def end(self, status: str) -> None:
        """FINISHED, FAILED or KILLED."""
        self._log.send(self._log.client.set_terminated, self.id, status)


class TableLog:
    """A table as one run with a run for each row under it."""

    def __init__(self, log: MlflowLog, whole: LoggedRun, tags: Mapping[str, str]) -> None:
        self._log, self._whole, self._tags = log, whole, tags
        self._rows: dict[str, LoggedRun] = {}
        self._now: LoggedRun | None = None

    def begins(self, name: str) -> None:
        """A training begins."""
        self._now = self._row(name)

    def epoch(self, epoch: Epoch) -> None:
        """Of the training that began last."""
        if self._now is not None:
            self._now.epoch(epoch)

    def done(self, table: Comparison) -> None:
        """The figures of all rows, those that were kept from before among them, and the table as files."""
        for row in table.rows:
            self._row(row.name).row(row)
        self._whole.metrics({"users": table.card.users, "items": table.card.items})
        self._whole.text(json.dumps(table.to_json(), indent=1, default=str), "table.json")
        self._whole.text(table.to_pandas().to_csv(), "table.csv")
        self._whole.text("".join(f"{label}: {text}\n" for label, text in table.card.lines()), "card.txt")

    def end(self, status: str) -> None:
        for run in self._rows.values():
            run.end(status)

    def _row(self, name: str) -> LoggedRun:
        if name not in self._rows:
            self._rows[name] = self._log.begin(name, self._tags, self._whole.id)
        return self._rows[name]


@contextmanager
def log_table(log: MlflowLog, params: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[TableLog]:
    """A run for a table, and runs for its rows, which end with it."""
    with log.run("evaluate", params, tags) as whole:
        table = TableLog(log, whole, tags)
        try:
            yield table
        except BaseException as error:
            table.end(_status(error))
            raise
        table.end("FINISHED")


def _status(error: BaseException) -> str:
    return "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"


def metric_name(name: str) -> str:
    """`NDCG@10` as MLflow takes it: `ndcg_10`."""
    return name.lower().replace("@", "_").replace(" ", "_")


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if is_dataclass(value) and not isinstance(value, type):
            value = asdict(value)
        value = value.model_dump() if isinstance(value, BaseModel) else value
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        elif value is not None and value != "":
            flat[f"{prefix}{name}"] = value
    return flat
