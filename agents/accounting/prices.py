"""What tokens cost: a small file that the user writes, since prices change and no model is named here.

# prices.toml
currency = "EUR"
["openai:my-model"]      # as given with --model, with or without the provider, and with or without @ADDRESS of the server
input = 0.40             # per million tokens read
output = 1.60            # per million tokens written
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from llmrg.agents.chat.servers import address
from llmrg.core.errors import ConfigError

MILLION = 1_000_000


class Price(BaseModel, frozen=True, extra="forbid"):
    """Of one model, in the file's currency."""

    input: float = Field(ge=0)
    """A million tokens read."""
    output: float = Field(ge=0)
    """A million tokens written."""


class Prices(BaseModel, frozen=True):
    """Prices by model name; empty: nothing has a known price."""

    currency: str = ""
    models: Mapping[str, Price] = {}

    def of(self, model: str) -> Price | None:
        """By `NAME` or `NAME@ADDRESS`: the price for that server, else the one for the name without a server. The file may put
        the provider before the name."""
        name, server = _parts(model)
        named = [(_parts(key), price) for key, price in self.models.items()]
        named = [((key, at), price) for (key, at), price in named if name in (key, key.partition(":")[2])]
        return next((price for at in (server, "") for (_, at_server), price in named if at_server == at), None)

    def cost(self, model: str, input_tokens: float, output_tokens: float) -> float | None:
        """None where the model has no price."""
        price = self.of(model)
        return None if price is None else (input_tokens * price.input + output_tokens * price.output) / MILLION


def _parts(model: str) -> tuple[str, str]:
    """(name, address of the server or "")."""
    name, _, rest = model.partition("@http")
    return name, address(f"http{rest}") if rest else ""


def load_prices(path: Path) -> Prices:
    """A file that is not there holds no prices. Raises: ConfigError: it cannot be read."""
    if not path.exists():
        return Prices()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return Prices(currency=str(table.pop("currency", "")), models={name: Price(**row) for name, row in table.items()})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError, TypeError) as error:
        problem = " ".join(str(error).split())
        raise ConfigError(
            f"the price file {path} cannot be read ({problem}); it needs lines such as: "
            '["openai:my-model"] input = 0.40 output = 1.60 (per million tokens)'
        ) from error
