"""A saved recommender: `config.json` (type, version, settings, item ids) and `model.safetensors`. No pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from llmrg.core.errors import ArtifactError
from llmrg.core.places import HOME, writing

VERSION = 1
"""Counted up when an older reader could misread the folder."""


@dataclass(frozen=True)
class Artifact:
    """What a folder holds."""

    type: str
    config: Mapping[str, Any]
    items: tuple[str, ...]
    tensors: Mapping[str, np.ndarray]
    folder: Path
    final: bool = False
    """Whether held-out items were trained on: it must not be ranked on them."""

    def tensor(self, name: str) -> np.ndarray:
        """Raises: ArtifactError: the weights lack it."""
        if name not in self.tensors:
            raise ArtifactError(f"the weights of this {self.type} lack {name!r}; they belong to another model: train it again")
        return self.tensors[name]


def save_artifact(
    folder: Path,
    type: str,
    config: Mapping[str, Any],
    items: Sequence[str],
    tensors: Mapping[str, np.ndarray],
    final: bool = False,
) -> None:
    """Write both files; each appears whole or not at all, the config last."""
    _write(folder / "model.safetensors", save({name: np.asarray(value, order="C") for name, value in tensors.items()}))
    document = {"type": type, "version": VERSION, "config": dict(config), "items": list(items), "final": final}
    _write(folder / "config.json", json.dumps(document, ensure_ascii=False, indent=1).encode())


def load_artifact(folder: Path) -> Artifact:
    """Read both files.

    Raises: ArtifactError: a file is missing or damaged, or a newer version wrote it; the message says which.
    """
    document = _read_config(folder / "config.json")
    weights = folder / "model.safetensors"
    try:
        tensors = load_file(weights)
    except FileNotFoundError:
        raise ArtifactError(f"no weights at {weights}; train and save the recommender again") from None
    except (SafetensorError, ValueError, OSError) as error:
        raise ArtifactError(f"the weights {weights} are damaged ({error}); train and save the recommender again") from error
    return Artifact(
        str(document["type"]), document["config"], tuple(document["items"]), tensors, folder, document.get("final", False)
    )


def _read_config(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(f"no saved recommender at {path.parent}: {path.name} is missing; train one first") from None
    except ValueError as error:
        raise ArtifactError(f"{path} is not JSON ({error}); train and save the recommender again") from error
    missing = [key for key in ("type", "version", "config", "items") if not isinstance(document, dict) or key not in document]
    if missing:
        raise ArtifactError(f"{path} lacks {', '.join(missing)}: it is not a saved recommender")
    if document["version"] != VERSION:
        raise ArtifactError(f"{path} has version {document['version']!r}, this code reads {VERSION}; upgrade, or train again")
    return dict(document)


def _write(path: Path, content: bytes) -> None:
    scratch = path.with_name(path.name + ".part")
    with writing(path, HOME):
        scratch.write_bytes(content)
        os.replace(scratch, path)
