"""Whether the accepted steps of a graph were verified: only then may a text or a picture call them so."""

from __future__ import annotations

from collections.abc import Iterable

from llmrg.core.records import Run
from llmrg.core.themes import ProfileSource

RECORDED = "profiles/"
"""Name of a mind that repeats recorded answers begins so; what it verifies was verified if its source was."""


def was_verified(run_id: str, runs: Iterable[Run], sources: Iterable[ProfileSource] = ()) -> bool:
    """Whether the run that made a graph (`graph.run`) is known and had each step verified.

    A graph of an unknown run (a list made on the spot, an import) is not called verified, nor is one that was built with
    verification off (its scores of 1.00 stand for no check), nor one whose verifier repeats the answers of a recorded source,
    unless that source is among `sources` and was verified itself.
    """
    run = next((run for run in runs if run_id and run.id == run_id), None)
    config = run.settings.get("config") if run else None
    if run is None or not isinstance(config, dict) or not config.get("verification"):
        return False
    verifier = str(run.settings.get("verifier", ""))
    if not verifier.startswith(RECORDED):
        return True
    return any(source.verified for source in sources if source.name == verifier.removeprefix(RECORDED))
