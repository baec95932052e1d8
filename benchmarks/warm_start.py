"""Training anew against a warm start after the data has grown: epochs until validation is as good as the best of training anew.

The bundled readers as they were before their last items and before some books were there, and as they are. Writes
results/warm_start.json. Minutes on a processor.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from machine import machine

from llmrg.data.demo_set import load_demo
from llmrg.recommenders import RunOptions, SequentialRecommender, TrainingConfig, model_config
from llmrg.testing.growing import before_growth

RESULT = Path(__file__).parent / "results" / "warm_start.json"
SHARES, MODELS, SEEDS = (0.05, 0.1), ("sasrec", "gru4rec", "bsarec"), (0, 1, 2)


def epochs_until(made: SequentialRecommender, figure: float) -> int | None:
    """The first epoch whose validation NDCG@10 is at least this; None where there was none."""
    return next((epoch.number for epoch in made.epochs if epoch.ndcg is not None and epoch.ndcg >= figure), None)


def measured(model: str, share: float, seed: int) -> dict[str, Any]:
    now = load_demo()
    before = before_growth(now, share, new_items=20)

    def fresh() -> SequentialRecommender:
        return SequentialRecommender(model_config(model), training=TrainingConfig(), options=RunOptions(seed=seed))

    old, anew, warm = fresh(), fresh(), fresh()
    old.fit(before)
    anew.fit(now)
    warm.start_from(old)
    warm.fit(now)
    goal = 0.95 * anew.validation_ndcg
    return {
        "model": model,
        "grown_by": share,
        "seed": seed,
        "new_items": len(now.catalogue) - len(before.catalogue),
        "anew": figures(anew, goal),
        "warm": figures(warm, goal) | {"until_as_good": epochs_until(warm, anew.validation_ndcg)},
    }


def figures(made: SequentialRecommender, goal: float) -> dict[str, Any]:
    """Epochs count from 1; `until_95` is None where 95 % of the best of training anew were not reached."""
    return {
        "ndcg": round(made.validation_ndcg, 4),
        "epochs": len(made.epochs),
        "best_epoch": made.best_epoch,
        "until_95": epochs_until(made, goal),
    }


def main() -> None:
    rows = []
    for model in MODELS:
        for share in SHARES:
            for seed in SEEDS:
                rows.append(measured(model, share, seed))
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    RESULT.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
