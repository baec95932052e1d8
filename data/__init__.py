"""Sources of interactions, cleaning, splits, and the bundled demo set. Start with `load_data`. Names load when first used."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
