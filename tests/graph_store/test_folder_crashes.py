"""What befalls a move while it runs: kill -9 of an export and of an import, a full disk."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llmrg.core.errors import NotAStoreError
from llmrg.graph_store import GraphStore, open_store
from llmrg.graph_store.compare import copy_contents, differences
from llmrg.graph_store.contents import filled
from llmrg.graph_store.folder import export_folder, open_folder
from llmrg.testing.store_examples import NAMESPACE, SEVEN_USERS

MOVE = """
import sys
from pathlib import Path
from llmrg.graph_store import contents, folder, open_store
from llmrg.graph_store.compare import copy_contents
contents.PAGE = folder.PAGE = 2
def wait(*news):
    print(*news, flush=True)
    sys.stdin.readline()
move, url, path, files = sys.argv[1:]
with open_store(url) as store:
    if move == "export":
        folder.export_folder(contents.filled(store, "shop"), Path(path), files, wait)
    else:
        copy_contents(folder.open_folder(Path(path)), store, "shop", wait)
"""
FILLER = """
import sys
from pathlib import Path
from llmrg.core.errors import StoreFullError
from llmrg.core.records import ReasoningGraph
from llmrg.graph_store import contents, open_store
from llmrg.graph_store.folder import export_folder, open_folder
from llmrg.testing.store_examples import SEVEN_USERS, fill, make_step
disk, url, files = sys.argv[1:]
ballast = Path(disk) / "ballast"
ballast.write_bytes(b"x" * 2_040_000)
with open_store(url) as store:
    fill(store)
    steps = tuple(make_step(reason=str(hash(str(n))) * 10, chain=n) for n in range(3000))
    store.replace_graph("shop", ReasoningGraph("ann", steps, "run 1"))
    try:
        export_folder(contents.filled(store, "shop"), Path(disk) / "export", files)
    except StoreFullError as error:
        assert "no space left for the export into" in str(error), error
    else:
        sys.exit("the disk was never full")
    ballast.unlink()
    assert export_folder(contents.filled(store, "shop"), Path(disk) / "export", files).rows["steps"] == 3000
    [users] = open_folder(Path(disk) / "export").users()
    assert users[0][1][0].steps == steps
print("whole")
"""


def kill_at(news: str, *arguments: object) -> None:
    """Run a move that waits after each page, and kill it with SIGKILL once it has told `news`."""
    command = [sys.executable, "-c", MOVE, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith(news):
                break
            running.stdin.write("\n")
            running.stdin.flush()
        running.kill()
        _, errors = running.communicate(timeout=60)
    assert running.returncode == -9, errors


@pytest.mark.parametrize("files", ["parquet", "jsonl"])
@pytest.mark.parametrize("news", ["users 4", "knowledge 4"])
def test_kill_9_of_an_export_leaves_nothing_that_looks_whole(source: GraphStore, tmp_path: Path, files: str, news: str) -> None:
    path = tmp_path / "export"
    kill_at(news, "export", source.url, path, files)
    assert {f"steps.{files}", f"knowledge.{files}"} < {p.name for p in path.iterdir()}
    with pytest.raises(NotAStoreError, match="did not finish"):
        open_folder(path)
    export_folder(filled(source, NAMESPACE), path)
    with open_store(f"sqlite:///{tmp_path}/target.db") as target:
        copy_contents(open_folder(path), target, NAMESPACE)
        assert list(differences(source, target, NAMESPACE)) == []


@pytest.mark.parametrize(("news", "equal"), [("knowledge 2", 0), ("users 4", 4)])
def test_an_import_goes_on_after_kill_9(source: GraphStore, tmp_path: Path, news: str, equal: int) -> None:
    path, url = tmp_path / "export", f"sqlite:///{tmp_path}/target.db"
    export_folder(filled(source, NAMESPACE), path)
    kill_at(news, "import", url, path, "")
    with open_store(url) as target:
        assert target.counts(NAMESPACE).graphs < 6
        assert target.user_statuses(NAMESPACE, "run 1") == {}, "nobody is marked done yet"
        assert copy_contents(open_folder(path), target, NAMESPACE).users_equal == equal
        assert list(differences(source, target, NAMESPACE)) == []
        assert target.graph(NAMESPACE, SEVEN_USERS[1]).version == 1


@pytest.mark.parametrize("files", ["parquet", "jsonl"])
def test_a_full_disk_is_told_and_the_export_can_be_repeated(
    tmp_path: Path, files: str, small_disk: Callable[[Path, str], list[str]]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    shell = small_disk(disk, "2m")
    command = [*shell, sys.executable, "-c", FILLER, str(disk), f"sqlite:///{tmp_path}/source.db", files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "whole\n"
