"""How well a verifier's scores tell right steps from wrong ones, and which threshold follows from it."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from llmrg.core.errors import ConfigError
from llmrg.core.interval import Interval
from llmrg.core.places import HOME, written
from llmrg.core.records import stable_key


@dataclass(frozen=True)
class Auc(Interval):
    """Area under the ROC curve: how often a right step scores above a wrong one."""

    negatives: int


@dataclass(frozen=True)
class Threshold:
    """The lowest threshold that keeps a false-accept rate."""

    wanted: float
    """False-accept rate at most: share of wrong steps that are accepted."""
    tau: float | None
    """None: even a score of 1 accepts more wrong steps than that."""
    false_accepts: float
    """The rate reached on the sample."""
    kept: float
    """Share of right steps that are accepted."""


@dataclass(frozen=True)
class Calibration:
    """Of one verifier on one data set."""

    data: str
    verifier: str
    reasoner: str
    """Whose proposals count as right; `planted truth` where the right steps are known."""
    users: int
    positives: int
    auc: dict[str, Auc]
    """`shuffled`, `wrong item`, and `all` negatives."""
    thresholds: tuple[Threshold, ...]
    reliability: tuple[tuple[float, float, int], ...]
    """(mean score, share of right steps, steps) of each tenth of the scores that holds any, weighted to `prevalence`."""
    prevalence: float
    """Share of right steps for which the reliability is stated; what share of a reasoner's proposals is right is not known."""
    histogram: dict[str, list[int]]
    """`right` and `wrong`: steps in each of twenty equal parts of [0, 1]."""
    false_accepts: float
    """The rate that `tau` is chosen for."""
    seed: int = 0
    prompts: dict[str, str] = field(default_factory=dict)
    server: str = ""
    """Where the verifier's model is: one name may stand for other models on other servers."""

    @property
    def tau(self) -> float | None:
        """The threshold for the wanted rate."""
        return next((row.tau for row in self.thresholds if row.wanted == self.false_accepts), None)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "tau": self.tau}


def calibration_file(home: Path, data: str, verifier: str, server: str = "") -> Path:
    """Where the calibration of a verifier, whose model is on a server, is kept."""
    return home / "calibration" / _safe(data) / f"{_safe(f'{verifier}@{server}' if server else verifier)}.json"


def save_calibration(calibration: Calibration, home: Path) -> Path:
    path = calibration_file(home, calibration.data, calibration.verifier, calibration.server)
    return written(path, json.dumps(calibration.to_json(), indent=1, ensure_ascii=False) + "\n", HOME)


def load_calibration(home: Path, data: str, verifier: str, server: str = "") -> Calibration:
    """Raises: ConfigError: none was made, or the file is damaged."""
    path = calibration_file(home, data, verifier, server)
    there = f" at {server}" if server else ""
    command = shlex.join(["llmrg", "calibrate", "--data", data, "--verifier", verifier])
    if not path.exists():
        raise ConfigError(f"the verifier {verifier!r}{there} was not calibrated on {data!r} (no {path}); run: {command}")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        fields.pop("tau")
        fields["auc"] = {kind: Auc(**row) for kind, row in fields["auc"].items()}
        fields["thresholds"] = tuple(Threshold(**row) for row in fields["thresholds"])
        fields["reliability"] = tuple((float(a), float(b), int(c)) for a, b, c in fields["reliability"])
        return Calibration(**fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is damaged ({error}); make it anew: {command}") from error


def _safe(name: str) -> str:
    """A file's name; where signs are replaced, two names stay two by what is made of the whole."""
    safe = re.sub(r"[^\w.-]+", "_", name)
    return safe if safe == name else f"{safe}-{stable_key(name)[:8]}"
