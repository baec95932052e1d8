"""The `profiles` mind: recorded answers about items, from the store; no model is asked."""

from __future__ import annotations

from collections.abc import Iterable

from llmrg.agents.minds.shared_themes import SharedThemesConfig, SharedThemesMind
from llmrg.core.errors import CallerError
from llmrg.core.records import stable_key
from llmrg.core.themes import Appeal, Profile
from llmrg.core.vetoes import Vetoes
from llmrg.data.dataset import Dataset


class ProfilesMind(SharedThemesMind):
    """Reasons are themes that cause and item share, as one stored profile source says.

    Its score says how rare a shared theme is among the items that have a profile, and not that the theme is right: whether the
    source's answers were checked stands with the source (`ProfileSource.verified`).
    """

    def __init__(
        self, dataset: Dataset, profile: Profile, config: SharedThemesConfig | None = None, vetoes: Vetoes | None = None
    ) -> None:
        """Raises: CallerError: the profile knows no item of the data set."""
        self.profile = profile
        all_themes = themes_of(profile.appeals)
        themes = {item: own for item, own in all_themes.items() if item in dataset.catalogue}
        if not themes:
            raise CallerError(
                f"the profile {profile.source.name!r} has {len(all_themes):,} items, and none of them is among the "
                f"{len(dataset.catalogue):,} items of {dataset.name!r}; import one for this data set with `llmrg profiles import`"
            )
        super().__init__(f"profiles/{profile.source.name}", themes, config, vetoes)
        appeals = sorted((appeal.item, appeal.theme, appeal.score) for appeal in profile.appeals)
        self.settings["profile"] = stable_key("profile", *appeals)[:12]


def themes_of(appeals: Iterable[Appeal]) -> dict[str, dict[str, float]]:
    """Item -> theme -> score, the strongest first, then by name; items in order of id."""
    scores_of: dict[str, dict[str, float]] = {}
    for appeal in sorted(appeals, key=lambda a: (a.item, -a.score, a.theme)):
        scores_of.setdefault(appeal.item, {})[appeal.theme] = appeal.score
    return scores_of
