"""One encoder a layer: what a recommender's fusion mixes into its own vectors."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, PositiveInt
from torch import Tensor, nn

from llmrg.core.errors import ConfigError
from llmrg.encoders.backends import BackendName
from llmrg.encoders.building import MEMORY
from llmrg.encoders.causal import CausalConfig, CausalGraphEncoder, ReadoutWeights
from llmrg.encoders.graph_inputs import LAYERS, GraphInputs, Layer
from llmrg.encoders.sr_gnn import SrGnn, SrGnnConfig

Encoder = CausalGraphEncoder | SrGnn


class GraphVectorsConfig(BaseModel, frozen=True, extra="forbid"):
    """Which graphs are used, and how they are encoded."""

    encoder: Literal["causal", "sr_gnn"] = "causal"
    """`causal` encodes all positions in one pass; `sr_gnn` is the paper's, one graph per position."""
    layers: PositiveInt = 1
    """Rounds of message passing."""
    memory: PositiveInt = MEMORY
    """How many positions back an item or a reason is still read out: `GraphInputs.of` needs the same number."""
    use_reasoned: bool = True
    """False leaves the reasoned graph out: its vectors are zero."""
    use_imagined: bool = True
    """False leaves the imagined graph out: its vectors are zero."""
    backend: BackendName = "auto"
    """Backends agree, so a saved model need not name one."""

    def uses(self, layer: Layer) -> bool:
        return self.use_reasoned if layer == "reasoned" else self.use_imagined


class GraphVectors(nn.Module):
    """E_rea and E_div.

    The last linear layer of each encoder starts at zero: an untrained graph is absent, and what trains first is that layer alone.
    """

    def __init__(self, size: int, text_size: int, config: GraphVectorsConfig | None = None) -> None:
        """Args: size: width D of the item vectors; text_size: width of the text vectors."""
        super().__init__()
        self.size, self.config = size, config or GraphVectorsConfig()
        used = (layer for layer in LAYERS if self.config.uses(layer))
        self.encoders = nn.ModuleDict({layer: _encoder(size, text_size, self.config) for layer in used})

    def forward(
        self, inputs: GraphInputs, positions: np.ndarray, item_vectors: Tensor, text_vectors: Tensor
    ) -> dict[Layer, Tensor]:
        """One vector a layer for each user and asked position.

        Args:
            inputs: graphs of B users.
            positions: (B, P) int64 positions asked for; 0 asks nothing.
            item_vectors: (items + 1, D) float32, row 0 for padding.
            text_vectors: (T, D_text) float32, one for each of `inputs.texts`.
        Returns: (B, P, D) float32 for "reasoned" and "imagined"; zero where no reason is visible, and in a layer not used.
        """
        vectors: dict[Layer, Tensor] = {}
        for layer in LAYERS:
            if layer in self.encoders:
                vectors[layer] = self.encoders[layer](inputs.layers[layer], positions, item_vectors, text_vectors)
            else:
                vectors[layer] = item_vectors.new_zeros((*positions.shape, self.size))
        return vectors

    def readout_weights(
        self, inputs: GraphInputs, positions: np.ndarray, item_vectors: Tensor, text_vectors: Tensor
    ) -> dict[Layer, ReadoutWeights]:
        """How much each node counts, for each layer used; arguments as for `forward`.

        Raises: ConfigError: the encoder is not `causal`.
        """
        weights: dict[Layer, ReadoutWeights] = {}
        for layer in LAYERS:
            if layer in self.encoders:
                encoder = self.encoders[layer]
                if not isinstance(encoder, CausalGraphEncoder):
                    raise ConfigError(f"the encoder {self.config.encoder!r} has no readout weights; choose encoder='causal'")
                weights[layer] = encoder.readout_weights(inputs.layers[layer], positions, item_vectors, text_vectors)
        return weights


def _encoder(size: int, text_size: int, config: GraphVectorsConfig) -> Encoder:
    encoder: Encoder
    if config.encoder == "causal":
        encoder = CausalGraphEncoder(size, text_size, CausalConfig(layers=config.layers, backend=config.backend))
    else:
        encoder = SrGnn(size, text_size, SrGnnConfig(layers=config.layers, backend=config.backend))
    nn.init.zeros_(encoder.out.weight)
    nn.init.zeros_(encoder.out.bias)
    return encoder
