"""The templates of this room, read when asked."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@cache
def part(name: str) -> Markup:
    """A style sheet or script of ours, as it is."""
    return Markup(resources.files("llmrg.explanations").joinpath("templates", name).read_text("utf-8"))


def style() -> Markup:
    """Colours and marks of a picture."""
    return part("colours.css") + part("picture.css")


def script_hash(name: str) -> str:
    """The source expression that lets a page run this script of ours and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(part(name).encode()).digest()).decode()}'"


@cache
def _environment() -> Environment:
    loader = PackageLoader("llmrg.explanations", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(part=part, style=style, script_hash=script_hash)
    return environment


def render(template: str, **values: Any) -> str:
    """A template with its values, each escaped unless it is Markup."""
    return _environment().get_template(template).render(**values)
