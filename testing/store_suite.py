"""The contract of graph stores, to run against any store.

    class TestMyStore(GraphStoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            with MyStore(tmp_path) as store:  # open and empty
                yield store

Only the protocol is used. A store that passes can stand behind every other part of LLMRG.
"""

from __future__ import annotations

import pytest

_PARTS = ("catalogue", "concurrency", "graphs", "input", "knowledge", "runs")
pytest.register_assert_rewrite(*(f"llmrg.testing.store_suite_{part}" for part in _PARTS))  # failures then show values

from llmrg.testing.store_suite_catalogue import CatalogueContract  # noqa: E402
from llmrg.testing.store_suite_concurrency import ConcurrencyContract  # noqa: E402
from llmrg.testing.store_suite_graphs import DraftContract, GraphContract  # noqa: E402
from llmrg.testing.store_suite_input import InputContract  # noqa: E402
from llmrg.testing.store_suite_knowledge import KnowledgeContract  # noqa: E402
from llmrg.testing.store_suite_runs import NamespaceContract, RunContract, UpkeepContract  # noqa: E402


class GraphStoreContract(
    CatalogueContract,
    GraphContract,
    DraftContract,
    KnowledgeContract,
    RunContract,
    NamespaceContract,
    UpkeepContract,
    InputContract,
    ConcurrencyContract,
):
    """All of it; the subclass gives the fixture `store`, an open and empty store."""
