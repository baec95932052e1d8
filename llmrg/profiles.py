"""Item profiles of a project: what the store knows of items, by source, and the way in and out of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmrg.core.errors import CallerError, ConfigError
from llmrg.core.themes import CATALOGUE, STEPS, Profile, ProfileSource

if TYPE_CHECKING:
    from llmrg.data.profile_tables import ReadProfile
    from llmrg.project_part import ProjectPart

RESERVED = (CATALOGUE, STEPS)


@dataclass(frozen=True)
class StoredProfile:
    """One source, with its sizes."""

    source: ProfileSource
    items: int
    themes: int
    appeals: int
    """Pairs of an item and a theme."""


class Profiles:
    """`project.profiles`. Each source stands by itself; two never mix."""

    def __init__(self, project: ProjectPart) -> None:
        self._project = project

    def list(self) -> list[StoredProfile]:
        """All sources, by name."""
        profiles = []
        for profile in self._project.store.themes(self._project.name).profiles:
            items, themes = ({getattr(appeal, of) for appeal in profile.appeals} for of in ("item", "theme"))
            profiles.append(StoredProfile(profile.source, len(items), len(themes), len(profile.appeals)))
        return profiles

    def get(self, name: str) -> Profile:
        """Raises: CallerError: no source of this name."""
        themes = self._project.store.themes(self._project.name)
        profile = themes.profile(name)
        if profile is None:
            there = ", ".join(p.source.name for p in themes.profiles) or "none"
            raise CallerError(f"{self._project.name!r} has no profile {name!r}; there are: {there}")
        return profile

    def import_(
        self, source: str | Path, *, name: str = "", date: str = "", note: str = "", replace: bool = False
    ) -> ReadProfile:
        """Read a table, or a recorded profile of the package (`films`), and keep it in the store as a source, not verified.

        Args:
            source: a name of `llmrg.data.recorded_profiles`, or a TSV, CSV or Parquet file (`llmrg.data.profile_tables`).
            name: of the source; by default the recorded profile's, or the file's.
            date: when the answers were made, an ISO 8601 date.
            note: where they come from; by default the file's name.
            replace: put it in place of an earlier one of this name.
        Raises: ConfigError: the name is taken or reserved; DataError, BadRowError: as `read_profile`.
        """
        from llmrg.data.profile_tables import read_profile
        from llmrg.data.recorded_profiles import RECORDED

        project, recorded = self._project, RECORDED.get(str(source))
        path = recorded.file if recorded else Path(source).expanduser()
        name = name or (recorded.name if recorded else path.name.split(".")[0])
        self._check(name, date, replace)
        catalogue = project.dataset.catalogue
        if recorded:
            recorded.check(catalogue)
        profile_source = ProfileSource(name, date, False, note or (recorded.note if recorded else f"imported from {path.name}"))
        shape = {"item": recorded.item, "lists": recorded.lists} if recorded else {}
        read = read_profile(path, profile_source, set(catalogue.ids), **shape)  # type: ignore[arg-type]
        project.store.put_items(project.name, catalogue)
        project.store.put_profile(project.name, read.profile)
        return read

    def _check(self, name: str, date: str, replace: bool) -> None:
        from datetime import datetime

        if name in RESERVED or "/" in name or not name.strip():
            raise ConfigError(
                f"a profile cannot be imported as {name!r}: {', '.join(RESERVED)} and names with `/` are those of sources that "
                "are made here; give another with --as"
            )
        try:
            datetime.fromisoformat(date or "2000-01-01")
        except ValueError:
            raise ConfigError(f"the date of a profile must be an ISO 8601 date such as 2026-11-30, not {date!r}") from None
        if not replace and self._project.store.themes(self._project.name).profile(name) is not None:
            raise ConfigError(
                f"{self._project.name!r} has a profile {name!r} already, and two are never mixed; replace it with --replace, or "
                "give this one another name with --as"
            )

    def export(self, name: str, path: Path | str) -> int:
        """Write a source as TSV, CSV or Parquet; returns the number of rows. Raises: CallerError, DataError."""
        from llmrg.data.profile_tables import write_profile

        return write_profile(Path(path), self.get(name))

    def delete(self, name: str) -> None:
        """Raises: CallerError: no source of this name."""
        if not self._project.store.delete_profile(self._project.name, name):
            self.get(name)
