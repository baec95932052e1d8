"""LLMRG: reasoning graphs made by a language model that improve a recommender and explain it.

    import llmrg
    project = llmrg.Project("demo")
    project.build(mind="attributes")
    project.train()
    project.recommend("reader-001")

Names load when first used: `import llmrg` alone loads neither torch, dgl, neo4j nor langgraph.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"
