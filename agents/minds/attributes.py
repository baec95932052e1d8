"""The `attributes` mind: no language model, only what the catalogue says. The control that shows what a model adds."""

from __future__ import annotations

from llmrg.agents.minds.shared_themes import SharedThemesConfig, SharedThemesMind
from llmrg.core.vetoes import Vetoes
from llmrg.data.dataset import Dataset


class AttributesMind(SharedThemesMind):
    """Reasons are attribute values that cause and item share: the mind over profiles, with the catalogue's own as profiles."""

    kind_of_theme = "attribute"

    def __init__(self, dataset: Dataset, config: SharedThemesConfig | None = None, vetoes: Vetoes | None = None) -> None:
        names = set(dataset.reason_attributes)
        values = {
            item.id: dict.fromkeys((v for name, v in item.attributes if not names or name in names), 1.0)
            for item in dataset.catalogue
        }
        super().__init__("attributes", values, config, vetoes)
