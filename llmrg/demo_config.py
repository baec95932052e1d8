"""What the demo builds: sized so that the whole of it takes five minutes on two cores."""

from __future__ import annotations

from llmrg.agents.config import BuildConfig
from llmrg.data.dataset import Dataset

DEMO_READERS = 300
"""Readers that graphs are built for (of 300); recommenders are trained and ranked on all of them."""
DEMO_BUILD = BuildConfig(block_size=6, l_tru=16)


def demo_readers(dataset: Dataset, most: int = DEMO_READERS) -> Dataset:
    """The first readers of the demo set."""
    return dataset.only(list(dataset.histories)[:most])
