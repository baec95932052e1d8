"""The house keeps its shape: layers, packages, public names, import cost, sizes."""

from __future__ import annotations

import ast
import importlib
import os
import re
import resource
import shutil
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = (
    "core", "data", "graph_store", "language_models", "agents", "encoders", "recommenders", "recsysllm", "evaluation",
    "explanations", "testing",
)  # fmt: skip
MAY_IMPORT = {
    "core": set(),
    "data": {"core"},
    "graph_store": {"core", "data"},
    "language_models": {"core"},
    "agents": {"language_models", "graph_store", "data", "core"},
    "encoders": {"graph_store", "data", "core"},
    "recommenders": {"encoders", "data", "core"},
    "recsysllm": {"recommenders", "encoders", "language_models", "data", "core"},
    "evaluation": {"recsysllm", "recommenders", "graph_store", "data", "core"},
    "explanations": {"graph_store", "data", "core"},
    "testing": {*ROOMS, "on_ray"},
}
ONLY_IN = {
    "neo4j": ("graph_store/neo4j", "testing/neo4j"),
    "dgl": ("encoders/",),
    "langgraph": ("agents/",),
    "ray": ("llmrg/on_ray/",),
    "peft": ("recsysllm/",),
    "accelerate": ("recsysllm/",),
    "sacrebleu": ("evaluation/texts",),
    "rouge_score": ("evaluation/texts",),
    "mlflow": (),
}


@cache
def imports(path: Path) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return frozenset(found)


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_down_only(room: str) -> None:
    for path in files(room):
        for name in imports(path):
            if name == "llmrg" or name.startswith("llmrg."):
                target = ([*name.split("."), "(the face)"])[1]
                assert target == room or target in MAY_IMPORT[room], f"{path.relative_to(ROOT)} imports {name}"


def test_heavy_packages_stay_in_their_rooms() -> None:
    for room in (*ROOMS, "llmrg/cli", "llmrg/progress", "llmrg/on_ray"):
        for path in files(room):
            place = str(path.relative_to(ROOT))
            for package, homes in ONLY_IN.items():
                used = any(name.split(".")[0] == package for name in imports(path))
                assert not used or place.startswith(homes), f"{place} imports {package}"


def test_the_environment_is_read_in_one_place() -> None:
    for room in (*ROOMS, "llmrg/cli", "llmrg/progress", "llmrg/on_ray"):
        for path in files(room):
            place = str(path.relative_to(ROOT))
            text = path.read_text(encoding="utf-8")
            if place != "core/settings.py":
                # starting a child process with a changed copy, or telling DGL its backend, reads no setting of ours
                reads = "os.environ.get(" in text or "os.getenv(" in text
                assert not reads or place.startswith(("testing/neo4j", "encoders/dgl")), place


def test_packages_and_links_match_the_folders() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        "llmrg." + str(path.parent.relative_to(ROOT)).replace("/", ".")
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert set(project["packages"]) == folders | {"llmrg", "llmrg.cli", "llmrg.on_ray", "llmrg.progress"}
    for room in ROOMS:
        assert (ROOT / "llmrg" / room).resolve() == ROOT / room


def test_the_wheel_has_every_module_but_those_that_start_neo4j(tmp_path: Path) -> None:
    for name in ("llmrg", *ROOMS):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    build = "from setuptools.build_meta import build_wheel; build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    (wheel,) = (tmp_path / "dist").glob("llmrg-*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    rooms = {f"llmrg/{path.relative_to(ROOT)}" for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    modules = rooms | {str(path.relative_to(ROOT)) for path in (ROOT / "llmrg").rglob("*.py") if not path.is_symlink()}
    assert modules - packed == {name for name in modules if name.startswith("llmrg/testing/neo4j_")}
    assert packed <= modules


def test_public_names_are_there_and_few() -> None:
    import llmrg

    assert all(getattr(llmrg, name) is not None for name in llmrg.__all__)
    assert sorted(llmrg.__all__) == llmrg.__all__
    assert len(llmrg.__all__) <= 12


def test_a_program_beside_a_clone_finds_the_package(tmp_path: Path) -> None:
    """Python takes the clone's own folder for a package without content, unless it says where the package is."""
    (tmp_path / "llmrg").symlink_to(ROOT)
    code = "import llmrg; from llmrg.core.records import Item; print(llmrg.Item is Item, llmrg.__version__, llmrg.__all__[0])"
    bare = [sys.executable, "-c", code]
    done = subprocess.run(bare, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""})
    assert done.stdout.split() == ["True", "0.1.0", "BuildConfig"], done.stderr


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys, llmrg, llmrg.sdk, llmrg.cli.app\n"
        "print([m for m in ('torch', 'dgl', 'neo4j', 'langgraph', 'transformers', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_and_help_are_quick() -> None:
    """Beside a peer in the same run: what else the machine does slows both."""

    def seconds(*command: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    peer, loaded, shown = ("-c", "import typer, rich.table"), ("-c", "import llmrg"), ("-m", "llmrg.cli", "--help")
    rounds = [[seconds(*command) for command in (peer, loaded, shown)] for _ in range(4)]
    of_peer, of_import, of_help = (min(times) for times in zip(*rounds, strict=True))
    assert of_import < of_peer
    assert of_help < 4 * of_peer


def test_files_stay_small() -> None:
    for room in (*ROOMS, "llmrg/cli", "llmrg/progress", "llmrg/on_ray"):
        for path in files(room):
            length = path.read_text(encoding="utf-8").count("\n")
            assert length <= 400, f"{path.relative_to(ROOT)} has {length} lines: look for the second idea in it"


def test_every_room_has_a_guide() -> None:
    for room in ROOMS:
        if room not in ("core", "language_models", "testing"):
            assert (ROOT / "docs" / f"{room}.md").is_file()


def test_errors_survive_pickling() -> None:
    import pickle

    from llmrg.core import errors

    samples = [
        errors.BadRowError("f.csv", 3, "rating", "x", "not a number"),
        errors.UnknownUserError("u", "v"),
        errors.UnknownItemError("i", "j"),
        errors.GraphNotFoundError("u"),
        errors.VersionConflictError("u", 1, 2),
        errors.DraftConflictError("u", "r", 1, 2),
        errors.MissingPackageError("p", "pip install p"),
    ]
    for error in samples:
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


def _anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub and most site generators make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_docs_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target, _, anchor in re.findall(r"\]\(([^)#]*)(#([^)]+))?\)", page.read_text(encoding="utf-8")):
            if "://" in target or target.startswith("mailto:"):
                continue
            path = page.parent / target if target else page
            assert path.exists(), f"{page.relative_to(ROOT)} links to {target}"
            assert not anchor or anchor in _anchors(path), f"{page.relative_to(ROOT)} links to {target}#{anchor}"


def test_modules_import_alone() -> None:
    for room in ROOMS:
        importlib.import_module(f"llmrg.{room}")
