"""The part of a project that builds: minds, estimates, calibration, builds, their reports, the review of what they left open."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmrg.core.errors import ConfigError
from llmrg.core.places import HOME, usable_folder, written
from llmrg.core.records import ReasoningGraph
from llmrg.data.dataset import Dataset
from llmrg.project_part import ProjectPart

if TYPE_CHECKING:
    from llmrg.agents.config import BuildConfig
    from llmrg.agents.context import Minds
    from llmrg.agents.estimate.estimate import Estimate
    from llmrg.agents.open_mind import OpenMinds
    from llmrg.agents.review import WaitingStep
    from llmrg.agents.run.build import BuildEvent
    from llmrg.agents.run.build_report import BuildReport
    from llmrg.agents.run.crew import OpenCrew
    from llmrg.core.calibration import Calibration
    from llmrg.core.vetoes import Vetoes
    from llmrg.data.truth import PlantedStep
    from llmrg.profiles import Profiles


class Builds(ProjectPart):
    """What `llmrg.Project` can do before and while graphs are built."""

    @property
    def own_dataset(self) -> Dataset:
        """The data set, after its name has been found to be its own. Raises: DataError: as `name`."""
        _ = self.name
        return self.dataset

    # -- minds -------------------------------------------------------------------------------------------------------
    @property
    def mind(self) -> Any:
        """The mind that the settings name, opened once."""
        return self._opened_minds.get(self.settings.mind)

    @cached_property
    def _opened_minds(self) -> OpenMinds:
        from llmrg.agents.open_mind import OpenMinds

        return OpenMinds(self.dataset, self.settings, lambda: self.store.themes(self.name))

    @cached_property
    def vetoes(self) -> Vetoes:
        """Reasons that are neither built nor shown. Raises: ConfigError, PlaceError: a file that the settings name is off."""
        from llmrg.core.vetoes import load_vetoes

        return load_vetoes(self.settings)

    def minds(self, mind: Any = None, *, reasoner: Any = None, verifier: Any = None, imaginer: Any = None) -> Minds:
        """Who fills which role: names such as `chat/ollama:llama3.2` and `likelihood`, or minds of one's own.

        Args: mind: for the roles that are not named; by default the one of the settings.
        Raises: ConfigError, MissingPackageError, ModelFileError.
        """
        from llmrg.agents.context import Minds

        roles = self._roles(mind, reasoner, verifier, imaginer)
        return Minds(*(self._opened_minds.get(role) if isinstance(role, str) else role for role in roles))

    def _roles(self, mind: Any, *roles: Any) -> tuple[Any, Any, Any]:
        """Reasoner, verifier, imaginer: names or minds of one's own."""
        rest = self.settings.mind if mind is None else mind
        reasoner, verifier, imaginer = (rest if role is None else role for role in roles)
        return reasoner, verifier, imaginer

    @property
    def profiles(self) -> Profiles:
        """What the store knows of items, by source: `list`, `get`, `import_`, `export`, `delete`."""
        from llmrg.profiles import Profiles

        return Profiles(self)

    # -- build -------------------------------------------------------------------------------------------------------
    async def abuild(
        self,
        *,
        mind: Any = None,
        reasoner: Any = None,
        verifier: Any = None,
        imaginer: Any = None,
        users: Iterable[str] | None = None,
        config: BuildConfig | None = None,
        resume: bool = True,
        retry_failed: bool = False,
        progress: Callable[[BuildEvent], None] | bool | None = None,
        ray: str | None = None,
    ) -> BuildReport:
        """Build reasoning graphs and keep them in the store; a run that was cut short goes on where it stopped.

        Args:
            mind: `likelihood`, `attributes`, `profiles/NAME`, `chat`, or any object of `llmrg.agents.protocols`; it fills the
                roles that `reasoner`, `verifier` and `imaginer` do not.
            users: some of the users; all by default.
            retry_failed: of these only the users that failed in this run.
            progress: told of each step of the way; True shows bars, or lines where there is no terminal; by default a notebook's
                cell shows bars.
            ray: build on a Ray cluster: `local` starts one of this machine's processors, `auto` takes the one that runs here,
                `host:port` another. Graphs are those of a build without it; `config.concurrency` is then each worker's. Minds
                that are objects must be picklable.
        Raises: UnknownUserError, ConfigError, MissingPackageError, ModelError, StoreError, BudgetSpentError.
        """
        from llmrg.agents.accounting.prices import load_prices
        from llmrg.agents.accounting.tracing import open_tracing
        from llmrg.agents.run.build import build
        from llmrg.agents.run.crew import this_process
        from llmrg.progress.shown import build_progress
        from llmrg.wiring import text_vectors

        dataset, roles = self.own_dataset, self._roles(mind, reasoner, verifier, imaginer)
        with ExitStack() as opened:
            crew: OpenCrew = this_process
            if ray is not None:
                from llmrg.on_ray.cluster import connected, settings_for
                from llmrg.on_ray.crew import ray_crew

                cluster = opened.enter_context(connected(ray, self.settings))
                crew = ray_crew(cluster, settings_for(self.settings), roles)
            tracing = opened.enter_context(closing(open_tracing(self.settings.trace)))
            reporter = opened.enter_context(build_progress(progress))
            return await build(
                dataset,
                self.store,
                self.minds(reasoner=roles[0], verifier=roles[1], imaginer=roles[2]),
                config,
                users=None if users is None else list(users),
                resume=resume,
                retry_failed=retry_failed,
                progress=reporter,
                vectors=text_vectors(self.settings),
                vetoes=self.vetoes,
                prices=load_prices(self.settings.prices),
                tracing=tracing,
                crew=crew,
            )

    def build(self, **options: Any) -> BuildReport:
        """`abuild`, waited for; the same arguments. In a notebook cell or other running loop, `await project.abuild(...)`."""
        from llmrg.wiring import run_async

        return run_async(self.abuild(**options))

    async def aestimate(
        self, *, users: Iterable[str] | None = None, config: BuildConfig | None = None, sample: int = 20, **roles: Any
    ) -> Estimate:
        """Calls, tokens and money of a build before it begins; nothing is asked of any model.

        Args:
            sample: users whose requests are rendered and counted; the others are reckoned by their blocks.
            roles: as in `minds`.
        """
        from llmrg.agents.accounting.prices import load_prices
        from llmrg.agents.estimate.estimate import estimate

        limits = {name: getattr(self.settings, name) for name in ("requests_per_minute", "tokens_per_minute")}
        return await estimate(
            self.own_dataset,
            self.minds(**roles),
            config,
            users=None if users is None else list(users),
            sample=sample,
            earlier=self.store.runs(self.name),
            known=self.store.themes(self.name),
            prices=load_prices(self.settings.prices),
            **limits,
        )

    def estimate(self, **options: Any) -> Estimate:
        """`aestimate`, waited for."""
        from llmrg.wiring import run_async

        return run_async(self.aestimate(**options))

    async def acalibrate(
        self,
        mind: Any = None,
        *,
        reasoner: Any = None,
        verifier: Any = None,
        truth: Iterable[PlantedStep] | None = None,
        progress: Callable[[int, int], None] | None = None,
        **settings: Any,
    ) -> tuple[Calibration, Path]:
        """Measure a verifier on right and wrong steps; the figures and their picture (whose path is returned) are kept in `home`.

        Args:
            truth: planted steps that are right, where they are known; else the reasoner's proposals count as right.
            settings: fields of `llmrg.agents.calibration.CalibrationConfig`.
        Raises: DataError: too few steps; as `abuild`.
        """
        from llmrg.agents.calibration import CalibrationConfig, calibrate
        from llmrg.core.calibration import save_calibration
        from llmrg.explanations.calibration_svg import calibration_svg

        minds = self.minds(mind, reasoner=reasoner, verifier=verifier)
        config = CalibrationConfig(**settings)
        usable_folder(self.settings.home, HOME)
        calibration = await calibrate(self.own_dataset, minds, config, truth=truth, vetoes=self.vetoes, progress=progress)
        picture = save_calibration(calibration, self.settings.home).with_suffix(".svg")
        return calibration, written(picture, calibration_svg(calibration), HOME)

    def calibrate(self, mind: Any = None, **options: Any) -> tuple[Calibration, Path]:
        """`acalibrate`, waited for."""
        from llmrg.wiring import run_async

        return run_async(self.acalibrate(mind, **options))

    def calibrated_tau(self, mind: Any = None, *, verifier: Any = None) -> float:
        """The threshold that `calibrate` found for this verifier. Raises: ConfigError: none was found yet."""
        from llmrg.core.calibration import load_calibration

        judge = self.minds(mind, verifier=verifier).verifier
        calibration = load_calibration(self.settings.home, self.name, judge.name, str(getattr(judge, "server", "")))
        if calibration.tau is None:
            raise ConfigError(
                f"the calibration of {calibration.verifier} found no threshold for {calibration.false_accepts:.0%} false accepts"
            )
        return calibration.tau

    async def adirect_list(
        self,
        mind: Any = None,
        *,
        users: Iterable[str] | None = None,
        config: BuildConfig | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Mapping[str, ReasoningGraph]:
        """The control without a graph: what the model lists as next, for `compare(more={"direct list": ...})`; not stored."""
        from llmrg.agents.direct_list import direct_list
        from llmrg.wiring import text_vectors

        imaginer, chosen = self.minds(mind).imaginer, None if users is None else list(users)
        vectors = text_vectors(self.settings)
        return await direct_list(self.own_dataset, imaginer, config, users=chosen, vectors=vectors, progress=progress)

    def direct_list(self, mind: Any = None, **options: Any) -> Mapping[str, ReasoningGraph]:
        """`adirect_list`, waited for."""
        from llmrg.wiring import run_async

        return run_async(self.adirect_list(mind, **options))

    def run_report(self, run: str) -> dict[str, Any]:
        """What a run did over all its calls: costs per stage, causes of rejection, failed users.

        Raises: StoreError: no such run.
        """
        from llmrg.agents.run.report import run_report, verifier_server
        from llmrg.core.calibration import calibration_file, load_calibration

        report = run_report(self.store, self.name, run)
        verifier = (str(report["settings"].get("verifier")), verifier_server(report["settings"]))
        if calibration_file(self.settings.home, self.name, *verifier).exists():
            report["calibration"] = load_calibration(self.settings.home, self.name, *verifier).to_json()
        return report

    def write_run_report(self, run: str) -> Path:
        """The same as Markdown and JSON in `runs` of `home`; returns the path of the Markdown."""
        from llmrg.agents.run.report import markdown

        report, path = self.run_report(run), self.settings.home / "runs" / f"{run}.md"
        written(path.with_suffix(".json"), json.dumps(report, ensure_ascii=False, indent=2), HOME)
        return written(path, markdown(report), HOME)

    # -- review ------------------------------------------------------------------------------------------------------
    def waiting_steps(self, users: Sequence[str] | None = None) -> list[WaitingStep]:
        """Steps that wait for a person (`BuildConfig.review_from`), of some users or of all."""
        from llmrg.agents.review import waiting

        return list(waiting(self.store, self.name, self.dataset.catalogue, users))

    def decide_steps(self, decisions: Mapping[str, bool], users: Sequence[str] | None = None) -> dict[str, int]:
        """Accept (True) or reject waiting steps by their keys; returns how many of each.

        Raises: CallerError: no step waits under one of the keys; none is decided then.
        """
        from llmrg.agents.review import ReviewContext, decide

        return decide(ReviewContext(self.store, self.name, self.dataset.catalogue), decisions, users)
