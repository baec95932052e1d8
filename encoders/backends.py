"""Message passing on flat edges: one sum, two ways to work it out."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, Protocol

from torch import Tensor

from llmrg.core.errors import ConfigError, MissingPackageError

BackendName = Literal["auto", "dgl", "torch"]


class Backend(Protocol):
    """How messages are summed; backends agree to 1e-5."""

    name: str

    def weighted_sum(self, states: Tensor, src: Tensor, dst: Tensor, weight: Tensor) -> Tensor:
        """For each node v the sum of weight(u, v) * states[u] over its incoming edges.

        Args:
            states: (N, D) float32.
            src, dst: (E,) int64 node numbers.
            weight: (E,) float32.
        Returns: (N, D) float32; zero rows for nodes without incoming edges.
        """


def backend(name: str = "auto") -> Backend:
    """The backend of this name; `auto` takes DGL where it is installed and plain torch elsewhere.

    Raises:
        ConfigError: no such backend.
        MissingPackageError: DGL is asked for and not installed.
    """
    if name not in ("auto", "dgl", "torch"):
        raise ConfigError(f"no graph backend {name!r}; choose auto, dgl or torch")
    if name == "dgl" or (name == "auto" and find_spec("dgl") is not None):
        try:
            from llmrg.encoders.dgl_backend import DglBackend

            return DglBackend()
        except ImportError:
            if name == "dgl":
                raise MissingPackageError("dgl", 'pip install "dgl>=1.1.3,<2" packaging (CPython 3.11, Linux or macOS)') from None
    from llmrg.encoders.torch_backend import TorchBackend

    return TorchBackend()
