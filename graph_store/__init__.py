"""Where reasoning graphs, the knowledge base and runs are kept."""

from llmrg.graph_store.open_store import open_store
from llmrg.graph_store.protocol import GraphStore, StoreCounts, StoreHealth

__all__ = ["GraphStore", "StoreCounts", "StoreHealth", "open_store"]
