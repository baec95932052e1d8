"""The part of a project that trains recommenders, keeps them, and compares them."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmrg.core.errors import ArtifactError, ConfigError, GraphNotFoundError
from llmrg.core.places import HOME, usable_folder
from llmrg.core.records import ReasoningGraph
from llmrg.kept_figures import VALIDATED, Figures, read_figures, write_figures
from llmrg.project_part import ProjectPart

if TYPE_CHECKING:
    from llmrg.core.graph_table import GraphTable
    from llmrg.core.text_vectors import TextVectors
    from llmrg.core.themes import Themes
    from llmrg.mlflow_log import MlflowLog
    from llmrg.recommenders.base import BaseRecommender
    from llmrg.recommenders.making import GraphOptions
    from llmrg.recommenders.protocol import Recommender
    from llmrg.recommenders.training import Epoch, RunOptions, TrainingConfig
    from llmrg.recsysllm.training import Progress

_LOG = logging.getLogger(__name__)


class Trainings(ProjectPart):
    """What `llmrg.Project` can do with recommenders."""

    if TYPE_CHECKING:  # the project has it

        def graphs(self, run: str = "") -> GraphTable: ...

    def train(
        self,
        model: str = "sasrec",
        /,
        *,
        graphs: bool | GraphOptions = True,
        run: str = "",
        attributes: bool = False,
        objective: str | None = None,
        config: TrainingConfig | None = None,
        final: bool = False,
        start_from: str | BaseRecommender | None = None,
        seed: int = 0,
        device: str | None = None,
        threads: int = 0,
        progress: Callable[[Epoch], None] | bool | None = None,
        step: Callable[[Progress], None] | None = None,
        mlflow: str | bool = False,
        **settings: Any,
    ) -> Recommender:
        """Train a recommender on the training parts and keep it in `home`.

        Args:
            model: `sasrec`, `gru4rec`, `bert4rec`, `fdsa`, `cl4srec`, `duorec`, `bsarec`, or a simple one that uses no graph:
                `rules`, `popularity`, `item-knn`, `ease`, `text`, `overlap`. `recsysllm` is a language model turned recommender:
                its `settings` are those of `llmrg.recsysllm.RecSysLlmConfig` and `LlmTrainingConfig`.
            graphs: add the reasoning graphs, and how (`llmrg.recommenders.GraphOptions`); False trains the base model alone.
            run: whose graphs (an id, or the beginning of one); by default each user's newest. The recommender keeps it:
                `recommend`, `explain` and `show` then read graphs of the same run.
            attributes: put the catalogue's attributes into the item vectors.
            objective: `next_item`, `last_item` (every prefix for itself: better where histories are short), ...; by default the
                model's own.
            final: learn from whole histories once the best epoch is known, from the usual training on the training parts, or from
                one of the same data and settings that is kept already. What is kept must not be evaluated on held-out items.
            start_from: a recommender that is kept in `home`, by name, or a fitted one: training begins with its weights where
                they fit. What is new to it begins as usual, what is gone is left out, and an epoch counts as better only if it
                is better than the start. Of one trained with `final` its validated fit is taken.
            device: `cpu`, `cuda`, `auto`; by default the one of the settings.
            threads: CPU threads; 0 chooses by the size of the catalogue.
            progress: told after each epoch; True shows bars, or lines where there is no terminal; by default a notebook's cell
                shows bars.
            step: told after each training step of a language model.
            mlflow: log the training to this tracking URI; True takes MLflow's own.
            settings: fields of the model's configuration (`embedding_size`, `max_length`, ...).
        Raises: ConfigError: unknown name or device, no step visible in training, a start that does not fit, or a final fit of a
        model that has none; GraphNotFoundError: graphs before any was built; ArtifactError: no such start.
        """
        from llmrg.core.graph_table import GraphTable
        from llmrg.progress.shown import heard_by, training_progress
        from llmrg.recommenders.loading import load_recommender
        from llmrg.recommenders.making import GraphOptions
        from llmrg.recommenders.marks import fit_mark
        from llmrg.recommenders.names import LANGUAGE_MODEL, SIMPLE
        from llmrg.recommenders.training import RunOptions
        from llmrg.recommenders.warm_start import weights_mark
        from llmrg.wiring import text_vectors

        if final and model == LANGUAGE_MODEL:
            raise ConfigError(
                f"{model} has no final fit: it is trained with the last two items of each history held back",
                sdk="leave out `final=True`",
                shell="leave out --final",
            )
        how = None if graphs is False or model in SIMPLE else GraphOptions(backend=self.settings.backend)
        how = graphs if isinstance(graphs, GraphOptions) and how is not None else how
        built = self._graphs_to_learn_from(run) if how is not None else GraphTable.of([])
        usable_folder(self.settings.home, HOME)  # known before hours of training
        folder = self._model_folder(model_name(model, how, attributes))
        usable_folder(folder.parent, HOME)
        chosen: dict[str, Any] = {"attributes": attributes, "objective": objective}
        with ExitStack() as stack:
            show, step = stack.enter_context(training_progress(progress, step, model))
            if mlflow:
                logged_options = {"final": final, "start_from": getattr(start_from, "name", start_from), "seed": seed, **settings}
                params = {"model": model, "graphs": how, "config": config, **chosen, **logged_options}
                logged = stack.enter_context(self._mlflow(mlflow).run(folder.name, params, self._tags(built)))
                show = heard_by(show, logged.epoch)
            options = RunOptions(seed, device or self.settings.device, threads, folder.with_suffix(".training"), show)
            text = text_vectors(self.settings)
            recommender = self._new_recommender(model, text, how, options, step, config=config, **chosen, **settings)
            themes, start = self.themes(), self._start(start_from)
            started = "" if start is None else weights_mark(start)
            mark = fit_mark(self.dataset, built, themes, model, how, chosen, config, seed, settings, text.name, started)
            earlier = read_figures(folder)
            if final and earlier is not None and earlier.fit == mark:
                recommender = load_recommender(folder, text=text, training=config, options=options)
                ndcg_of = earlier.validation_ndcg
            if start is not None:
                recommender.start_from(start)
            if not recommender.is_fitted:
                recommender.fit(self.dataset, built, themes)
                ndcg_of = self._validated(recommender)
            if final:
                if not recommender.final:
                    recommender.save(folder / VALIDATED)
                recommender.fit_whole(self.dataset, built, themes)
            elif (folder / VALIDATED).exists():
                shutil.rmtree(folder / VALIDATED)  # that of a training before
            recommender.graphs_run = shared_run(built)
            self._keep(folder.name, recommender, Figures(ndcg_of, final, mark, recommender.graphs_run))
            if mlflow:
                logged.metrics({"best_validation_ndcg_10": ndcg_of})
        for checkpoint in folder.parent.glob(f"{folder.name}.training*"):
            checkpoint.unlink()
        return recommender

    def _new_recommender(
        self,
        model: str,
        text: TextVectors,
        how: GraphOptions | None,
        options: RunOptions,
        step: Callable[[Progress], None] | None,
        /,  # a language model has a setting `model` of its own
        **settings: Any,
    ) -> BaseRecommender:
        """A recommender of this name that is not fitted. Args: settings: as those of `train`, `config` among them."""
        from llmrg.recommenders.making import make_recommender
        from llmrg.recommenders.names import LANGUAGE_MODEL

        if model != LANGUAGE_MODEL:
            return make_recommender(model, text, graphs=how, training=settings.pop("config"), options=options, **settings)
        from llmrg.recsysllm.making import make_recsysllm

        model_settings = {name: settings.pop(name) for name in ("attributes", "objective", "config")}  # which it does not have
        chosen = {name: value for name, value in model_settings.items() if value}
        return make_recsysllm(text, how, options, step, cache_dir=self.settings.cache_dir.expanduser(), **chosen, **settings)

    def themes(self) -> Themes:
        """Themes and item profiles that the store holds of this data set."""
        return self.store.themes(self.name)

    def trained(self) -> dict[str, float]:
        """Name -> validation NDCG@10 of each recommender that is kept in `home`, the best first."""
        return {name: figures.validation_ndcg for name, figures in self.figures().items()}

    def figures(self) -> dict[str, Figures]:
        """Name -> what is known of each recommender that is kept in `home`, the best on validation items first."""
        folders = [path for path in self._model_folder("").glob("*") if path.is_dir()]
        figures_of = {path.name: figures for path in folders if (figures := read_figures(path)) is not None}
        return dict(sorted(figures_of.items(), key=lambda pair: (-pair[1].validation_ndcg, pair[0])))

    def recommender(self, name: str | None = None, *, device: str | None = None) -> BaseRecommender:
        """A trained recommender of this project: `sasrec`, `sasrec+themes`, ...; by default the best on validation items.

        Args: device: of a language model; by default the one of the settings.

        Raises: ArtifactError: not trained yet, or damaged.
        """
        return self._read_kept(self.recommender_folder(name), device)

    def recommender_folder(self, name: str | None = None) -> Path:
        """Where a trained recommender is kept, by default the best on validation items. Raises: ArtifactError: not trained."""
        trained = self.trained()
        if name is None and not trained:
            raise ArtifactError(f"no recommender of {self.name!r} is trained in {self.settings.home}; run `llmrg train`")
        folder = self._model_folder(name or next(iter(trained)))
        self._check_kept(folder)
        return folder

    def _start(self, start_from: str | BaseRecommender | None) -> BaseRecommender | None:
        """Raises: ArtifactError: no recommender of this name is kept."""
        if not isinstance(start_from, str):
            return start_from
        folder = self._model_folder(start_from)
        return self._read_kept(folder / VALIDATED if (folder / VALIDATED).exists() else folder)

    def _read_kept(self, folder: Path, device: str | None = None) -> BaseRecommender:
        """Raises: ArtifactError: not trained yet, or damaged."""
        from llmrg.recommenders.loading import load_recommender
        from llmrg.wiring import text_vectors

        self._check_kept(folder)
        how = {"cache_dir": self.settings.cache_dir.expanduser(), "device": device or self.settings.device}
        recommender = load_recommender(folder, text=text_vectors(self.settings), **how)
        figures = read_figures(folder)
        recommender.graphs_run = figures.run if figures is not None else ""
        return recommender

    def _check_kept(self, folder: Path) -> None:
        """Raises: ArtifactError: not trained yet."""
        if not folder.exists():
            trained = self.trained()
            others = f"; trained are {', '.join(trained)}" if trained else ""
            raise ArtifactError(
                f"no trained recommender {folder.name!r} in {folder}; train it with `llmrg train --model MODEL`{others}"
            )

    def _model_folder(self, name: str) -> Path:
        return self.settings.home / "models" / self.name / name

    def _mlflow(self, where: str | bool) -> MlflowLog:
        """Raises: MissingPackageError, ConfigError: nothing can be logged there."""
        from llmrg.mlflow_log import MlflowLog

        return MlflowLog(where, self.name)

    def _tags(self, graphs: Mapping[str, ReasoningGraph]) -> dict[str, str]:
        """What a logged run is known by: release, data set and its content, and the graphs, by content and by the runs that
        made them."""
        from llmrg import __version__
        from llmrg.evaluation.provenance import made_by
        from llmrg.recommenders.marks import data_mark, graphs_mark

        tags = {"release": __version__, "data": self.name, "data_mark": data_mark(self.dataset)}
        if graphs:
            minds, runs = made_by(graphs, self.store.runs(self.name))
            tags |= {"graphs_mark": graphs_mark(graphs), "minds": minds, "runs": runs}
        return {f"llmrg.{name}": value for name, value in tags.items() if value}

    def _validated(self, recommender: Recommender) -> float:
        """NDCG@10 on validation items."""
        from llmrg.evaluation.held_out import rank_held_out
        from llmrg.recommenders.ranking import mean_ndcg

        ndcg = getattr(recommender, "validation_ndcg", None)
        return float(mean_ndcg(rank_held_out(recommender, self.dataset, split="validation").masked) if ndcg is None else ndcg)

    def _graphs_to_learn_from(self, run: str) -> GraphTable:
        """Raises: GraphNotFoundError: there are none; ConfigError: none of such a run."""
        built = self.graphs(run)
        if not built:
            raise GraphNotFoundError(next(iter(self.dataset.histories), ""))
        runs = Counter(built.runs)
        if len(runs) > 1:
            mixed = ", ".join(f"{name} ({number:,} users)" for name, number in runs.most_common())
            _LOG.warning("the newest graphs are of %d runs: %s; choose one with run= (--run)", len(runs), mixed)
        return built

    def _keep(self, name: str, recommender: Recommender, figures: Figures) -> None:
        from llmrg.data_identity import keep_identity

        folder = self._model_folder(name)
        recommender.save(folder)
        write_figures(folder, figures)
        keep_identity(self.dataset, self.settings.home)


def shared_run(graphs: Mapping[str, ReasoningGraph]) -> str:
    """The run of all graphs; "" where there are several, or no graph."""
    from llmrg.core.graph_table import GraphTable

    runs = set(GraphTable.of_mapping(graphs).runs)
    return runs.pop() if len(runs) == 1 else ""


def model_name(model: str, graphs: GraphOptions | None, attributes: bool) -> str:
    """Folder of a trained recommender."""
    return "+".join([model, *(["attributes"] if attributes else []), *([graphs.fusion] if graphs is not None else [])])
