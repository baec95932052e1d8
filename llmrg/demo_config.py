"""What the demo builds: sized so that the whole of it takes five minutes on two cores."""

from __future__ import annotations

from llmrg.agents.config import BuildConfig
from llmrg.data.dataset import Dataset
from llmrg.recommenders.training import TrainingConfig

DEMO_READERS = 300
"""Readers that graphs are built for (of 300); recommenders are trained and ranked on all of them."""
DEMO_BUILD = BuildConfig(block_size=6, l_tru=16)
DEMO_TRAINING = TrainingConfig(epochs=40, learning_rate=3e-3, patience=6)
"""Faster steps and fewer of them than the default, alike for every row of the table."""


def demo_readers(dataset: Dataset, most: int = DEMO_READERS) -> Dataset:
    """The first readers of the demo set."""
    return dataset.only(list(dataset.histories)[:most])
