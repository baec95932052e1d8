"""From a saved folder back to the recommender, whatever its type."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from llmrg.core.errors import ArtifactError
from llmrg.recommenders.artifacts import Artifact, load_artifact
from llmrg.recommenders.base import BaseRecommender

TYPES = {
    "popularity": "popularity:Popularity",
    "rules": "sequential_rules:SequentialRules",
    "item_knn": "item_knn:ItemKnn",
    "ease": "ease:Ease",
    "text_cosine": "text_cosine:TextCosine",
    "themes": "theme_scores:ThemeScores",
    "mix": "mix:Mix",
    "imagined": "imagined_scores:ImaginedScores",
    "best_of": "best_of:BestOf",
    "sequential": "sequential:SequentialRecommender",
    "recsysllm": "llmrg.recsysllm.recommender:RecSysLlm",
    "recsysllm_themes": "llmrg.recsysllm.theme_fusion:ThemeFusion",
}
"""Saved type -> module and class, of this room or with its whole path; imported when needed, so that the simple ones load no
torch."""


def load_recommender(folder: Path | str, **options: Any) -> BaseRecommender:
    """Read any saved recommender; `options` go to its type (`text=` for graph recommenders with own text vectors).

    Raises: ArtifactError: the folder is damaged, or its type is unknown.
    """
    artifact = load_artifact(Path(folder))
    if artifact.type not in TYPES:
        types = ", ".join(sorted(TYPES))
        raise ArtifactError(f"{folder} holds a recommender of the unknown type {artifact.type!r}; this code knows {types}")
    module, name = TYPES[artifact.type].split(":")
    kind: type[BaseRecommender] = getattr(
        importlib.import_module(module if "." in module else f"llmrg.recommenders.{module}"), name
    )
    return kind._open(artifact, **options)


def open_artifact(folder: Path, type: str) -> Artifact:
    """The folder's content, if it is of this type.

    Raises: ArtifactError: damaged, or of another type.
    """
    artifact = load_artifact(folder)
    if artifact.type != type:
        raise ArtifactError(f"{folder} holds a {artifact.type!r}, not a {type!r}; `load_recommender` opens either")
    return artifact
