"""What the package gives; each name is loaded when it is first used."""

from .agents.config import BuildConfig as BuildConfig
from .core.errors import LlmrgError as LlmrgError
from .core.records import History as History
from .core.records import Item as Item
from .core.records import ReasoningGraph as ReasoningGraph
from .core.records import Step as Step
from .core.settings import Settings as Settings
from .data.registry import load_data as load_data
from .graph_store.open_store import open_store as open_store
from .sdk import Project as Project

__version__: str
