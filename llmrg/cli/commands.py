"""All commands, registered with the application."""

from __future__ import annotations

from llmrg.cli import (  # noqa: F401  (they register commands)
    ask,
    build,
    cache,
    calibrate,
    data,
    demo,
    doctor,
    estimate,
    export,
    forget,
    graph,
    import_,
    profiles,
    prompts,
    reasons,
    recommend,
    review,
    runs,
    store,
    train,
)
from llmrg.cli.app import app

__all__ = ["app"]
