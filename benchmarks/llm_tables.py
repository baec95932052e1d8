"""RecSysLLM's part of the figures."""

from __future__ import annotations

from typing import Any

import graph_tables
from table_parts import columns, interval, machine_line


def demo(found: dict[str, Any]) -> list[str]:
    done = {row: count for row, count in found["seeds_done"].items() if count}
    seeds = ", ".join(f"{row} {count}" for row, count in done.items() if count not in (1, max(done.values())))
    cpu = [
        seconds
        for row, runs in found["cpu_s_training"].items()
        for seconds in runs
        if row.startswith("RecSysLLM") and seconds > 60
    ]
    about = found["settings"]
    lines = ["### RecSysLLM on the demo", "", *graph_tables.comparison(found["table"]), ""]
    lines += [
        f"`{about['model']}`, adapters in the last {about['train_layers']} layers, titles alone in the history; "
        f"{found['training']['epochs']} epochs at most, {max(cpu):.0f} CPU seconds a training at most (one thread, texts that an "
        "earlier row had read are not read again). Untrained, the item head is a content score of texts and attributes.",
        f"Seeds done: {max(done.values())}{'; ' + seeds if seeds else ''}. Missing: {'; '.join(found['missing']) or 'nothing'}.",
        machine_line(found),
    ]
    return lines


def layouts(found: dict[str, Any]) -> list[str]:
    lines = ["### RecSysLLM: does blank infilling help?", "", *columns("titles, by", "nats a test item", "tokens read", "CPU s")]
    for variant, row in found["rows"].items():
        runs = found["runs"][variant]
        tokens, seconds = (sum(run[key] for run in runs) / len(runs) for key in ("tokens_read", "cpu_s_training"))
        lines.append(f"| {variant} | {interval(row)} | {tokens:,.0f} | {seconds:,.0f} |")
    lines += ["", *columns("of", "against", "nats (below 0: likelier)", "p")]
    for one in found["contrasts"]:
        told = "{value:+.3f} [{low:+.3f}, {high:+.3f}]".format(**one["difference"])
        lines.append(f"| {one['name']} | {one['against']} | {told} | {one['p']:.4f} |")
    seeds = max((len(runs) for runs in found["runs"].values()), default=0)
    lines += [
        "",
        f"{found['data']}, {found['users']} users, {seeds} seed(s); a uniform guess costs {found['uniform_nats']:.3f} nats. "
        f"Missing: {'; '.join(found['missing']) or 'nothing'}. `recsysllm_layouts.py --plan` says what larger sets would need.",
        machine_line(found),
    ]
    return lines


def texts(found: dict[str, Any]) -> list[str]:
    lines = ["### RecSysLLM: stars, explanations, headlines", "", *columns("data", "stars by", "users", "RMSE", "MAE")]
    lines += [f"| {line} | {f['RMSE']:.3f} | {f['MAE']:.3f} |" for line, f in _answers(found, "RMSE", question=False)]
    lines += ["", *columns("data", "asked", "by", "users", "BLEU-2", "ROUGE-1", "ROUGE-L")]
    lines += [
        f"| {line} | {f['BLEU-2']:.2f} | {f['ROUGE-1']:.1f} | {f['ROUGE-L']:.1f} |"
        for line, f in _answers(found, "BLEU-2", question=True)
    ]
    trained = {name: kinds["trained"] for name, kinds in found["data"].items() if "trained" in kinds}
    seen = "; ".join(
        f"{name}: {one['users_in_training']} of {one['of_users']} users in training, {one['cpu_s_fit']:.0f} CPU s"
        for name, one in trained.items()
    )
    lines += [
        "",
        f"{seen}. Baselines are fitted on the training parts of all users. Wordings: seen in training, or held out of it. "
        "BLEU-4 is 0 nearly everywhere and left out here. " + "; ".join(f"{n}: {o['items']}" for n, o in trained.items()) + ".",
        f"Missing: {'; '.join(found['missing']) or 'nothing'}.",
        machine_line(found),
    ]
    return lines


def _answers(found: dict[str, Any], figure: str, question: bool) -> list[tuple[str, dict[str, float]]]:
    """The first cells and the figures of each row that has such a figure; baselines once a question."""
    lines: dict[str, dict[str, float]] = {}
    for name, kinds in found["data"].items():
        for kind, one in sorted(kinds.items()):
            for row in one["table"]["rows"]:
                if figure not in row["figures"]:
                    continue
                by = f"{kind} model, {row['wording']} wording" if row["by"] == "model" else row["by"]
                asked = f"{row['question']} | " if question else ""
                lines.setdefault(f"{name} | {asked}{by} | {row['users']}", row["figures"])
    return sorted(lines.items(), key=lambda line: line[0].split(" | ")[: 1 + question])


def decoding(found: dict[str, Any]) -> list[str]:
    lines = ["### RecSysLLM: titles along the catalogue's trie", ""]
    lines += [*columns("catalogue", "way", "CPU s a question", "tokens fed", "times less CPU than `generate`")]
    for name, one in found["sets"].items():
        for way, seconds in one["cpu_seconds"].items():
            times = one["cpu_seconds"]["generate"] / seconds
            lines.append(f"| {name} | {way} | {seconds:.2f} | {one['tokens_fed'][way]:,} | {times:.1f} |")
    fewer = "; ".join(f"{one['fewer_tokens_than_one_prompt_a_title']} times on {name}" for name, one in found["sets"].items())
    lines += [
        "",
        f"{found['model']}, {found['beams']} beams, against `generate` with `prefix_allowed_tokens_fn` in one process.",
        "`children` scores among a node's children, as the model is trained; `whole catalogue` ranks it exactly. One prompt",
        f"a title would feed more tokens: {fewer}.",
        machine_line(found),
    ]
    return lines


def step(found: dict[str, Any]) -> list[str]:
    lines = ["### RecSysLLM: a step of fine-tuning", ""]
    lines += [*columns("model", "logits at targets", "logits everywhere", "lower states kept", "incremental from full")]
    for name, one in found["models"].items():
        at, everywhere, *_, kept = one["cpu_seconds"].values()
        apart = max(one["incremental_from_full"].values())
        lines.append(f"| {name} | {at:.1f} s | {everywhere:.1f} s | {kept:.1f} s | {apart:.0e} |")
    missed = [name for name, met in found["bars"].items() if not met]
    lines += [
        "",
        "CPU seconds of one thread, forward and backward. `lower states kept`: adapters in the last ten layers alone. "
        f"Bars missed: {'; '.join(missed) or 'none'}.",
        machine_line(found),
    ]
    return lines
