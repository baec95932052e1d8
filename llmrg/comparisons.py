"""What a project does to compare recommenders: the honest table, and what it is made of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmrg.core.places import HOME, usable_folder
from llmrg.core.records import ReasoningGraph
from llmrg.forget import EVALUATIONS
from llmrg.kept_figures import Figures
from llmrg.trainings import Trainings, model_name, shared_run

if TYPE_CHECKING:
    from llmrg.evaluation.comparison import Comparison
    from llmrg.evaluation.experiment import Experiment
    from llmrg.evaluation.held_out import Ranks
    from llmrg.recommenders.base import BaseRecommender
    from llmrg.recommenders.making import GraphOptions
    from llmrg.recommenders.training import Epoch, TrainingConfig

_LOG = logging.getLogger(__name__)


class Comparisons(Trainings):
    """What `llmrg.Project` can do to compare recommenders."""

    def compare(
        self,
        seeds: Sequence[int] = (0,),
        progress: Callable[[str], None] | bool | None = None,
        *,
        keep: bool = False,
        again: bool = False,
        ranked: Callable[[Ranks], None] | None = None,
        kept: Callable[[int, int], None] | None = None,
        mlflow: str | bool = False,
        **experiment: Any,
    ) -> Comparison:
        """The honest table: controls, base model, base + graphs, on the held-out last items of all users.

        What each training comes to is kept in `home`, so that a table that was cut short goes on where it stopped, and one with
        other graphs trains only what these change.

        Args:
            progress: told the name of each training as it begins; True shows bars, or lines where there is no terminal; by
                default a notebook's cell shows bars.
            keep: save the trained recommenders (first seed, real graphs) as `train` would.
            again: train anew what is kept of the same data, graphs and settings.
            ranked: told the ranks of each training when it is done.
            kept: told how many trainings of how many are kept from before.
            mlflow: log the table to this tracking URI, a run for each row; True takes MLflow's own.
            experiment: what is compared; see `Project.experiment`.
        Raises: GraphNotFoundError: no graph was built; DataError: no history is long enough.
        """
        from llmrg.evaluation.experiment import run_experiment
        from llmrg.evaluation.kept_rows import KeptRows
        from llmrg.progress.shown import heard_by, table_progress

        setup = self.experiment(**experiment)
        names = {"base": setup.model, "graphs": model_name(setup.model, setup.how, False)}
        trained = (
            (lambda which, recommender: self._keep(names[which], recommender, self._figures(recommender, which, setup)))
            if keep
            else None
        )
        rows = KeptRows(usable_folder(self.settings.home / EVALUATIONS / self.name, HOME), _LOG.warning)
        begins, epoch = (progress if callable(progress) else None), setup.options.progress
        with ExitStack() as stack:
            if show := stack.enter_context(table_progress(progress, setup.trainings(len(seeds)))):
                begins, ranked, kept, epoch = show, ranked or show.ranked, kept or show.kept, heard_by(epoch, show.epoch)
            if mlflow:
                from llmrg.mlflow_log import log_table

                params = {"model": setup.model, "graphs": setup.how, "config": setup.training, "seeds": list(seeds)}
                logged = stack.enter_context(log_table(self._mlflow(mlflow), params, self._tags(setup.graphs)))
                begins, epoch = heard_by(begins, logged.begins), heard_by(epoch, logged.epoch)
            setup = replace(setup, options=replace(setup.options, progress=epoch))
            callbacks: dict[str, Any] = {"progress": begins, "trained": trained, "ranked": ranked, "kept": kept}
            table = run_experiment(setup, seeds, rows=rows, again=again, **callbacks)
            if mlflow:
                logged.done(table)
        return table

    def experiment(
        self,
        *,
        model: str = "sasrec",
        graphs: GraphOptions | None = None,
        config: TrainingConfig | None = None,
        device: str | None = None,
        epoch: Callable[[Epoch], None] | None = None,
        more: Mapping[str, Mapping[str, ReasoningGraph]] | None = None,
        run: str = "",
        language_model: Mapping[str, Any] | None = None,
    ) -> Experiment:
        """What `compare` runs.

        Args:
            model: the base model.
            graphs: how graphs come in.
            config: how long and how fast to train; the same for every row but a language model's.
            epoch: told after each epoch of a training.
            more: further graphs by name, each a row of its own: `more={"by attributes": project.graphs(run)}`.
            run: whose graphs (an id, or the beginning of one); by default each user's newest.
            language_model: settings of a RecSysLLM, which is two rows more: alone and with the graphs.
        Raises: GraphNotFoundError: no graph was built.
        """
        from llmrg import __version__
        from llmrg.evaluation.experiment import Experiment
        from llmrg.recommenders.making import GraphOptions
        from llmrg.recommenders.training import RunOptions
        from llmrg.wiring import text_vectors

        built = self._graphs_to_learn_from(run)
        how = graphs or GraphOptions(backend=self.settings.backend)
        options = RunOptions(device=device or self.settings.device, progress=epoch)
        return Experiment(
            self.dataset,
            built,
            text_vectors(self.settings),
            self.themes(),
            model,
            how,
            config,
            options,
            more=more or {},
            language_model=language_model,
            runs=self.store.runs(self.name),
            release=__version__,
        )

    def _figures(self, recommender: BaseRecommender, which: str, experiment: Experiment) -> Figures:
        """Of the `base` or the `graphs` of an experiment."""
        recommender.graphs_run = shared_run(experiment.graphs) if which == "graphs" else ""
        return Figures(self._validated(recommender), run=recommender.graphs_run)
