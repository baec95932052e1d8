"""What the package gives; each name is loaded when it is first used."""

from .arrays import GraphArrays as GraphArrays
from .backends import backend as backend
from .building import Texts as Texts
from .building import imagined_arrays as imagined_arrays
from .building import reasoned_arrays as reasoned_arrays
from .causal import CausalConfig as CausalConfig
from .causal import CausalGraphEncoder as CausalGraphEncoder
from .causal import ReadoutWeights as ReadoutWeights
from .graph_inputs import GraphInputs as GraphInputs
from .graph_vectors import GraphVectors as GraphVectors
from .graph_vectors import GraphVectorsConfig as GraphVectorsConfig
from .sr_gnn import SrGnn as SrGnn
from .sr_gnn import SrGnnConfig as SrGnnConfig
from .text import HashedVectors as HashedVectors
from .text import LangChainVectors as LangChainVectors
from .text import MiniLm as MiniLm
