"""Item profiles as sparse matrices: how strongly each item of a catalogue stands for each theme."""

from __future__ import annotations

from scipy.sparse import csr_matrix

from llmrg.recommenders.base import FitData


def attribute_matrix(data: FitData) -> csr_matrix:
    raise NotImplementedError
