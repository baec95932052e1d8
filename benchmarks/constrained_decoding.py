"""Titles of a catalogue by beam search, against the usual way: transformers' `generate` with `prefix_allowed_tokens_fn`.

    OMP_NUM_THREADS=1 python benchmarks/constrained_decoding.py [--data FOLDER] [--users 3] [--sets demo amazon-beauty]

SmolLM2-135M as it is, 20 beams, one process, one question at a time, float32. The demo's books; with --data (a folder with the
public data sets) the titles of Amazon Beauty too, where `generate` stops at the 95th percentile of the titles' lengths. Both ways
ask in the same tokens. Scores among all words are compared list by list; scores among a node's children, which is what the model
is trained for, against the exact ranking. Sets that a call leaves out keep their figures.

The bars: at least 5 times less CPU, lists no worse; ranking the whole catalogue exactly feeds at most 1/100 of the tokens that
one prompt a title takes.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine

from llmrg.cli.tables import print_rows
from llmrg.core.records import Item
from llmrg.core.settings import load_settings
from llmrg.data.dataset import Dataset
from llmrg.data.demo_set import load_demo
from llmrg.data.registry import known_sets, load_data
from llmrg.recsysllm.backbone import Backbone
from llmrg.recsysllm.beam import Beams, beam_search
from llmrg.recsysllm.config import RecSysLlmConfig
from llmrg.recsysllm.exact import score_titles
from llmrg.recsysllm.layout import Layout
from llmrg.recsysllm.net import RecSysNet
from llmrg.recsysllm.pieces import Piece
from llmrg.recsysllm.reading import Reading
from llmrg.recsysllm.sequences import SequenceExamples, no_words
from llmrg.recsysllm.textualise import Textualiser
from llmrg.recsysllm.trie import ROOT, TitleTrie

RESULT = Path(__file__).parent / "results" / "constrained_decoding.json"
SETS = ("demo", "amazon-beauty")
MODEL, BEAMS, HISTORY = "smollm2-135m", 20, 10
FASTER, FEWER = 5.0, 100.0
CONFIG = RecSysLlmConfig(head="titles", history_items=HISTORY, max_tokens=1024)


class Desk:
    """A catalogue of distinct titles, and questions of its users."""

    def __init__(self, dataset: Dataset, backbone: Backbone, users: int) -> None:
        distinct: dict[tuple[int, ...], Item] = {}
        for item in dataset.catalogue:
            distinct.setdefault(backbone.coder.entity(item.title), item)
        items = list(distinct.values())
        rows = {item.id: row for row, item in enumerate(items, start=1)}
        self.text = Textualiser.of(items, backbone.coder)
        self.net = RecSysNet(backbone, self.text.trie).eval()
        maker = SequenceExamples(self.text, CONFIG, backbone.stand_ins)
        prompt = tuple(backbone.coder.code([Piece(text)]) for text in ("Taken so far, oldest first:", " next:"))
        self.questions: list[Layout] = []
        for history in list(dataset.histories.values())[:users]:
            known = np.array([rows[item] for item in history.items[:-1] if item in rows][-HISTORY:], dtype=np.int64)
            self.questions.append(maker.question(history, known, prompt, no_words, -1))  # type: ignore[arg-type]

    @property
    def trie(self) -> TitleTrie:
        return self.text.trie

    def search(self, question: Layout, renormalised: bool) -> Beams:
        reading = Reading(self.net, CONFIG, question)
        return beam_search(reading, self.trie, np.zeros(self.trie.items), BEAMS, BEAMS, renormalised=renormalised)


def generated(desk: Desk, question: Layout, longest: int) -> list[tuple[int, float]]:
    """(terminal node, log-probability) of the finished titles that `generate` finds, best first."""
    end, start = desk.text.end, len(question)

    def allowed(_: int, words: torch.Tensor) -> list[int]:
        node = ROOT
        for word in words[start:].tolist():
            node = desk.trie.step(node, word) if node >= 0 else -1
        below = desk.trie.token[desk.trie.children(node)].tolist() if node >= 0 else []
        return below or [end]

    found = desk.net.backbone.causal.generate(
        torch.from_numpy(question.ids)[None], attention_mask=torch.ones(1, start, dtype=torch.long), num_beams=BEAMS,
        num_return_sequences=BEAMS, do_sample=False, max_new_tokens=longest, length_penalty=0.0, early_stopping=False,
        prefix_allowed_tokens_fn=allowed, return_dict_in_generate=True, output_scores=True, eos_token_id=end, pad_token_id=end,
    )  # fmt: skip
    pairs = []
    for words, score in zip(found.sequences[:, start:].tolist(), found.sequences_scores.tolist(), strict=True):
        node = ROOT
        for word in [*words[: words.index(end)], end] if end in words else []:
            node = desk.trie.step(node, word)
        if node != ROOT:
            pairs.append((node, score))
    return sorted(pairs, key=lambda pair: -pair[1])


def clocked(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and CPU seconds."""
    began = time.process_time()
    return work(), time.process_time() - began


def measured(desk: Desk, all_tokens: bool) -> dict[str, Any]:
    """Args: all_tokens: let `generate` go on to the end of the longest title."""
    lengths, count = [len(title) + 1 for title in desk.text.titles], len(desk.questions)
    longest = max(lengths) if all_tokens else int(np.percentile(lengths, 95))
    fed, seconds, gains, shared, hits = _zeros(), _zeros(), list[float](), list[float](), list[float]()
    proven = 0
    desk.search(desk.questions[0], True)
    for question in desk.questions:
        with counting(desk.net.backbone) as counted:
            theirs, spent = clocked(lambda asked=question: generated(desk, asked, longest))
        seconds["generate"] += spent
        fed["generate"] += counted[0]
        lists = {}
        for name, renormalised in (("all words", False), ("children", True)):
            lists[name], spent = clocked(lambda asked=question, way=renormalised: desk.search(asked, way))
            seconds[name] += spent
            fed[name] += lists[name].tokens_fed
        reading = Reading(desk.net, CONFIG, question)
        scores, spent = clocked(lambda asked=reading: score_titles(asked, desk.trie))
        seconds["whole catalogue"] += spent
        fed["whole catalogue"] += reading.tokens_fed
        fed["one prompt a title"] += sum(len(question) + length - 1 for length in lengths)
        ours = lists["all words"]
        if theirs:
            gains.append(float(ours.scores[: len(theirs)].mean() - np.mean([score for _, score in theirs])))
        ended = set(desk.trie.terminal[ours.items - 1].tolist())
        shared.append(len(ended & {node for node, _ in theirs}) / BEAMS)
        proven += lists["children"].exact
        best = np.argsort(-scores[desk.trie.terminal], kind="stable")[:BEAMS] + 1
        hits.append(len(set(best.tolist()) & set(lists["children"].items.tolist())) / BEAMS)
    return {
        "titles": desk.trie.items,
        "nodes": len(desk.trie),
        "nodes_left_to_decide": len(desk.trie.live),
        "questions": count,
        "prompt_tokens": [len(question) for question in desk.questions],
        "generate_stops_after": longest,
        "cpu_seconds": {name: round(value / count, 3) for name, value in seconds.items() if value},
        "tokens_fed": {name: round(value / count) for name, value in fed.items()},
        "times_less_cpu": {name: round(seconds["generate"] / seconds[name], 1) for name in ("all words", "children")},
        "fewer_tokens_than_one_prompt_a_title": round(fed["one prompt a title"] / fed["whole catalogue"]),
        "mean_score_above_generate_nats": [round(gain, 4) for gain in gains],
        "titles_shared_with_generate": round(float(np.mean(shared)), 3),
        "lists_proven_exact": proven / count,
        "titles_of_the_exact_list": round(float(np.mean(hits)), 3),
    }


def _zeros() -> dict[str, float]:
    return dict.fromkeys(("generate", "all words", "children", "whole catalogue", "one prompt a title"), 0.0)


class counting:
    """Tokens that go through the language model while this is open."""

    def __init__(self, backbone: Backbone) -> None:
        self._model, self._count = backbone.causal.get_decoder(), [0]

    def __enter__(self) -> Sequence[int]:
        def hook(_: Any, __: Any, given: dict[str, Any]) -> None:
            fed = given.get("input_ids") if given.get("input_ids") is not None else given["inputs_embeds"][..., 0]
            self._count[0] += fed.numel()

        self._hook = self._model.register_forward_pre_hook(hook, with_kwargs=True)
        return self._count

    def __exit__(self, *_: object) -> None:
        self._hook.remove()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="folder with the public data sets; without Beauty in it, the demo alone")
    options.add_argument("--users", type=int, default=3)
    options.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    options.add_argument("--result", type=Path, default=RESULT)
    chosen = options.parse_args()
    torch.set_num_threads(1)
    backbone = Backbone.load(MODEL, load_settings().cache_dir.expanduser(), train_layers=0, dtype="float32")
    here = machine() | {"load_average": round(os.getloadavg()[0], 1)}
    known = json.loads(chosen.result.read_text(encoding="utf-8"))["sets"] if chosen.result.exists() else {}
    result: dict[str, Any] = {"machine": here, "model": MODEL, "beams": BEAMS, "sets": known}
    with torch.inference_mode():
        if "demo" in chosen.sets:
            known["demo"] = measured(Desk(load_demo(), backbone, chosen.users), all_tokens=True)
        there = chosen.data and any(one.name == "amazon-beauty" and one.here for one in known_sets(chosen.data))
        if "amazon-beauty" in chosen.sets and there:
            beauty = Desk(load_data("amazon-beauty", data_dir=chosen.data), backbone, chosen.users)
            known["amazon-beauty"] = measured(beauty, all_tokens=False)
    sets = result["sets"].values()
    result["bars"] = {
        f"at least {FASTER:g} times less CPU": all(one["times_less_cpu"]["children"] >= FASTER for one in sets),
        "lists no worse than those of generate": all(min(one["mean_score_above_generate_nats"]) > -1e-3 for one in sets),
        f"at most 1/{FEWER:g} of the tokens": all(one["fewer_tokens_than_one_prompt_a_title"] >= FEWER for one in sets),
    }
    chosen.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name, one in result["sets"].items():
        rows = [
            (way, f"{one['cpu_seconds'].get(way, float('nan')):.2f}", f"{tokens:,}") for way, tokens in one["tokens_fed"].items()
        ]
        print_rows(f"{name}: {one['titles']:,} titles, a question", ("way", "CPU seconds", "tokens fed"), rows)
    print(json.dumps(result["bars"], indent=1))
    assert all(result["bars"].values()), "a bar is missed"


if __name__ == "__main__":
    main()
