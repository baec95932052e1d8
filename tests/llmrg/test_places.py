"""Places that cannot be read, written or shown: one line that names them, and never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from llmrg.core.errors import CallerError, PlaceError
from llmrg.core.places import usable_folder, writing, written
from llmrg.sdk import Picture, Project

ROOT = Path(__file__).parents[2]
OTHER_UID = "61616"


def llmrg(*arguments: str, cwd: Path, before: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "150", **environment}
    command = [*before, sys.executable, "-m", "llmrg.cli", *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, errors="replace")


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One line that holds the words, and the exit code of a caller's mistake."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.fixture(scope="module")
def home(built: Project) -> Path:
    return built.settings.home


@pytest.mark.parametrize("name", ["graph.png", "graph", "graph.pdf", "graph.SVG.txt"])
def test_a_picture_is_a_page_or_a_drawing(tmp_path: Path, name: str) -> None:
    with pytest.raises(CallerError, match=r"\.html or \.svg"):
        Picture("<html>", "<svg>", "").save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_picture_goes_where_it_is_told_to(tmp_path: Path) -> None:
    picture = Picture("<html>", "<svg>", "")
    assert picture.save(tmp_path / "new" / "deep" / "graph.SVG").read_text() == "<svg>"
    assert picture.save(tmp_path / "graph.htm").read_text() == "<html>"
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(PlaceError, match=r"folder\.svg: Is a directory; .*name a file"):
        picture.save(tmp_path / "folder.svg")
    (tmp_path / "file").touch()
    with pytest.raises(PlaceError, match="a file stands where a folder is needed"):
        picture.save(tmp_path / "file" / "graph.svg")
    with pytest.raises(PlaceError, match="shorter"):
        picture.save(tmp_path / f"{'x' * 300}.svg")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_names_the_file() -> None:
    with pytest.raises(PlaceError, match=r"/dev/full: No space left on device; free some space"):
        written(Path("/dev/full"), "text")


def test_a_folder_is_looked_at_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert usable_folder(tmp_path / "a" / "b").is_dir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PlaceError, match=r"b: Permission denied; give LLMRG_X"):
        usable_folder(tmp_path / "a" / "b", "give LLMRG_X")


def test_an_error_of_another_kind_passes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), writing(tmp_path / "x"):
        raise ValueError("mine")


@pytest.mark.parametrize(
    ("command", "place"),
    [
        (("prompts", "write", "taken"), "taken"),
        (("graph", "queries", "--write", "taken/deep"), "taken"),
        (("runs", "show", "--write", "taken/report.md"), "taken"),
        (("cache", "export", "taken/calls.jsonl"), "taken"),
    ],
)
def test_a_file_in_the_way_of_a_folder(tmp_path: Path, home: Path, command: tuple[str, ...], place: str) -> None:
    (tmp_path / "taken").touch()
    data = ["--home", str(home)] if command[0] in ("runs", "cache") else []
    refused(llmrg(*command, *data, cwd=tmp_path), place)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0 or not shutil.which("setpriv"), reason="takes root to be nobody")
class TestNobody:
    """A user without home, without a name, and without rights."""

    before = (
        *("setpriv", "--reuid", OTHER_UID, "--regid", OTHER_UID, "--clear-groups"),
        *("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search", "env", "-u", "HOME"),
    )

    def test_works_in_a_folder_of_its_own(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o777)
        done = llmrg("data", "inspect", "demo", "--json", cwd=tmp_path, before=self.before)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["users"] == 300

    def test_is_told_which_place_it_cannot_write(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        (tmp_path / "p").mkdir(mode=0o755)
        refused(llmrg("train", "popularity", "--home", "p", cwd=tmp_path, before=self.before), "p", "Permission denied", "--home")
        refused(llmrg("prompts", "write", "mine", cwd=tmp_path, before=self.before), "mine", "Permission denied")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_what_a_terminal_cannot_show_is_replaced(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "log.csv").write_text("user,item,time\n" + "".join(f"Žofie,日本{n},{n}\n" for n in range(6)), encoding="utf-8")
    done = llmrg("data", "inspect", "log.csv", "--on-bad-row", "skip", cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    done = llmrg("show", "日本", "--data", "log.csv", cwd=tmp_path, PYTHONIOENCODING=encoding)
    refused(done, "no user '??'")


def test_json_stays_whole_where_the_terminal_shows_little(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,time,Größe\n" + "".join(f"u,i{n},{n},☂\n" for n in range(6)), encoding="utf-8")
    how = {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    (found, plain) = (llmrg("data", "inspect", "log.csv", "--json", cwd=tmp_path, **env) for env in (how, {}))
    assert found.returncode == plain.returncode == 0, found.stderr
    assert json.loads(found.stdout) == json.loads(plain.stdout)


@pytest.mark.parametrize("command", ["data list", "data list --json", "graph queries"])
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, command: str) -> None:
    shell = f"{sys.executable} -m llmrg.cli {command} | head -c 1"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(shell, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
    assert len(done.stdout) == 1
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["data list", "prompts show reason"])
def test_output_that_finds_no_space_is_told(tmp_path: Path, command: str) -> None:
    with open("/dev/full", "w") as full:
        shell = [sys.executable, "-m", "llmrg.cli", *command.split()]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(shell, cwd=tmp_path, env=env, stdout=full, stderr=subprocess.PIPE, text=True, timeout=300)
    refused(subprocess.CompletedProcess([], done.returncode, "", done.stderr), "No space left on device")
