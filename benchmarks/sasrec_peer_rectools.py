"""The peer's side of `sasrec_peer.py`: RecTools' SASRec, with the same files in and out as `sasrec_peer_ours.py`.

    PEER_PYTHON sasrec_peer_rectools.py FOLDER

Needs `sasrec_peer_requirements.txt` and nothing of this project. Settings that the job does not name stay at RecTools' defaults.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything
from rectools.dataset import Dataset
from rectools.models import SASRecModel

Histories = dict[str, list[str]]
PACKAGES = ("rectools", "pytorch-lightning", "torch", "numpy", "pandas")


def interactions(histories: Histories, held_out: int) -> Dataset:
    """Histories without their last `held_out` items; the position serves as the time, so that the order is the given one."""
    rows = [(u, item, place, 1.0) for u, items in histories.items() for place, item in enumerate(items[:-held_out])]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "datetime", "weight"])
    frame["datetime"] = pd.to_datetime(frame["datetime"], unit="s")
    return Dataset.construct(frame)


class Questions:
    """What comes after history[:-held_out], asked of all users by the peer's own way of preparing inputs."""

    def __init__(self, module: LightningModule, histories: Histories, held_out: int) -> None:
        prepare = module.data_preparator
        users = list(histories)
        asked = prepare.transform_dataset_u2i(interactions(histories, held_out), users)
        if asked.user_id_map.size != len(users):
            raise RuntimeError("the peer dropped users whose items it does not know; both sides must rank the same users")
        self.loader = prepare.get_dataloader_recommend(asked, batch_size=256)
        self.order = asked.user_id_map.convert_to_internal(users)

    def scores(self, module: LightningModule) -> np.ndarray:
        """(U, V) float32 in the order of the users given; V counts the peer's items, its padding item first."""
        users, items = module._get_user_item_embeddings(self.loader, "cpu")
        return (users @ items.T).detach().numpy()[self.order]


class EarlyStopping(Callback):
    """After each epoch: NDCG@10 of the validation items, seen items masked, ties against; keeps the best weights."""

    def __init__(self, histories: Histories, patience: int) -> None:
        self.histories, self.patience = histories, patience
        self.curve: list[dict[str, float]] = []
        self.best: dict[str, torch.Tensor] = {}
        self.cpu, self.wall = time.process_time(), time.perf_counter()
        self.questions: Questions | None = None

    def __deepcopy__(self, memo: Any) -> EarlyStopping:
        """The model trains with a copy of its trainer, but what this object notes must come out again."""
        return self

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        found = self._ndcg(pl_module)
        if not self.curve or found > max(epoch["ndcg"] for epoch in self.curve):
            self.best = {name: value.detach().clone() for name, value in pl_module.torch_model.state_dict().items()}
        self.curve.append({"ndcg": found, **self.spent()})
        best = max(range(len(self.curve)), key=lambda epoch: self.curve[epoch]["ndcg"])
        trainer.should_stop = len(self.curve) - 1 - best >= self.patience
        pl_module.train()

    def spent(self) -> dict[str, float]:
        return {"cpu_s": time.process_time() - self.cpu, "wall_s": time.perf_counter() - self.wall}

    def _ndcg(self, module: LightningModule) -> float:
        self.questions = self.questions or Questions(module, self.histories, held_out=2)
        row_of = module.data_preparator.item_id_map.to_internal.to_dict()
        gains = []
        for line, items in zip(self.questions.scores(module), self.histories.values(), strict=True):
            if items[-2] not in row_of:
                gains.append(0.0)
                continue
            own = line[row_of[items[-2]]]
            line[[0, *(row_of[item] for item in items[:-2] if item in row_of)]] = -np.inf
            rank = int((line >= own).sum())
            gains.append(1.0 / np.log2(rank + 1.0) if rank <= 10 else 0.0)
        return float(np.mean(gains))


def train(histories: Histories, catalogue: list[str], job: dict[str, Any], seed: int, scores: Path) -> dict[str, Any]:
    """One training; the clock runs from before the data are prepared until training stops."""
    seed_everything(seed)
    watch = EarlyStopping(histories, job["patience"])
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    model = SASRecModel(
        n_factors=job["embedding_size"],
        n_blocks=job["blocks"],
        n_heads=job["heads"],
        session_max_len=job["max_length"],
        dropout_rate=job["dropout"],
        loss="softmax",
        lr=job["learning_rate"],
        batch_size=job["batch_size"],
        get_trainer_func=lambda: Trainer(max_epochs=job["epochs"], accelerator="cpu", devices=1, callbacks=[watch], **quiet),
    )
    model.fit(interactions(histories, held_out=2))
    spent, module = watch.spent(), model.lightning_model
    module.torch_model.load_state_dict(watch.best)
    row_of = module.data_preparator.item_id_map.to_internal.to_dict()
    known = [column for column, item in enumerate(catalogue) if item in row_of]
    found = Questions(module, histories, held_out=1).scores(module)
    columns = np.full((len(histories), len(catalogue)), -np.inf, dtype=np.float32)
    columns[:, known] = found[:, [row_of[catalogue[column]] for column in known]]
    np.save(scores, columns)
    return {"seed": seed, **spent, "curve": watch.curve, "items": len(known)}


def main(folder: Path) -> None:
    warnings.filterwarnings("ignore")
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    told = json.loads((folder / "histories.json").read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    histories, catalogue = told["histories"], told["catalogue"]
    runs = [train(histories, catalogue, job, seed, folder / f"scores-{seed}.npy") for seed in job["seeds"]]
    versions = {package: version(package) for package in PACKAGES}
    (folder / "runs.json").write_text(json.dumps({"runs": runs, "versions": versions}), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
