"""The contract of graph stores, to run against any store.

    class TestMyStore(GraphStoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            with MyStore(tmp_path) as store:  # open and empty
                yield store

        @pytest.fixture
        def reopen(self, tmp_path):  # for the tests that kill a client; without it they are skipped
            return functools.partial(open_my_store, tmp_path)

Only the protocol is used. A store that passes can stand behind every other part of LLMRG.
"""

from __future__ import annotations

import pytest

_PARTS = ("catalogue", "concurrency", "crashes", "forget", "graphs", "input", "knowledge", "runs", "themes")
pytest.register_assert_rewrite(*(f"llmrg.testing.store_suite_{part}" for part in _PARTS))  # failures then show values

from llmrg.testing.store_suite_catalogue import CatalogueContract  # noqa: E402
from llmrg.testing.store_suite_concurrency import ConcurrencyContract  # noqa: E402
from llmrg.testing.store_suite_crashes import CrashContract  # noqa: E402
from llmrg.testing.store_suite_forget import ForgetContract  # noqa: E402
from llmrg.testing.store_suite_graphs import DraftContract, GraphContract, SideBySideContract  # noqa: E402
from llmrg.testing.store_suite_input import InputContract  # noqa: E402
from llmrg.testing.store_suite_knowledge import KnowledgeContract  # noqa: E402
from llmrg.testing.store_suite_runs import NamespaceContract, RunContract, UpkeepContract  # noqa: E402
from llmrg.testing.store_suite_themes import ThemeContract  # noqa: E402


class GraphStoreContract(
    CatalogueContract,
    GraphContract,
    SideBySideContract,
    DraftContract,
    KnowledgeContract,
    ThemeContract,
    RunContract,
    NamespaceContract,
    ForgetContract,
    UpkeepContract,
    InputContract,
    ConcurrencyContract,
    CrashContract,
):
    """All of it; the subclass gives the fixture `store`, an open and empty store."""
