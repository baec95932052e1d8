"""A language model asked from the command line, and its table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("peft")
pytest.importorskip("sacrebleu")
torch = pytest.importorskip("torch")

from llmrg.cli.main import app  # noqa: E402
from llmrg.core.errors import ArtifactError, CallerError, ConfigError, ModelFileError, UnknownItemError, UnknownUserError  # noqa: E402
from llmrg.testing.tiny_llama import save_tiny_llama  # noqa: E402

Run = Callable[..., Any]
SAID = "I like the sound of it, and the cable."


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six users who say something of each of five products, and a small base model."""
    made = tmp_path_factory.mktemp("ask")
    rows = [
        f"u{user}\ti{(user + at) % 7}\t{at}\t{1 + (user * at) % 5}\tHead {at}\t{SAID}\tThing {(user + at) % 7}"
        for user in range(6)
        for at in range(5)
    ]
    (made / "said.tsv").write_text("user\titem\ttime\trating\theadline\ttext\ttitle\n" + "\n".join(rows) + "\n", encoding="utf-8")
    save_tiny_llama(made / "llama")
    return made


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    def call(*arguments: str, fails: type[Exception] | None = None, home: str = "home") -> Any:
        columns = "user=user,item=item,time=time,rating=rating,headline=headline,text=text,title=title"
        data = ("--data", str(folder / "said.tsv"), "--columns", columns, "--home", str(folder / home))
        done = CliRunner().invoke(app, [*arguments, *data])
        if fails:
            assert isinstance(done.exception, fails), (done.output, done.exception)
            return str(done.exception)
        assert done.exit_code == 0, (done.output, done.exception)
        return done

    return call


@pytest.fixture(scope="module", autouse=True)
def trained(run: Run, folder: Path) -> None:
    """A language model for stars, explanations and headlines, beside a recommender that is none."""
    settings = {"model": folder / "llama", "families": "rating,explanation,review", "train_layers": 1, "texts_per_user": 1}
    given = [word for name, value in {**settings, "draws": 1, "lora_rank": 4}.items() for word in ("--set", f"{name}={value}")]
    run("train", "recsysllm", "--fusion", "none", "--epochs", "1", "--threads", "1", *given)
    run("train", "popularity")


def test_each_form_answers_and_says_that_nothing_was_checked(run: Run) -> None:
    forms = [
        ("What do they like?", "u1"),
        ("What next?", "--items", "i1,i2"),
        ("u1", "--explain", "i0"),
        ("u1", "--explain", "i0", "--feature", "sound"),
        ("--headline", SAID),
        ("--rate", "i0", "--items", "i1"),
    ]
    for form in forms:
        done = run("ask", *form)
        assert "checked against nothing" in done.stderr
        assert "llmrg explain" in done.stderr
        assert "checked against nothing" not in done.stdout
        assert len(done.stdout.splitlines()) == 1
    stars = run("ask", "u1", "--rate", "i0", "--with", "recsysllm").stdout
    assert stars.endswith(" stars of 5\n")
    assert 1 <= float(stars.split()[0]) <= 5


def test_json_holds_the_answer_alone(run: Run) -> None:
    found = json.loads(run("ask", "u1", "--rate", "i0", "--json").stdout)
    assert found["recommender"] == "recsysllm"
    assert not found["checked"]
    assert 1 <= found["answer"] <= 5
    assert isinstance(json.loads(run("ask", "What?", "u1", "--json").stdout)["answer"], str)


def test_the_user_and_the_word_asked_for_matter(run: Run) -> None:
    stars = {run("ask", user, "--rate", "i0").stdout for user in ("u1", "u2", "u3")}
    assert len(stars) > 1
    assert run("ask", "u1", "--explain", "i0").stdout != run("ask", "u1", "--explain", "i0", "--feature", "sound").stdout


def test_errors_name_the_next_step(run: Run, folder: Path) -> None:
    assert "llmrg train recsysllm" in run("ask", "What?", "u1", home="elsewhere", fails=ConfigError)
    assert "no language model to ask" in run("ask", "What?", "u1", "--with", "popularity", fails=ConfigError)
    assert "no trained recommender" in run("ask", "What?", "u1", "--with", "nothing", fails=ArtifactError)
    assert "ask something" in run("ask", fails=CallerError)
    assert "either a user or --items" in run("ask", "What?", fails=CallerError)
    assert "either a user or --items" in run("ask", "What?", "u1", "--items", "i1", fails=CallerError)
    assert "leave the question 'What?' out" in run("ask", "What?", "u1", "--rate", "i0", fails=CallerError)
    assert "needs no user" in run("ask", "u1", "--headline", SAID, fails=CallerError)
    assert "give one of them" in run("ask", "u1", "--rate", "i0", "--explain", "i0", fails=CallerError)
    assert "with --explain" in run("ask", "u1", "--rate", "i0", "--feature", "sound", fails=CallerError)
    assert "is empty" in run("ask", " ", "u1", fails=CallerError)
    run("ask", "What?", "nobody", fails=UnknownUserError)
    run("ask", "u1", "--rate", "nothing", fails=UnknownItemError)
    run("ask", "What?", "--items", "nothing", fails=UnknownItemError)


def test_a_family_that_was_not_trained_is_named(run: Run, folder: Path) -> None:
    settings = {"model": folder / "llama", "families": "rating", "train_layers": 1, "texts_per_user": 1, "draws": 1}
    given = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    run("train", "recsysllm", "--fusion", "none", "--epochs", "1", *given, home="rating")
    said = run("ask", "u1", "--explain", "i0", home="rating", fails=ConfigError)
    assert "trained for rating, not for explanation" in said
    assert "--set families=rating,explanation" in said


def test_the_table_of_families(run: Run) -> None:
    found = json.loads(run("evaluate", "--families", "--users", "2", "--json").stdout)
    rows = {(row["question"], row["by"], row["wording"]): row for row in found["rows"]}
    assert rows["stars", "model", "unseen"]["figures"].keys() == {"RMSE", "MAE"}
    assert rows["headline of a review", "most frequent headline", ""]["users"] == 2
    shown = " ".join(run("evaluate", "--families", "--users", "1", "--recommender", "recsysllm").stdout.split())
    for word in ("rating", "model, seen: rating-1", "user + item means", "ROUGE-L", "test position", "drawn by seed 0"):
        assert word in shown
    assert "are for --families" in run("evaluate", "--users", "3", fails=ConfigError)
    assert "no language model" in run("evaluate", "--families", "--recommender", "popularity", fails=ConfigError)


def test_an_explanation_in_words(folder: Path) -> None:
    """From the graph, and checked: on the demo, whose items have reasons."""

    def call(*arguments: str) -> Any:
        return CliRunner().invoke(app, [*arguments, "--home", str(folder / "demo")])

    settings = {"model": folder / "llama", "train_layers": 1, "lora_rank": 2, "history_items": 2}
    given = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    how = ("--fusion", "themes", "--fit", "late", "--epochs", "1", "--threads", "1", *given)
    for command in (("build", "--users", "8", "--mind", "attributes"), ("train", "recsysllm", *how)):
        done = call(*command)
        assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads(call("recommend", "reader-001", "-k", "1", "--json").stdout)[0]
    asked = ("explain", "reader-001", found["item"], "--in-words")
    said, *lines = call(*asked).stdout.splitlines()
    assert found["title"] in said
    assert any("of the score" in line for line in lines), "the parts follow the sentence"
    plain = json.loads(call(*asked, "--with", "recsysllm+themes", "--json").stdout)
    assert plain["in_words"]["text"] == said, "without a name it is the language model that validation found best"
    assert plain["in_words"]["how"] == "worded"
    assert plain["in_words"]["steps"]
    assert all(step in plain["steps"] for step in plain["in_words"]["steps"])
    assert call("train", "popularity").exit_code == 0
    done = call(*asked, "--with", "popularity")
    assert isinstance(done.exception, ConfigError)
    assert "no language model" in str(done.exception)
    assert "in_words" not in json.loads(call(*asked[:3], "--with", "popularity", "--json").stdout)


def test_base_models_are_unpacked_where_the_project_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llmrg import Project
    from llmrg.recsysllm.backbone import Backbone

    seen: list[Path] = []

    def load(name: str, place: Path, *_: Any) -> Any:
        seen.append(place)
        raise ModelFileError("stopped here")

    monkeypatch.setattr(Backbone, "load", load)
    columns = {name: name for name in ("user", "item", "time", "rating", "headline", "text", "title")}
    how = {"home": folder / "home", "cache_dir": folder / "elsewhere", "load": {"columns": columns}}
    with Project(folder / "said.tsv", **how) as project:
        with pytest.raises(ModelFileError):
            project.train("recsysllm", graphs=False)
        with pytest.raises(ModelFileError):
            project.recommender("recsysllm")
        assert project.recommender("popularity").items.ids
    assert seen == [folder / "elsewhere"] * 2


def test_help_shows_how(run: Run) -> None:
    shown = CliRunner().invoke(app, ["ask", "--help"]).stdout
    for form in ("--rate", "--explain", "--feature", "--headline", "--items", 'llmrg ask "What do they like?" reader-001'):
        assert form in shown
    assert "llmrg evaluate --families" in CliRunner().invoke(app, ["evaluate", "--help"]).stdout


def test_the_table_of_the_demo_has_rows_of_its_own(folder: Path) -> None:
    """Alone and with themes, as `llmrg demo --recsysllm` trains it: the second is another training, of titles alone."""
    from llmrg.encoders.text import HashedVectors
    from llmrg.evaluation.experiment import Experiment, run_experiment
    from llmrg.recommenders.training import RunOptions, TrainingConfig
    from llmrg.testing.recommender_suite import cycle_graphs, cycle_world

    world = cycle_world(20)
    settings = {"model": str(folder / "llama"), "train_layers": 1, "lora_rank": 2, "epochs": 1}
    how = {"training": TrainingConfig(epochs=1), "options": RunOptions(threads=1), "language_model": settings}
    table = run_experiment(Experiment(world, cycle_graphs(world), HashedVectors(), **how))
    alone, beside = table.rows[-2:]
    assert (alone.name, beside.name) == ("RecSysLLM", "RecSysLLM + reasoning graph")
    assert alone.metrics != beside.metrics


def test_the_demo_asks_for_the_language_model_before_it_begins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> Path:
        raise ModelFileError("no smollm2 here; install it")

    monkeypatch.setattr("llmrg.language_models.folders.model_folder", gone)
    home = folder / "early"
    done = CliRunner().invoke(app, ["demo", "--mind", "attributes", "--recsysllm", "--users", "10", "--home", str(home)])
    assert isinstance(done.exception, ModelFileError)
    assert not home.exists()
