"""`llmrg train` and `llmrg evaluate`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from llmrg.cli.app import AsJson, Data, Home, Run, Store, app, print_json, project
from llmrg.cli.load_options import Load, reading
from llmrg.cli.next_command import PLAIN, next_command, print_next
from llmrg.console import err
from llmrg.recommenders.names import LANGUAGE_MODEL, MODELS, SIMPLE

if TYPE_CHECKING:
    from llmrg.recommenders.making import GraphOptions

OPTIONS = {
    "graphs", "run", "attributes", "objective", "config", "final", "start_from", "seed", "device", "threads", "step", "mlflow",
}  # fmt: skip
"""Arguments of `Project.train` that are no settings of a model."""
BASES, OTHERS = ", ".join(MODELS), ", ".join(SIMPLE)
Fusion = Annotated[
    Literal["themes", "concat", "sr_gnn", "slots", "words", "none"],
    typer.Option(
        help="How graphs come in: themes (reasons as a second space), concat (the paper's, causal encoder), sr_gnn (the paper's, "
        "SR-GNN), slots or words (recsysllm: in two tokens of the prompt, or as words), none (the base model alone)."
    ),
]
Fit = Annotated[
    Literal["auto", "late", "joint"],
    typer.Option(
        help="Of themes: late weighs them after the base is trained, joint trains both together, auto: validation chooses."
    ),
]
Profiles = Annotated[str, typer.Option(help="Source of item profiles: auto, catalogue, words, steps, or a stored one.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps, or auto [default: cpu, or LLMRG_DEVICE].")]
NoReasoned = Annotated[bool, typer.Option("--no-reasoned", help="Leave the reasoned steps out (ablation).")]
NoImagined = Annotated[bool, typer.Option("--no-imagined", help="Leave the imagined steps out (ablation).")]
Mlflow = Annotated[bool, typer.Option("--mlflow", help="Log to MLflow, where MLFLOW_TRACKING_URI says (extra `mlflow`).")]
MlflowUri = Annotated[
    str, typer.Option("--mlflow-uri", metavar="URI", show_default=False, help="Log to MLflow there, such as sqlite:///mlflow.db.")
]
NoGates = Annotated[bool, typer.Option("--no-gates", help="Weigh every theme by its rarity alone (ablation).")]


@app.command()
@reading
def train(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="The same as --model.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help=f"{BASES}; recsysllm, a language model (extra `lm`); or one without graphs: {OTHERS} [default: sasrec].",
        ),
    ] = None,
    fusion: Fusion = "themes",
    fit: Fit = "auto",
    profiles: Profiles = "auto",
    no_reasoned: NoReasoned = False,
    no_imagined: NoImagined = False,
    no_gates: NoGates = False,
    attributes: Annotated[bool, typer.Option("--attributes", help="Put the items' attributes into their vectors.")] = False,
    objective: Annotated[
        str | None,
        typer.Option(help="next_item, last_item (every prefix for itself), cloze, contrastive [default: the model's own]."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the model, such as max_length=200; may be repeated."),
    ] = None,
    final: Annotated[
        bool,
        typer.Option(
            "--final",
            help="For use, not for evaluation: once the best epoch is known, train anew on whole histories.",
        ),
    ] = False,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME", help="Begin with the weights of a kept recommender, such as sasrec+themes."),
    ] = None,
    run: Run = "",
    data: Data = "",
    store: Store = None,
    home: Home = None,
    seed: int = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs at most [default: 200; recsysllm 3].")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Adam's step size [default: 0.002; recsysllm 0.0005].")] = None,
    device: Device = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 chooses by the size of the catalogue.")] = 0,
    mlflow: Mlflow = False,
    mlflow_uri: MlflowUri = "",
    load: Load = None,
) -> None:
    """Train a recommender on the training parts of all histories and keep it.

    Ctrl-C stops cleanly; the same command goes on after the last finished epoch.

    \b
    Examples:
      llmrg train
      llmrg train --model bsarec --fusion themes
      llmrg train --model sasrec --fusion none --data ml-latest-small
      llmrg train --model duorec --fusion sr_gnn --device auto
      llmrg train --final
      llmrg train --from sasrec+themes
      llmrg train --run 3fa9
      llmrg train -m bsarec --objective last_item --set norm=after --set positions=end
      llmrg train recsysllm --fusion none --set item_attributes=all
    """
    from llmrg.core.errors import ConfigError
    from llmrg.progress.bars import training
    from llmrg.recommenders.training import TrainingConfig

    if name and model and name != model:
        raise ConfigError(f"two models are named, {name!r} and {model!r}; name one")
    model = name or model or "sasrec"
    training_options = {"epochs": epochs, "learning_rate": learning_rate}
    training_options = {key: value for key, value in training_options.items() if value is not None}
    chosen: dict[str, Any] = {**training_options, **settings_of(setting or [])}
    config = None
    if model != LANGUAGE_MODEL:
        config, chosen = TrainingConfig(**training_options), settings_of(setting or [])  # type: ignore[arg-type]
    if taken := sorted(chosen.keys() & OPTIONS):
        raise ConfigError(f"{taken[0]} is no setting of a model; give it as an option of `llmrg train` (see --help)")
    how = graph_options(fusion, fit, profiles, no_reasoned, no_imagined, no_gates)
    with project(data, store, home, load) as opened:
        with training(model) as (show, step):
            opened.train(
                model,
                graphs=False if how is None else how,
                run=run,
                attributes=attributes,
                objective=objective,
                config=config,
                final=final,
                start_from=start,
                seed=seed,
                device=device,
                threads=threads,
                progress=show,
                step=step,
                mlflow=mlflow_uri or mlflow,
                **chosen,
            )
        trained, user, repeats = opened.figures(), next(iter(opened.dataset.histories)), opened.dataset.report.repeats
    for trained_name, figures in trained.items():
        whole = "  (final: trained on whole histories; the figure is of the fit before)" if figures.final else ""
        learnt = f"  (graphs of run {figures.run})" if figures.run else ""
        best = "  (recommend takes this one)" if trained_name == next(iter(trained)) else ""
        err.print(f"validation NDCG@10 {figures.validation_ndcg:.4f}  {trained_name}{learnt}{whole}{best}", **PLAIN)
    err.print(f"kept in {opened.settings.home / 'models' / opened.name}", highlight=False, markup=False)
    if repeats:
        err.print(f"{repeats} (`llmrg recommend --again` lists taken items too)", **PLAIN)
    print_next(next_command(context, "recommend", [user]))


def settings_of(pairs: list[str]) -> dict[str, str]:
    """Raises: ConfigError: not NAME=VALUE."""
    from llmrg.core.errors import ConfigError

    for pair in pairs:
        if "=" not in pair:
            raise ConfigError(f"--set takes NAME=VALUE, such as max_length=200, not {pair!r}")
    return {name.strip().replace("-", "_"): value.strip() for name, _, value in (pair.partition("=") for pair in pairs)}


def graph_options(
    fusion: str, fit: str, profiles: str, no_reasoned: bool, no_imagined: bool, no_gates: bool
) -> GraphOptions | None:
    """What the options say; None for the base model alone."""
    from llmrg.recommenders.making import GraphOptions

    if fusion == "none":
        return None
    return GraphOptions(fusion, fit, profiles, not no_reasoned, not no_imagined, not no_gates)  # type: ignore[arg-type]


@app.command()
@reading
def evaluate(
    model: Annotated[str, typer.Option("--model", "-m", help=f"Base model: {BASES}.")] = "sasrec",
    fusion: Fusion = "themes",
    fit: Fit = "auto",
    profiles: Profiles = "auto",
    no_reasoned: NoReasoned = False,
    no_imagined: NoImagined = False,
    no_gates: NoGates = False,
    run: Run = "",
    data: Data = "",
    store: Store = None,
    home: Home = None,
    seeds: Annotated[int, typer.Option(help="Trainings per trained recommender, each with its own seed.", min=1)] = 1,
    families: Annotated[
        bool, typer.Option("--families", help="Instead: how a trained recsysllm rates, explains, sums up and chooses.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--recommender", "--with", help="With --families: a trained one [default: the best recsysllm].")
    ] = None,
    users: Annotated[
        int | None, typer.Option(min=1, help="With --families: users asked [default: all; 200 where texts are written].")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Train rows anew that are kept from before.")] = False,
    device: Device = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the table for a paper too: a file .csv, .tex or .json.")
    ] = None,
    mlflow: Mlflow = False,
    mlflow_uri: MlflowUri = "",
    load: Load = None,
    as_json: AsJson = False,
) -> None:
    """The honest table: controls, base model, base + graphs, each trained and ranked on held-out items.

    Rows are kept: Ctrl-C stops, the same command goes on, and with other graphs only the rows that they change are trained.

    \b
    Examples:
      llmrg evaluate --data demo --seeds 5
      llmrg evaluate --model bsarec --fit joint --output table.tex
      llmrg evaluate --run 3fa9
      llmrg evaluate --families --data amazon-musical-instruments --users 100
    """
    from llmrg.cli.families import evaluate_families
    from llmrg.cli.result_files import check_name, table_text
    from llmrg.cli.tables import print_comparison
    from llmrg.core.errors import ConfigError
    from llmrg.core.places import usable_folder, written
    from llmrg.progress.bars import steps

    if families:
        if output:
            raise ConfigError("--output is for the honest table; with --families take --json")
        with project(data, store, home, load) as opened:
            evaluate_families(opened, name, users, device, as_json, run)
        return
    if name is not None or users is not None:
        raise ConfigError("--recommender and --users are for --families; the honest table trains recommenders of its own")
    if output:
        check_name(output)
        usable_folder(output.absolute().parent)  # before hours of training
    how = graph_options(fusion, fit, profiles, no_reasoned, no_imagined, no_gates)
    if how is None:
        raise ConfigError(
            "the table compares the base model with graphs, so --fusion none says nothing; take themes, concat or sr_gnn"
        )
    with project(data, store, home, load) as opened:
        rows = opened.experiment(model=model, graphs=how, run=run, device=device).trainings(seeds)
        with steps("train and rank", rows) as show:
            what: dict[str, Any] = {"model": model, "graphs": how, "run": run, "device": device, "epoch": show.epoch}
            what["mlflow"] = mlflow_uri or mlflow
            kept = partial(show.kept, advice="; --again trains them anew")
            try:
                table = opened.compare(range(seeds), show, ranked=show.ranked, again=again, kept=kept, **what)
            except KeyboardInterrupt:
                err.print(f"kept: {show.finished} of {rows} rows, and the finished epochs of the row that was cut short", **PLAIN)
                raise
        if output:
            written(output, table_text(table, output))
        if as_json:
            print_json(table.to_json())
        else:
            print_comparison(table)
