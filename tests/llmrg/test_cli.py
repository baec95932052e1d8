"""The command as its users meet it: exit codes, JSON, help, clear errors."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import neo4j
import pytest

from llmrg import Project
from llmrg.testing.neo4j_fixture import Neo4jServer

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def home(llmrg: Shell, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder in which a build has been done."""
    folder = tmp_path_factory.mktemp("cli")
    done = llmrg("build", "--users", "12", "--mind", "attributes", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["built"] == 12
    return folder


def test_train_recommend_explain_show(llmrg: Shell, home: Path) -> None:
    assert llmrg("train", "--model", "popularity", cwd=home).returncode == 0
    done = llmrg("recommend", "reader-001", "--recommender", "popularity", "--json", "-k", "3", cwd=home)
    found = json.loads(done.stdout)
    assert [row["rank"] for row in found] == [1, 2, 3]
    why = json.loads(llmrg("explain", "reader-001", found[0]["item"], "--json", cwd=home).stdout)
    assert why["user"] == "reader-001"
    assert not why["found"]  # popularity knows no reasons
    page = Path(llmrg("show", "reader-001", cwd=home).stdout.strip())
    assert "<svg" in page.read_text()


def test_recommendations_are_kept_in_neo4j_only(llmrg: Shell, home: Path) -> None:
    assert llmrg("train", "--model", "popularity", cwd=home).returncode == 0
    done = llmrg("recommend", "reader-001", "--with", "popularity", "--to-neo4j", cwd=home)
    assert done.returncode == 2
    assert "llmrg export neo4j://" in done.stderr
    done = llmrg("recommend", "--items", "dracula", "--with", "popularity", "--to-neo4j", cwd=home)
    assert done.returncode == 2
    assert "for a user of the data" in done.stderr


@pytest.mark.neo4j
def test_recommendations_are_kept_beside_the_graphs(llmrg: Shell, home: Path, empty_neo4j: Neo4jServer) -> None:
    user, password = empty_neo4j.auth
    where = {"LLMRG_OTHER_STORE_USER": user, "LLMRG_OTHER_STORE_PASSWORD": password}
    assert llmrg("train", "--model", "popularity", cwd=home).returncode == 0
    moved = llmrg("export", empty_neo4j.url, cwd=home, **where)
    assert moved.returncode == 0, moved.stderr
    where = {"LLMRG_STORE_USER": user, "LLMRG_STORE_PASSWORD": password}
    how = ("recommend", "reader-001", "--with", "popularity", "-k", "3", "--json")
    done = llmrg(*how, "--to-neo4j", "--store", empty_neo4j.url, cwd=home, **where)
    assert done.returncode == 0, done.stderr
    with neo4j.GraphDatabase.driver(empty_neo4j.url, auth=empty_neo4j.auth) as driver:
        rows = driver.execute_query(
            "MATCH (:User {name: 'reader-001'})-[r:RECOMMENDED {model: 'popularity'}]->(i:Item) "
            "WHERE r.at > datetime('2020-01-01') RETURN r.rank AS rank, i.id AS item, r.score AS score ORDER BY rank"
        ).records
    told = [(row["rank"], row["item"], row["score"]) for row in json.loads(done.stdout)]
    assert [tuple(row.values()) for row in rows] == told
    assert len(told) == 3


def test_chains_are_continued_where_they_are_told_to(llmrg: Shell, tmp_path: Path) -> None:
    found = {}
    for every in (0, 4):
        how = ("build", "--users", "1", "--mind", "attributes", "--cut-every", str(every), "--home", str(every))
        assert llmrg(*how, cwd=tmp_path).returncode == 0
        with Project(home=tmp_path / str(every)) as project:
            found[every] = set(project.graph("reader-001").cuts())
    assert found[0] < found[4]


def test_a_model_is_trained_as_it_is_told(llmrg: Shell, home: Path) -> None:
    how = ("train", "-m", "bsarec", "--fusion", "none", "--epochs", "1", "--objective", "last_item", "--set", "embedding_size=16")
    done = llmrg(*how, "--set", "norm=after", cwd=home)
    assert done.returncode == 0, done.stderr
    parts = json.loads((home / ".llmrg" / "models" / "demo" / "bsarec" / "config.json").read_text())
    assert '"last_item"' in (told := json.dumps(parts))
    assert '"norm": "after"' in told
    assert '"embedding_size": 16' in told
    for wrong, said in (
        (("--set", "norm=never"), "the setting norm='never' of bsarec: Input should be 'before' or 'after'"),
        (("--set", "wings=2"), "the setting wings='2' of bsarec: Extra inputs are not permitted; there are embedding_size"),
        (("--set", "norm"), "--set takes NAME=VALUE, such as max_length=200, not 'norm'"),
        (("--objective", "guess"), "there is no objective 'guess'; choose one of next_item, last_item"),
    ):
        done = llmrg(*how, *wrong, cwd=home)
        assert done.returncode == 2, wrong
        assert said in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["build"],
        ["train"],
        ["evaluate"],
        ["recommend"],
        ["explain"],
        ["show"],
        ["data", "inspect"],
        ["export"],
        ["import"],
        ["store", "backup"],
        ["store", "compact"],
        ["doctor"],
        ["store", "migrate"],
        ["store", "prune"],
        ["demo"],
        ["graph", "queries"],
    ],
)
def test_help_says_what_and_how(llmrg: Shell, command: list[str], tmp_path: Path) -> None:
    done = llmrg(*command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "llmrg" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["show", "nobody"], 2, ["nobody", "reader-001"]),
        (["show", "reader-299"], 3, ["reader-299", "llmrg build"]),
        (["explain", "reader-001", "no-such-book"], 2, ["no-such-book"]),
        (["recommend", "reader-001", "--recommender", "sasrec"], 5, ["no trained recommender 'sasrec'", "llmrg train --model"]),
        (["build", "--data", "nowhere.csv"], 2, ["nowhere.csv"]),
        (["build", "--data", "empty.csv"], 2, ["empty.csv"]),
        (["build", "--mind", "chat", "--users", "1"], 2, ["provider", "ollama:"]),
        (["build", "--columns", "user", "--data", "x.csv"], 2, ["name=column"]),
        (["show", "reader-001", "--store", "sqlite:///empty.csv"], 3, ["llmrg build"]),
        (["show", "reader-001", "--store", "postgres://x"], 2, ["sqlite:///"]),
        (["export", "copy.db"], 2, ["copy.db", "sqlite:///file.db"]),
        (["export", "folder", "--format", "xml"], 2, ["xml", "parquet"]),
        (["export", "sqlite:///copy.db", "--format", "jsonl"], 2, ["--format is for a folder"]),
        (["export", "folder", "--user", "reader-001"], 2, ["name.graphml"]),
        (["export", "folder", "--data", "store:nothing"], 3, ["holds nothing of 'nothing'"]),
        (["import", "nowhere"], 3, ["nowhere", "llmrg export"]),
        (["import", "sqlite:///copy.db"], 2, ["--namespace NAME"]),
    ],
)
def test_bad_input_ends_with_one_clear_line_and_its_code(
    llmrg: Shell, home: Path, arguments: list[str], code: int, words: list[str]
) -> None:
    (home / "empty.csv").write_text("")
    done = llmrg(*arguments, cwd=home)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_knowledge_is_pruned_after_a_dry_run(llmrg: Shell, home: Path, tmp_path: Path) -> None:
    store = shutil.copy(home / ".llmrg" / "graphs.db", tmp_path)
    weak = ["store", "prune", "--max-uses", "99", "--store", f"sqlite:///{store}"]
    tried = llmrg(*weak, "--dry-run", cwd=tmp_path).stderr
    found = int(tried.split()[0].replace(",", ""))
    assert found > 0
    assert f"{found:,} are there now" in tried
    assert f"{found:,} entries were deleted; 0 are there now" in llmrg(*weak, cwd=tmp_path).stderr


def test_a_store_of_this_release_needs_no_migration(llmrg: Shell, home: Path) -> None:
    done = llmrg("store", "migrate", "--dry-run", cwd=home)
    assert (done.returncode, "nothing to do" in done.stderr) == (0, True)


def test_doctor_says_what_is_wrong_in_the_store_and_mends_it_on_demand(llmrg: Shell, home: Path, tmp_path: Path) -> None:
    store = shutil.copy(home / ".llmrg" / "graphs.db", tmp_path)
    with sqlite3.connect(store) as db:
        db.execute("DELETE FROM graphs WHERE user = 'reader-001'")
        db.execute("UPDATE graphs SET accepted = accepted + 1 WHERE user = 'reader-002'")
    db.close()
    look = ["doctor", "--store", f"sqlite:///{store}", "--model", "openai:any", "--json"]

    def wrong(*more: str) -> dict[str, str]:
        rows = json.loads(llmrg(*look, *more, cwd=tmp_path).stdout)
        return {row["found"]: row["next"] for row in rows if row["state"] == "wrong"}

    first = wrong()
    assert len(first) == 2
    assert any("users marked done without a graph, as reader-001" in found for found in first)
    assert all(mend.startswith("--repair: ") for mend in first.values())
    assert wrong() == first
    assert set(wrong("--repair").values()) == {"mended"}
    assert wrong() == {}


def test_inspect_counts_bad_rows_when_asked(llmrg: Shell, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,time\na,x,1\na,y,2\nb,x,oops\nb,y,4\n")
    refused = llmrg("data", "inspect", "log.csv", cwd=tmp_path)
    assert refused.returncode == 2
    for word in ("log.csv", "line 4", "time", "oops"):
        assert word in refused.stderr
    skipped = llmrg("data", "inspect", "log.csv", "--on-bad-row", "skip", cwd=tmp_path)
    assert skipped.returncode == 0
    assert "oops" in skipped.stdout


def test_a_final_training_says_what_its_figure_is_of(llmrg: Shell, home: Path) -> None:
    how = ("train", "gru4rec", "--fusion", "none", "--epochs", "1", "--set", "embedding_size=8")
    first, final = llmrg(*how, cwd=home), llmrg(*how, "--final", cwd=home)
    assert final.returncode == 0, final.stderr

    def line(done: subprocess.CompletedProcess[str]) -> str:
        (found,) = [one for one in done.stderr.splitlines() if "validation NDCG@10" in one and "  gru4rec" in one]
        return found.removesuffix("  (recommend takes this one)")

    assert line(final) == f"{line(first)}  (final: trained on whole histories; the figure is of the fit before)"
    kept = json.loads((home / ".llmrg" / "models" / "demo" / "gru4rec" / "figures.json").read_text())
    assert kept["final"] is True
    assert llmrg("recommend", "reader-001", "--with", "gru4rec", cwd=home).returncode == 0
    refused = llmrg("train", "recsysllm", "--final", cwd=home)
    assert refused.returncode == 2
    assert "leave out --final" in refused.stderr


def test_repeats_are_told_and_recommended_where_they_are_asked_for(llmrg: Shell, tmp_path: Path) -> None:
    rows = [f"{user},{item},{n}" for user in "abc" for n, item in enumerate(["tea", "milk", "tea", "bread", "salt"])]
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "interactions.csv").write_text("\n".join(["user,item,time", *rows]))
    (tmp_path / "shop" / "items.csv").write_text("item,use\ntea,drink\nmilk,drink\nbread,eat\nsalt,eat\n")
    said = "3 of 15 rows are repeats of what a user had taken; only the first counts"
    looked = llmrg("data", "inspect", "shop", cwd=tmp_path)
    built = llmrg("build", "--data", "shop", "--mind", "attributes", "--no-verification", cwd=tmp_path)
    trained = llmrg("train", "popularity", "--data", "shop", cwd=tmp_path)
    assert (looked.returncode, built.returncode, trained.returncode) == (0, 0, 0), built.stderr + trained.stderr
    assert said in looked.stdout
    assert said in trained.stderr
    assert said in built.stderr
    how = ("recommend", "a", "--data", "shop")
    assert llmrg(*how, "--json", cwd=tmp_path).stdout.strip() == "[]"
    found = {row["item"]: row for row in json.loads(llmrg(*how, "--again", "--json", cwd=tmp_path).stdout)}
    assert found.keys() == {"tea", "milk", "bread", "salt"}
    assert all(row["already_taken"] for row in found.values())
    assert found["tea"]["why"]["taken"] == 0
    told = llmrg(*how, "--again", cwd=tmp_path).stdout
    assert told.count("  already taken") >= 4
    assert "already taken, as item 1 of the history" in told


def users_done(store: Path) -> int:
    if not store.exists():
        return 0
    db = sqlite3.connect(store)
    try:
        return int(db.execute("SELECT count(*) FROM user_statuses WHERE status = 'done'").fetchone()[0])
    except sqlite3.OperationalError:  # its tables are being made
        return 0
    finally:
        db.close()


def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(llmrg: Shell, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "llmrg.cli", "build", "--mind", "attributes", "--users", "60", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background would have it ignored
    running = subprocess.Popen(command, cwd=tmp_path, text=True, preexec_fn=heard, **pipes)
    end = time.monotonic() + 120
    while time.monotonic() < end and users_done(tmp_path / ".llmrg" / "graphs.db") < 3:
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130, told
    assert "Traceback" not in told
    report = json.loads(llmrg(*command[3:], cwd=tmp_path).stdout)
    assert report["skipped"] > 0
    assert report["skipped"] + report["built"] == 60


def test_machine_as_mermaid(llmrg: Shell, tmp_path: Path) -> None:
    text = llmrg("graph", "machine", cwd=tmp_path).stdout
    for node in ("plan", "recall", "reason", "verify", "commit", "diverge", "ground", "publish"):
        assert node in text


def test_queries_for_neo4j_browser(llmrg: Shell, tmp_path: Path) -> None:
    assert "// 03 Why this item" in llmrg("graph", "queries", cwd=tmp_path).stdout
    written = llmrg("graph", "queries", "--write", "pack", cwd=tmp_path).stdout.split()
    assert [(tmp_path / path).suffix for path in written] == [".zip", ".grass"]
    assert all((tmp_path / path).stat().st_size > 1000 for path in written)


def test_export_copies_everything(llmrg: Shell, home: Path) -> None:
    done = llmrg("export", "sqlite:///copy.db", cwd=home)
    assert done.returncode == 0, done.stderr
    assert "12 graphs" in done.stderr


@pytest.mark.parametrize("files", ["parquet", "jsonl"])
def test_export_to_a_folder_and_import(llmrg: Shell, home: Path, files: str) -> None:
    from llmrg.graph_store import open_store
    from llmrg.graph_store.compare import differences

    folder, url = f"backup-{files}", f"sqlite:///{files}.db"
    assert llmrg("export", folder, "--format", files, cwd=home).returncode == 0
    assert (home / folder / f"steps.{files}").exists()
    done = llmrg("import", folder, "--store", url, cwd=home)
    assert done.returncode == 0, done.stderr
    assert "12 graphs" in done.stderr
    with open_store(f"sqlite:///{home}/.llmrg/graphs.db") as one, open_store(f"sqlite:///{home}/{files}.db") as other:
        assert not list(differences(one, other, "demo"))
    assert llmrg("import", url, "--namespace", "demo", "--as", "demo-2", "--store", url, cwd=home).returncode == 0
    assert "12 users were there already" in llmrg("import", folder, "--store", url, "--as", "demo-2", cwd=home).stderr
    assert "12 graphs" in llmrg("export", "sqlite:///third.db", "--store", url, "--data", "store:demo-2", cwd=home).stderr
    assert "--as" in llmrg("import", folder, "--namespace", "other", cwd=home).stderr


def test_export_for_graph_tools(llmrg: Shell, home: Path) -> None:
    import networkx

    done = llmrg("export", "one.graphml", "--user", "reader-001", cwd=home)
    assert done.returncode == 0, done.stderr
    graph = networkx.read_graphml(home / "one.graphml")
    assert f"{graph.number_of_nodes()} nodes and {graph.number_of_edges()} edges" in done.stderr
    assert "reader-001" in {label for _, label in graph.nodes(data="label")}


def test_a_table_that_was_stopped_goes_on(llmrg: Shell, home: Path) -> None:
    command = [sys.executable, "-m", "llmrg.cli", "evaluate", "--model", "gru4rec", "--json"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    running = subprocess.Popen(command, cwd=home, text=True, preexec_fn=heard, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    rows = home / ".llmrg" / "evaluations" / "demo"
    end = time.monotonic() + 200
    while time.monotonic() < end and len(list(rows.glob("*.safetensors"))) < 3:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130, told
    kept = re.search(r"kept: (\d+) of 13 rows", told)
    assert kept is not None, told
    assert len(list(rows.glob("*.safetensors"))) == int(kept[1]) >= 3
    again = llmrg(*command[3:], cwd=home)
    assert f"{kept[1]} of 13 rows kept from before; --again trains them anew" in again.stderr
    whole = llmrg(*command[3:], cwd=home)
    assert "13 of 13 rows kept from before" in whole.stderr
    assert whole.stdout == again.stdout


def test_a_training_begins_with_what_is_kept(llmrg: Shell, home: Path) -> None:
    shape = ("--set", "embedding_size=8", "--fusion", "none", "--epochs", "2")
    assert llmrg("train", *shape, cwd=home).returncode == 0
    assert llmrg("train", *shape, "--final", cwd=home).returncode == 0
    done = llmrg("train", *shape, "--from", "sasrec", "--final", cwd=home)  # from the fit before the final one
    assert done.returncode == 0, done.stderr
    other = llmrg("train", *shape, "--model", "gru4rec", "--from", "sasrec", cwd=home)
    assert other.returncode == 2
    assert "is a sasrec, and a gru4rec is to be trained; they share no weights; give --model sasrec" in other.stderr
    gone = llmrg("train", "--from", "nothing", cwd=home)
    assert (gone.returncode, "no trained recommender 'nothing'" in gone.stderr) == (5, True)
    counts = llmrg("train", "ease", "--from", "sasrec", cwd=home)
    assert "takes no start: it counts" in counts.stderr
