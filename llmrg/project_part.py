"""What each part of a project (building, forgetting, item profiles) may use of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmrg.core.settings import Settings

if TYPE_CHECKING:
    from llmrg.data.dataset import Dataset
    from llmrg.graph_store.protocol import GraphStore


class ProjectPart:
    """Base of the classes that `llmrg.Project` is put together from; the project has what stands here."""

    settings: Settings
    if TYPE_CHECKING:

        @property
        def dataset(self) -> Dataset: ...
        @property
        def store(self) -> GraphStore: ...
        @property
        def name(self) -> str: ...
        @property
        def in_store(self) -> bool: ...
