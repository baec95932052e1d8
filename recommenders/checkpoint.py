"""A training that can be killed: one safetensors file with weights, best weights and optimizer, its state as JSON metadata."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from llmrg.core.errors import ArtifactError
from llmrg.core.places import HOME, writing


@dataclass(frozen=True, slots=True)
class State:
    """Where a training stands, in epochs done."""

    epoch: int = 0
    best_epoch: int = 0
    best_ndcg: float = -1.0


class Checkpoint:
    """Reads into, and writes from, one net and its optimizer. A path of None keeps nothing on disk."""

    def __init__(self, path: Path | None, net: nn.Module, optimizer: torch.optim.Optimizer, fingerprint: str) -> None:
        self._path, self._net, self._optimizer, self._fingerprint = path, net, optimizer, fingerprint
        self.best = {name: value.detach().clone() for name, value in net.state_dict().items()}
        """Weights of the best epoch so far."""

    def read(self) -> State:
        """Put net and optimizer where the file says and return its state; a fresh state where there is no file.

        Raises: ArtifactError: damaged, or written by another training.
        """
        if self._path is None or not self._path.exists():
            return State()
        try:
            with safe_open(self._path, framework="pt") as file:
                note = json.loads((file.metadata() or {}).get("training", "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, ValueError, OSError) as error:
            raise ArtifactError(f"the checkpoint {self._path} is damaged ({error}); delete it to train from the start") from error
        if note.get("fingerprint") != self._fingerprint:
            raise ArtifactError(f"the checkpoint {self._path} belongs to other data or settings; delete it, or name another file")
        self._net.load_state_dict(_under("net.", tensors))
        self.best = _under("best.", tensors)
        self._restore(_under("adam.", tensors))
        return State(**note["state"])

    def write(self, state: State, best: dict[str, Tensor]) -> None:
        """Replace the file in one move."""
        self.best = best
        if self._path is None:
            return
        tensors = {f"net.{name}": value for name, value in self._net.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in best.items()}
        for number, slots in self._optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{number}.{name}": torch.as_tensor(value) for name, value in slots.items()}
        note = json.dumps({"fingerprint": self._fingerprint, "state": asdict(state)})
        scratch = self._path.with_name(self._path.name + ".part")
        with writing(self._path, HOME):
            try:
                save_file(
                    {name: value.detach().contiguous().clone() for name, value in tensors.items()}, scratch, {"training": note}
                )
            except SafetensorError as error:  # its way to tell of a full disk
                raise OSError(f"{scratch} cannot be written ({error})") from error
            os.replace(scratch, self._path)

    def _restore(self, flat: dict[str, Tensor]) -> None:
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in flat.items():
            number, slot = name.split(".", 1)
            slots.setdefault(int(number), {})[slot] = value
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": slots, "param_groups": groups})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
