"""Where reasoning graphs, the knowledge base and runs are kept."""

from llmrg.graph_store.open_store import open_store
from llmrg.graph_store.protocol import GraphStore, StoreAbilities, StoreCounts, StoreHealth

__all__ = ["GraphStore", "StoreAbilities", "StoreCounts", "StoreHealth", "open_store"]
