"""Write the figures of the result files into docs/results.md, and a small table into the README, each between two marks.

python benchmarks/tables.py            write
python benchmarks/tables.py --check    say whether both are as the result files are (exit code 1 if not)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import build_tables
import graph_tables
import llm_tables
from table_parts import columns, interval, machine_line

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"


def result(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return found


def demo(found: dict[str, Any]) -> list[str]:
    lines = ["### The demo: simulated readers, planted reasons", "", *graph_tables.demo(found["tables"])]
    lines += ["Graphs against the planted truth (share right, 95 % interval over users):", ""]
    lines += [
        *columns("mind", "precision, verified", "precision, unverified", "recall, verified", "recall, unverified"),
    ]
    for mind, quality in found["quality"].items():
        control = found["quality_without_verification"][mind]
        cells = [interval(of[name]) for name in ("precision", "recall") for of in (quality, control)]
        lines.append(f"| {mind} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Share of reasons that are the planted one:",
        "",
        *columns("mind", "accepted steps", "rejected steps", "random reason"),
    ]
    for mind, shares in found["agreement"].items():
        lines.append(f"| {mind} | " + " | ".join(interval(share) for share in shares.values()) + " |")
    cost = found["cost"]["likelihood"]
    lines += [
        "",
        "The `attributes` mind reads the catalogue's themes, of which the planted reasons are made: it is the ceiling here.",
    ]
    calls = sum(mind["calls"] for mind in cost["minds"].values())
    kept = (
        f"{calls:.0f} model calls, further answers from disk" if calls else "the model's answers were on disk from an earlier run"
    )
    lines += [
        f"Built by the likelihood mind in this run: {cost['built']} readers in {cost['seconds']:.0f} s ({kept}).",
        machine_line(found),
    ]
    return lines


def movielens(found: dict[str, Any]) -> list[str]:
    lines = [f"### MovieLens latest-small, {found['users']} users, mind `{found['mind']}`", ""]
    if found["table"] and "contrasts" in found["table"]:
        about = found["training"]
        lines += [*graph_tables.comparison(found["table"]), ""]
        lines += [
            f"Trainings of {about['epochs']} epochs at most, patience {about['patience']}. {MOVIELENS_CAVEAT}",
            "",
        ]
    stages = sorted(found["cost_of_this_call"]["stage_seconds"].items(), key=lambda pair: -pair[1])[:3]
    shares = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in stages)
    lines += [
        f"Graphs over the last {found['build']['l_tru']} items of each user: {found['seconds_a_user']:.2f} s a user ({shares}).",
        machine_line(found),
    ]
    return lines


MOVIELENS_CAVEAT = (
    "An earlier table, of shorter trainings, had printed test figures of this data; steps and patience are now the defaults, and "
    "the limit of epochs was set for time alone."
)

PEER_CAVEAT = (
    "Patience and dropout were set after earlier runs had printed test figures, so for this table it does not hold that test "
    "was read once. Patience was raised for the peer's sake: it stopped on an early plateau before, and an unfair first version "
    "of this table showed it far behind. The difference is within its interval: call it a tie."
)


def peer(found: dict[str, Any]) -> list[str]:
    return ["### SASRec against a peer", "", *found["markdown"], "", PEER_CAVEAT, "", machine_line(found)]


def local_model(found: dict[str, Any]) -> list[str]:
    return ["### The small local model", "", *found["markdown"], "", machine_line(found)] if "markdown" in found else []


def neo4j(found: dict[str, Any]) -> list[str]:
    hand, ours, read, many = found["by_hand"], found["through_the_store"], found["read"], found["builders"]
    steps, bare = found["steps_a_user"], read["user_p50_ms_bare_driver"]
    return [
        f"### The Neo4j store (Neo4j {found['server']})",
        "",
        *columns("what", "store", "bare driver"),
        f"| load {ours['nodes']:,} nodes, {ours['relations']:,} relations | {ours['seconds']:.1f} s | {hand['seconds']:.1f} s |",
        f"| read a user of {steps} steps, p50 | {read['user_p50_ms']:.1f} ms | {bare:.1f} ms |",
        f"| read {read['users']:,} users in one call | {read['at_once_s']:.2f} s | |",
        f"| read {read['users']:,} users one by one | {read['one_by_one_s']:.2f} s | |",
        f"| graphs published a second, 1 builder | {many['graphs_a_second_1']:.1f} | |",
        f"| graphs published a second, 8 builders | {many['graphs_a_second_8']:.1f} | |",
        "",
        "The bare driver loads the same nodes and relations by hand-written UNWIND statements (all but the packed copies of",
        "the graphs), and reads a user by walking over the nodes of the steps. Each graph is published with a draft, knowledge",
        f"and use counts beside it; {many['retried_transactions']} transactions were begun again after a deadlock, and no error",
        "reached a caller.",
        machine_line(found),
    ]


def sqlite(found: dict[str, Any]) -> list[str]:
    rows = [f"| {what} | {of['p50_ms']:.1f} ms | {of['p95_ms']:.1f} ms |" for what, of in found["times"].items()]
    users, size = f"{found['users']:,} users of {found['steps_a_user']} steps", found["dimension"]
    about = f"{users}; vectors of {size} numbers, all of one target item. Load average {found['machine']['load_average']}."
    return ["### The SQLite store", "", *columns("what", "p50", "p95"), *rows, "", about, machine_line(found)]


def graph_arrays(found: dict[str, Any]) -> list[str]:
    ways = {"new": "index arithmetic over the table", "old": "a walk over records"}
    rows = [
        f"| {title} | {found[f'{way}_ms']['median'] / 1000:.1f} s | {found[f'{way}_peak_mib']:,.0f} MiB |"
        for way, title in ways.items()
    ]
    ratio, share = found["ratio_of_medians"], found["share_of_memory"]
    return [
        "### From steps to tensors",
        "",
        *columns(f"{found['steps']:,} steps of {found['users']:,} users", "CPU time, median", "memory at most"),
        *rows,
        "",
        f"The same arrays, {ratio:.0f} times faster in {share:.0%} of the memory.",
        "Both begin with the table that a store reads, which is not counted.",
        machine_line(found),
    ]


def growth(found: dict[str, Any]) -> list[str]:
    lines = [
        "### How the stores grow",
        "",
        "![Size on disk and medians of reads and look-ups, from ten thousand steps to a million](images/store_growth.svg)",
        "",
        *columns(
            "store",
            "steps",
            "on disk",
            "of it logs",
            "loaded in",
            "a user",
            "100 users at once",
            "knowledge of 10 pairs",
            "5 nearest",
            "20 most used",
        ),
    ]
    questions = ("user_ms", "users_ms", "pairs_ms", "nearest_ms", "top_ms")
    for name, store in found.items():
        product = store["product"] + name.partition(",")[1] + name.partition(",")[2]
        for at in store["sizes"]:
            times = " | ".join(f"{at[question]['p50']:.1f} ms" for question in questions)
            logs = f"{at['logs'] / 1e6:,.0f} MB" if "logs" in at else ""
            size = f"{at['bytes'] / 1e6:,.0f} MB | {logs} | {at['load_s']:,.0f} s"
            lines.append(f"| {product} | {at['steps']:,} | {size} | {times} |")
    lines += ["", "Medians. Ten steps bring one entry of the knowledge base, with a vector of 384 numbers."]
    loads = [f"{name} {store['machine']['load_average']}" for name, store in found.items()]
    lines.append(f"Load average at the start, on 2 cores: {'; '.join(loads)}. What stands behind a comma is an older schema.")
    lines.append("Under a load above the number of cores other work took its part of the seconds; sizes do not depend on it.")
    return [*lines, *(machine_line(store) for store in list(found.values())[-1:])]


def figures() -> str:
    parts = {
        "demo_table": demo,
        "right_reasons": graph_tables.right_reasons,
        "base_models": graph_tables.base_models,
        "paper_ablation": graph_tables.ablation,
        "recsysllm_demo": llm_tables.demo,
        "recsysllm_texts": llm_tables.texts,
        "recsysllm_layouts": llm_tables.layouts,
        "constrained_decoding": llm_tables.decoding,
        "lora_step": llm_tables.step,
        "theme_speed": graph_tables.theme_speed,
        "warm_start": graph_tables.warm_start,
        "movielens": movielens,
        "sasrec_peer": peer,
        "local_model": local_model,
        "neo4j_store": neo4j,
        "sqlite_store": sqlite,
        "graph_arrays": graph_arrays,
        "growth": growth,
        "chat_calls": build_tables.chat_calls,
        "item_calls": build_tables.item_calls,
        "local_endpoint": build_tables.local_endpoint,
        "verification_pays": build_tables.verification,
        "knowledge_pays": build_tables.knowledge,
        "throughput": build_tables.throughput,
        "estimates": build_tables.estimates,
        "ray_build": build_tables.ray_build,
        "local_build": build_tables.local_build,
    }
    blocks = ["\n".join(write(found)) for name, write in parts.items() if (found := result(name))]
    blocks.insert(3, "\n".join(graph_tables.real()))
    return "\n\n".join(block for block in blocks if block)


def page(path: Path, mark: str, content: str) -> tuple[str, str]:
    """(text of the page as it is, as it should be): `content` stands between the marks of this name."""
    text = path.read_text(encoding="utf-8")
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return text, f"{head}{begin}\n{content}\n{end}{tail}"


def main() -> int:
    changed = []
    contents = {ROOT / "README.md": ("summary", graph_tables.summary()), ROOT / "docs" / "results.md": ("figures", figures())}
    for path, (mark, content) in contents.items():
        text, wanted = page(path, mark, content)
        if wanted != text:
            changed.append(path)
    if "--check" in sys.argv:
        for path in changed:
            print(f"{path.name} differs from benchmarks/results; run `python benchmarks/tables.py`")
        return int(bool(changed))
    for path in changed:
        mark, content = contents[path]
        path.write_text(page(path, mark, content)[1], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
