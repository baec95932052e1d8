"""One step of fine-tuning: what it costs, and what must not change.

    OMP_NUM_THREADS=1 python benchmarks/lora_step.py [--models gemma-3-270m smollm2-135m] [--rounds 3]

Readers of the demo, packed into rows; titles are predicted among all words. CPU seconds of one thread, forward and backward,
the median of the rounds; ways take turns, so that what else the machine does hits all alike.

- Logits everywhere, against logits at the places that predict something: of all words there, and of the words of the trie's
  children, which is the loss of the default. Bars, set before anything was measured, for the former: twice as fast for Gemma 3
  270M with its 262,144 words, 1.3 times for SmolLM2-135M. A bar that is missed is printed as missed.
- Adapters in the last 10 layers, over states of the lower layers that are kept, against adapters in all layers, CPU seconds a
  token. Bar: 2.5 times (reached where two thirds of the layers lie below: SmolLM2 has 30, Gemma 18).
- One token at a time over the cache, against one pass over the whole, log-probabilities in float32. Bar: 1e-4.
- An untrained plug for reasoning graphs, against none. Bar: no bit.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from machine import machine
from torch import Tensor

from llmrg.cli.tables import print_rows
from llmrg.core.records import ReasoningGraph, Step
from llmrg.core.settings import load_settings
from llmrg.core.themes import Themes
from llmrg.data.demo_set import load_demo
from llmrg.encoders.text import HashedVectors
from llmrg.recommenders.base import FitData
from llmrg.recommenders.fusion.concat import ConcatConfig, ConcatGraphs
from llmrg.recommenders.items import ItemRows
from llmrg.recsysllm.backbone import Backbone
from llmrg.recsysllm.batches import Batch, pack
from llmrg.recsysllm.config import LayoutName, Positions, RecSysLlmConfig
from llmrg.recsysllm.graph_plug import GraphPlug
from llmrg.recsysllm.layout import NOTHING, VOCABULARY, Layout
from llmrg.recsysllm.net import RecSysNet
from llmrg.recsysllm.pieces import Piece
from llmrg.recsysllm.reading import Reading
from llmrg.recsysllm.sequences import SequenceExamples, no_words
from llmrg.recsysllm.textualise import Textualiser

RESULT = Path(__file__).parent / "results" / "lora_step.json"
READERS, ROW_TOKENS, STEP_TOKENS, TRAINED = 24, 128, 512, 10
TARGETS_BAR = {"gemma-3-270m": 2.0, "smollm2-135m": 1.3}
CACHE_BAR = {"smollm2-135m": 2.5}
SAME = 1e-4
WAYS: tuple[tuple[LayoutName, Positions], ...] = (("causal", "paper"), ("blank", "paper"), ("blank", "running"))


class Desk:
    """The demo in the words of one model."""

    def __init__(self, backbone: Backbone) -> None:
        self.dataset = load_demo()
        self.items = ItemRows(self.dataset.catalogue.ids)
        self.text = Textualiser.of(list(self.dataset.catalogue), backbone.coder)
        self.users = list(self.dataset.histories)[:READERS]
        self.rows = [self.items.rows(self.dataset.histories[user].items[:-2]) for user in self.users]
        self.prompt = tuple(backbone.coder.code([Piece(text)]) for text in ("Taken so far, oldest first:", " next:"))

    def net(self, backbone: Backbone, told: ConcatGraphs | None = None) -> RecSysNet:
        plug = None
        if told is not None:
            texts = HashedVectors().embed([item.title for item in self.dataset.catalogue])
            plug = GraphPlug(backbone.size, texts, told.sizes["text"], told.setting)
        return RecSysNet(backbone, self.text.trie, None, plug)

    def maker(self, backbone: Backbone, config: RecSysLlmConfig) -> SequenceExamples:
        return SequenceExamples(self.text, config, backbone.stand_ins)

    def layouts(self, backbone: Backbone) -> list[Layout]:
        maker = self.maker(backbone, RecSysLlmConfig(head="titles"))
        made = [
            maker.training(self.dataset.histories[user], row, self.prompt, no_words, number, np.random.default_rng(number))  # type: ignore[arg-type]
            for number, (user, row) in enumerate(zip(self.users, self.rows, strict=True))
        ]
        return [layout for layout in made if layout is not None]

    def batch(self, backbone: Backbone, among_all_words: bool = False) -> Batch:
        """Rows of about a step."""
        layouts = self.layouts(backbone)
        if among_all_words:
            layouts = [replace(layout, node=np.full_like(layout.node, VOCABULARY)) for layout in layouts]
        rows = pack([len(layout) for layout in layouts], range(len(layouts)), ROW_TOKENS)
        kept, tokens = [], 0
        for row in rows:
            tokens += sum(len(layouts[number]) for number in row)
            if kept and tokens > STEP_TOKENS:
                break
            kept.append(row)
        return Batch.of(layouts, kept)

    def question(self, backbone: Backbone, config: RecSysLlmConfig) -> Layout:
        history = self.dataset.histories[self.users[0]]
        return self.maker(backbone, config).question(history, self.rows[0], self.prompt, no_words, 0)  # type: ignore[arg-type]

    def told(self) -> ConcatGraphs:
        """A step a position: the first theme of each item."""
        graphs = {}
        for user in self.users:
            items, steps = self.dataset.histories[user].items, []
            for p in range(1, len(items)):
                theme = self.dataset.catalogue[items[p]].values("theme")[0]
                steps.append(Step(user, p, "reasoned", "item", items[p - 1], p - 1, theme, items[p], 0.9, 0, p + 1))
            graphs[user] = ReasoningGraph(user, tuple(steps))
        parts = dict(zip(self.users, self.rows, strict=True))
        return ConcatConfig().graphs_of(FitData(self.dataset, self.items, parts, graphs, Themes()), HashedVectors())


def everywhere(net: RecSysNet, batch: Batch) -> Tensor:
    """The loss as it is usually computed: logits of every token, most of which count for nothing."""
    wanted = torch.full(batch.ids.shape, NOTHING)
    wanted[batch.where[:, 0], batch.where[:, 1]] = torch.from_numpy(batch.target)
    logits = net.backbone.word_logits(net.states(batch).flatten(0, 1))
    return F.cross_entropy(logits, wanted.flatten(), ignore_index=NOTHING)


def seconds(ways: dict[str, tuple[RecSysNet, Callable[[], Tensor]]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each way's step."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, (net, loss) in ways.items():
            began = time.process_time()
            loss().backward()  # type: ignore[no-untyped-call]
            if turn:  # the first one warms up
                found[name].append(time.process_time() - began)
            net.zero_grad(set_to_none=True)
    return {name: statistics.median(times) for name, times in found.items()}


def measured(name: str, rounds: int) -> dict[str, Any]:
    folder = load_settings().cache_dir.expanduser()
    whole, upper = (Backbone.load(name, folder, layers) for layers in (None, TRAINED))
    desk = Desk(whole)
    nets = {"all": desk.net(whole), "upper": desk.net(upper)}
    titles, words = desk.batch(whole), desk.batch(whole, among_all_words=True)
    for backbone in (whole, upper):
        backbone.training_way(True)
    below = upper.below(words.ids, words.inter, words.allowed)
    with torch.no_grad():
        losses = float(nets["all"](words).loss), float(everywhere(nets["all"], words))
    assert abs(losses[0] - losses[1]) < 2e-2, losses
    times = seconds(
        {
            "logits at targets": (nets["all"], lambda: nets["all"](words).loss),
            "logits everywhere": (nets["all"], lambda: everywhere(nets["all"], words)),
            "logits of the trie's children": (nets["all"], lambda: nets["all"](titles).loss),
            f"the same, last {TRAINED} layers, lower states kept": (
                nets["upper"],
                lambda: nets["upper"](titles, None, below).loss,
            ),
        },
        rounds,
    )
    tokens = sum(length for *_, length in words.examples.tolist())
    at, everything, children, kept = times.values()
    return {
        "layers": whole.layer_count,
        "dtype": str(whole.dtype),
        "rows": list(words.ids.shape),
        "tokens": tokens,
        "targets": len(words.target),
        "cpu_seconds": {way: round(value, 3) for way, value in times.items()},
        "cpu_milliseconds_a_token": {
            "all layers": round(1000 * children / tokens, 2),
            "lower states kept": round(1000 * kept / tokens, 2),
        },
        "targets_times_faster": round(everything / at, 2),
        "children_times_faster": round(everything / children, 2),
        "kept_times_faster": round(children / kept, 2),
    } | same(name, folder)


def same(name: str, folder: Path) -> dict[str, Any]:
    """What must not change, in float32."""
    backbone = Backbone.load(name, folder, TRAINED, dtype="float32")
    desk = Desk(backbone)
    apart = {}
    for layout, positions in WAYS:
        config = RecSysLlmConfig(head="titles", layout=layout, positions=positions)
        apart[layout if layout == "causal" else f"{layout}, {positions}"] = incremental(desk, backbone, config)
    told = desk.told()
    batch = desk.batch(backbone)
    with torch.no_grad():
        bare, plugged = (desk.net(backbone, known).states(batch, known) for known in (None, told))
    return {"incremental_from_full": apart, "untrained_plug_from_none": float((bare - plugged).abs().max())}


@torch.no_grad()
def incremental(desk: Desk, backbone: Backbone, config: RecSysLlmConfig) -> float:
    """Largest difference of log-probabilities after each token of a title."""
    net, question = desk.net(backbone).eval(), desk.question(backbone, config)
    words = list(max(desk.text.titles, key=len))[:12]
    reading = Reading(net, config, question)
    states = [reading.state]
    for number, word in enumerate(words):
        states.append(reading.feed([word], [number - 1], [number + 2])[0])
    steps = np.arange(1, len(words) + 1)
    running = config.layout == "causal" or config.positions == "running"
    more = {"ids": np.array(words), "control": 0 * steps, "part": 0 * steps + question.part[-1], "intra": steps + 1}
    more |= {"sees": 0 * steps + question.sees[-1], "inter": question.inter[-1] + running * steps}
    more |= {"target": 0 * steps + NOTHING, "node": 0 * steps - 1}
    whole = replace(question, **{column: np.concatenate([getattr(question, column), values]) for column, values in more.items()})
    full = net.states(Batch.of([whole], [[0]]))[0, len(question) - 1 :]
    logs = [backbone.word_logits(found).log_softmax(1) for found in (torch.stack(states), full)]
    return float((logs[0] - logs[1]).abs().max())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--models", nargs="+", choices=TARGETS_BAR, default=list(TARGETS_BAR))
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--result", type=Path, default=RESULT)
    chosen = options.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {"machine": machine() | {"load_average": round(os.getloadavg()[0], 1)}}
    models = result["models"] = {name: measured(name, chosen.rounds) for name in chosen.models}
    bars = result["bars"] = {}
    for name, one in models.items():
        bars[f"{name}: {TARGETS_BAR[name]:g} times faster at targets"] = one["targets_times_faster"] >= TARGETS_BAR[name]
        if name in CACHE_BAR:
            bars[f"{name}: {CACHE_BAR[name]:g} times faster over kept states"] = one["kept_times_faster"] >= CACHE_BAR[name]
        bars[f"{name}: incremental is full"] = max(one["incremental_from_full"].values()) <= SAME
        bars[f"{name}: an untrained plug is none"] = one["untrained_plug_from_none"] == 0.0
    chosen.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name, one in models.items():
        rows = [(way, f"{value:.2f}", f"{1000 * value / one['tokens']:.1f}") for way, value in one["cpu_seconds"].items()]
        title = f"{name}, a step of {one['tokens']} tokens, {one['targets']} targets"
        print_rows(title, ("way", "CPU seconds", "milliseconds a token"), rows)
    print(json.dumps(bars, indent=1))
    assert all(bars.values()), "a bar is missed"


if __name__ == "__main__":
    main()
