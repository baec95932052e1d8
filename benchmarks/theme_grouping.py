"""How long it takes to group the free-text reasons of 100,000 steps into themes, on one core.

    OMP_NUM_THREADS=1 python benchmarks/theme_grouping.py

The texts are simulated: how often one comes back follows a power law, as in free text, and texts that mean the same have vectors
near each other (384 numbers, made before the clock starts). Shares of distinct texts: of a mind that chooses from a bank, of free
text, and where no two steps have the same text.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

from llmrg.cli.tables import print_rows
from llmrg.core.theme_grouping import group_reasons

RESULT = Path(__file__).parent / "results" / "theme_grouping.json"
STEPS, DIMENSION = 100_000, 384
NOISE = 0.35
"""Length of what a text's vector has beside that of its meaning."""
WORLDS = {"from a bank": (200, 200), "free text": (40_000, 6_000), "no text twice": (100_000, 15_000)}
"""Name -> (distinct texts, meanings)."""


def main() -> None:
    result: dict[str, Any] = {"machine": machine() | {"load_average": round(os.getloadavg()[0], 1)}, "steps": STEPS}
    result["threads"] = int(os.environ.get("OMP_NUM_THREADS", "0")) or None
    result["worlds"] = {name: measured(*sizes) for name, sizes in WORLDS.items()}
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    header = ("reasons", "distinct texts", "themes", "seconds", "CPU seconds")
    print_rows(
        f"{STEPS:,} steps", header, [(name, *(f"{value:,}" for value in row.values())) for name, row in result["worlds"].items()]
    )


def measured(distinct: int, meanings: int) -> dict[str, Any]:
    """Args: distinct: texts of which each is used at least once. meanings: what they are near."""
    random = np.random.default_rng(7)
    texts = [f"reason {n}" for n in range(distinct)]
    counts = 1 + random.multinomial(STEPS - distinct, zipf(distinct))
    rows = vectors(random, distinct, meanings)
    place = {text: n for n, text in enumerate(texts)}
    wall, cpu = time.perf_counter(), time.process_time()
    themes = group_reasons(dict(zip(texts, counts.tolist(), strict=True)), lambda asked: rows[[place[text] for text in asked]])
    return {
        "distinct_texts": distinct,
        "themes": len(set(themes.values())),
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
    }


def zipf(size: int) -> np.ndarray:
    weights = 1.0 / np.arange(1, size + 1)
    return weights / weights.sum()


def vectors(random: np.random.Generator, distinct: int, meanings: int) -> np.ndarray:
    """(distinct, DIMENSION) float32 unit rows, each near one of the meanings."""
    centres = unit(random.standard_normal((meanings, DIMENSION)).astype(np.float32))
    noise = unit(random.standard_normal((distinct, DIMENSION)).astype(np.float32))
    of = np.concatenate([np.arange(meanings), random.choice(meanings, distinct - meanings, p=zipf(meanings))])
    return unit(centres[of] + NOISE * noise)


def unit(rows: np.ndarray) -> np.ndarray:
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


if __name__ == "__main__":
    main()
