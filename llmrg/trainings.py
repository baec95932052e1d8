"""The part of a project that trains recommenders, keeps them, and compares them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmrg.core.errors import ArtifactError, ConfigError, GraphNotFoundError
from llmrg.core.places import HOME, usable_folder
from llmrg.core.records import ReasoningGraph
from llmrg.kept_figures import Figures, read_figures, write_figures
from llmrg.project_part import ProjectPart

if TYPE_CHECKING:
    from llmrg.core.graph_table import GraphTable
    from llmrg.core.themes import Themes
    from llmrg.evaluation.comparison import Comparison
    from llmrg.evaluation.experiment import Experiment
    from llmrg.evaluation.ranking import Ranks
    from llmrg.recommenders.base import BaseRecommender
    from llmrg.recommenders.making import GraphOptions
    from llmrg.recommenders.protocol import Recommender
    from llmrg.recommenders.training import Epoch, TrainingConfig
    from llmrg.recsysllm.training import Progress


log = logging.getLogger(__name__)


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
        seed: int = 0,
        device: str | None = None,
        threads: int = 0,
        progress: Callable[[Epoch], None] | None = None,
        step: Callable[[Progress], None] | None = None,
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
            device: `cpu`, `cuda`, `auto`; by default the one of the settings.
            threads: CPU threads; 0 chooses by the size of the catalogue.
            step: told after each training step of a language model.
            settings: fields of the model's configuration (`embedding_size`, `max_length`, ...).
        Raises: ConfigError: unknown name or device, no step visible in training, or a final fit of a model that has none;
        GraphNotFoundError: graphs before any was built.
        """
        from llmrg.core.graph_table import GraphTable
        from llmrg.kept_figures import fit_mark
        from llmrg.recommenders.loading import load_recommender
        from llmrg.recommenders.making import GraphOptions, make_recommender
        from llmrg.recommenders.names import LANGUAGE_MODEL, SIMPLE
        from llmrg.recommenders.training import RunOptions
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
        folder = self._model_folder(_model_name(model, how, attributes))
        usable_folder(folder.parent, HOME)
        options = RunOptions(seed, device or self.settings.device, threads, folder.with_suffix(".training"), progress)
        text = text_vectors(self.settings)
        made: BaseRecommender
        chosen: dict[str, Any] = {"attributes": attributes, "objective": objective}
        if model == LANGUAGE_MODEL:
            from llmrg.recsysllm.making import make_recsysllm

            small = {name: value for name, value in {**chosen, "config": config}.items() if value}  # which it does not have
            place = self.settings.cache_dir.expanduser()
            made = make_recsysllm(text, how, options, step, cache_dir=place, **small, **settings)
        else:
            made = make_recommender(model, text, graphs=how, training=config, options=options, **chosen, **settings)
        themes = self.themes()
        mark = fit_mark(self.dataset, built, themes, model, how, chosen, config, seed, settings, text.name)
        kept = read_figures(folder)
        if final and kept is not None and kept.fit == mark:
            made = load_recommender(folder, text=text, training=config, options=options)
            ndcg_of = kept.validation_ndcg
        else:
            made.fit(self.dataset, built, themes)
            ndcg_of = self._validated(made)
        if final:
            made.fit_whole(self.dataset, built, themes)
        made.graphs_run = _one_run(built)
        self._keep(folder.name, made, Figures(ndcg_of, final, mark, made.graphs_run))
        for checkpoint in folder.parent.glob(f"{folder.name}.training*"):
            checkpoint.unlink()
        return made

    def themes(self) -> Themes:
        """Themes and item profiles that the store holds of this data set."""
        return self.store.themes(self.name)

    def trained(self) -> dict[str, float]:
        """Name -> validation NDCG@10 of each recommender that is kept in `home`, the best first."""
        return {name: figures.validation_ndcg for name, figures in self.figures().items()}

    def figures(self) -> dict[str, Figures]:
        """Name -> what is known of each recommender that is kept in `home`, the best on validation items first."""
        folders = [path for path in self._model_folder("").glob("*") if path.is_dir()]
        kept = {path.name: figures for path in folders if (figures := read_figures(path)) is not None}
        return dict(sorted(kept.items(), key=lambda pair: (-pair[1].validation_ndcg, pair[0])))

    def recommender(self, name: str | None = None, *, device: str | None = None) -> BaseRecommender:
        """A trained recommender of this project: `sasrec`, `sasrec+themes`, ...; by default the best on validation items.

        Args: device: of a language model; by default the one of the settings.

        Raises: ArtifactError: not trained yet, or damaged.
        """
        from llmrg.recommenders.loading import load_recommender
        from llmrg.wiring import text_vectors

        trained = self.trained()
        if name is None and not trained:
            raise ArtifactError(f"no recommender of {self.name!r} is trained in {self.settings.home}; run `llmrg train`")
        folder = self._model_folder(name or next(iter(trained)))
        if not folder.exists():
            known = f"; trained are {', '.join(trained)}" if trained else ""
            raise ArtifactError(f"no trained recommender {name!r} in {folder}; train it with `llmrg train --model MODEL`{known}")
        how = {"cache_dir": self.settings.cache_dir.expanduser(), "device": device or self.settings.device}
        made = load_recommender(folder, text=text_vectors(self.settings), **how)
        kept = read_figures(folder)
        made.graphs_run = kept.run if kept is not None else ""
        return made

    def _model_folder(self, name: str) -> Path:
        return self.settings.home / "models" / self.name / name

    def compare(
        self,
        seeds: Sequence[int] = (0,),
        progress: Callable[[str], None] | None = None,
        *,
        keep: bool = False,
        ranked: Callable[[Ranks], None] | None = None,
        **experiment: Any,
    ) -> Comparison:
        """The honest table: controls, base model, base + graphs, on the held-out last items of all users.

        Args:
            progress: told the name of each training as it begins.
            keep: save the trained recommenders (first seed, real graphs) as `train` would.
            ranked: told the ranks of each training when it is done.
            experiment: what is compared; see `Project.experiment`.
        Raises: GraphNotFoundError: no graph was built; DataError: no history is long enough.
        """
        from llmrg.evaluation.experiment import run_experiment

        made = self.experiment(**experiment)
        names = {"base": made.model, "graphs": _model_name(made.model, made.how, False)}
        trained = (
            (lambda which, recommender: self._keep(names[which], recommender, self._figures(recommender, which, made)))
            if keep
            else None
        )
        return run_experiment(made, seeds, progress=progress, trained=trained, ranked=ranked)

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
        )

    def _validated(self, recommender: Recommender) -> float:
        """NDCG@10 on validation items."""
        from llmrg.evaluation.ranking import rank_held_out
        from llmrg.recommenders.ranking import ndcg

        known = getattr(recommender, "validation_ndcg", None)
        return float(ndcg(rank_held_out(recommender, self.dataset, split="validation").masked) if known is None else known)

    def _figures(self, recommender: BaseRecommender, which: str, experiment: Experiment) -> Figures:
        """Of the `base` or the `graphs` of an experiment."""
        recommender.graphs_run = _one_run(experiment.graphs) if which == "graphs" else ""
        return Figures(self._validated(recommender), run=recommender.graphs_run)

    def _graphs_to_learn_from(self, run: str) -> GraphTable:
        """Raises: GraphNotFoundError: there are none; ConfigError: none of such a run."""
        built = self.graphs(run)
        if not built:
            raise GraphNotFoundError(next(iter(self.dataset.histories), ""))
        runs = Counter(built.runs)
        if len(runs) > 1:
            mixed = ", ".join(f"{name} ({number:,} users)" for name, number in runs.most_common())
            log.warning("the newest graphs are of %d runs: %s; choose one with run= (--run)", len(runs), mixed)
        return built

    def _keep(self, name: str, recommender: Recommender, figures: Figures) -> None:
        from llmrg.data_identity import keep_identity

        folder = self._model_folder(name)
        recommender.save(folder)
        write_figures(folder, figures)
        keep_identity(self.dataset, self.settings.home)


def _one_run(graphs: Mapping[str, ReasoningGraph]) -> str:
    """The run of all graphs; "" where there are several, or no graph."""
    from llmrg.core.graph_table import GraphTable

    runs = set(GraphTable.of_users(graphs, graphs).runs)
    return runs.pop() if len(runs) == 1 else ""


def _model_name(model: str, graphs: GraphOptions | None, attributes: bool) -> str:
    """Folder of a trained recommender."""
    return "+".join([model, *(["attributes"] if attributes else []), *([graphs.fusion] if graphs is not None else [])])
