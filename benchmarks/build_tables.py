"""Tables about building: calls, verification, the knowledge base, throughput, the local model's run."""

from __future__ import annotations

from typing import Any

from table_parts import columns, interval, machine_line

KINDS = {
    "paper": "one request to reason, abduce and score per item",
    "ours": "chat mind",
    "ours_without_recalibration": "chat mind, tries=0",
}
"""Ways to build, compared."""


def chat_calls(found: dict[str, Any]) -> list[str]:
    """Seed 0 in full; the ratios over all seeds."""
    lines = [
        "### Calls of the chat mind against the paper's protocol",
        "",
        *columns("per user with 50 items", "requests", "tokens", "precision", "recall"),
    ]
    first = found["rows"][0]
    for kind, name in KINDS.items():
        row = first[kind]
        lines.append(
            f"| {name} | {row['calls']:.1f} | {row['tokens']:,.0f} | {interval(row['precision'])} | {interval(row['recall'])} |"
        )
    whole = found["with_divergence"]
    lines.append(
        f"| chat mind, imagining too | {whole['calls']:.1f} | {whole['tokens']:,.0f} | "
        f"{interval(whole['precision'])} | {interval(whole['recall'])} |"
    )
    sizes = "; ".join(
        f"{row['block_size']}: {row['calls']:.1f} requests, {row['tokens']:,.0f} tokens, precision "
        f"{row['precision']['value']:.3f}, "
        f"recall {row['recall']['value']:.3f}"
        for row in found["block_sizes"]
    )
    ratios = {what: f"{min(of):.3f} to {max(of):.3f}" for what, of in found["ratios"].items()}
    return [
        *lines,
        "",
        f"{found['users']} users of the planted world; a scripted model errs in "
        f"{found['reasoner_error_rate']:.0%} of its reasons and in "
        f"{found['verifier_error_rate']:.0%} of its checks. Over {len(found['rows'])} seeds the chat mind needs "
        f"{ratios['calls']} of the "
        f"requests and {ratios['tokens']} of the tokens. By block size (seed 0) {sizes}.",
        machine_line(found),
    ]


ASKED = {"user": "asked per user, in blocks", "item": "asked once per item", "attributes": "no model: themes of the catalogue"}
"""Ways of asking, compared."""


def item_calls(found: dict[str, Any]) -> list[str]:
    lines = [
        "### Asking once per item",
        "",
        *columns(
            f"{found['users']} users, {found['items']} items",
            "requests",
            "estimated before",
            "after 20 requests",
            "tokens",
            "estimated before",
            "after 20",
            "precision",
            "recall",
        ),
    ]
    for kind, row in found["rows"].items():
        told = [
            f"{of[what]:,.0f}" for what in ("calls", "tokens") for of in (row, row["estimated"], row["estimated_after_20_calls"])
        ]
        lines.append(f"| {ASKED[kind]} | {' | '.join(told)} | {interval(row['precision'])} | {interval(row['recall'])} |")
    equal, themes = found["equal_at_users"], found["themes_of_items"]
    larger = "; ".join(f"{row['items']:,} items {row['calls']:,.0f} and {row['tokens']:,.0f}" for row in found["larger"])
    return [
        *lines,
        "",
        f"Imagining too, without the knowledge base; a scripted model errs in {found['reasoner_error_rate']:.0%} of its reasons "
        f"and in {found['verifier_error_rate']:.0%} of its checks. Once per item costs the same for any number of users: as many "
        f"requests as {equal['calls']:.0f} users asked one by one, as many tokens as {equal['tokens']:.0f}. A new user costs "
        f"{found['per_user']['calls']:.0f} requests and {found['per_user']['tokens']:,.0f} tokens the one way, none the other. "
        f"Estimated for larger catalogues, whatever the users: {larger} (requests and tokens). Asked per user, the scripted "
        "model knows the user's own reason; asked per item, it knows the item's themes, of which a user's reason is one: the "
        "attributes mind, which reads the true ones, is the ceiling of that way. Themes of items: precision "
        f"{themes['unchecked']['precision']:.3f} as given, {themes['checked']['precision']:.3f} after the second question; "
        "recall "
        f"{themes['unchecked']['recall']:.3f} and {themes['checked']['recall']:.3f}.",
        machine_line(found),
    ]


def verification(found: dict[str, Any]) -> list[str]:
    lines = [
        "### What verification is worth",
        "",
        "![Precision and recall of accepted steps over the reasoner's error rate, with and without "
        "verification](images/verification_pays.svg)",
        "",
        *columns(
            "reasoner errs in",
            "precision, off",
            "precision, on",
            "precision, on, verifier errs in 20 %",
            "recall, off",
            "recall, on",
        ),
    ]
    for errors in sorted({row["errors"] for row in found["rows"]}):
        of = {row["verifier"]: row for row in found["rows"] if row["errors"] == errors}
        cells = [interval(of[name]["precision"]) for name in ("off", "0.05", "0.20")]
        cells += [interval(of[name]["recall"]) for name in ("off", "0.05")]
        lines.append(f"| {errors:.0%} | " + " | ".join(cells) + " |")
    aucs = "; ".join(f"{name} {interval(of['all'])}" for name, of in found["auc"].items())
    return [
        *lines,
        "",
        "With verification on, an item left without an accepted step is asked for once more (recalibration). "
        f"Planted worlds of {found['readers']} readers, {found['seeds']} seeds (mean, 95 % t interval over "
        f"seeds); the verifier errs in 5 % "
        f"of its checks unless said otherwise. AUC of the verifiers, planted steps against wrong ones: {aucs}.",
        machine_line(found),
    ]


def knowledge(found: dict[str, Any]) -> list[str]:
    lines = [
        "### What the knowledge base saves",
        "",
        "![Share of items and of requests that the knowledge base saves, over reasoning steps](images/knowledge_pays.svg)",
        "",
        *columns("data", "items not asked after 3,000 steps", "after 30,000", "requests saved after 3,000", "after 30,000"),
    ]
    for name, row in found["sets"].items():
        saved = row["saved"]
        cells = [f"{saved[mark][what]:.1%}" for what in ("items", "requests") for mark in ("3000", "30000")]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [
        *lines,
        "",
        f"Reasoner: the attributes mind, in blocks of {found['block_size']} items; a request is saved only "
        f"where a whole block is known. The "
        "paper reports about 30 % fewer accesses after 3,000 steps.",
        machine_line(found),
    ]


def throughput(found: dict[str, Any]) -> list[str]:
    point, memory = found["endpoint"], found["memory"]
    lines = [
        "### A build against a rate limit",
        "",
        *columns("limit of requests a minute", "share used", "requests", "refused", "seconds"),
    ]
    for row in found["limit"]:
        told = "told" if row["limit_told"] else "to be found out"
        lines.append(
            f"| {told} | {row['share_of_the_limit']:.1%} | {row['calls']:,.0f} | {row['refused']:,} | {row['seconds']:,.0f} |"
        )
    first, last = memory[1] if len(memory) > 1 else memory[0], memory[-1]
    whose = ", ".join(f"{part} {share:.0%}" for part, share in found["whose"].items() if share >= 0.02)
    about = found["overhead"]["machine"]
    spent, alone = (found["overhead"][name] for name in ("cpu_ms_a_block", "frameworks_alone_ms_a_block"))
    return [
        *lines,
        "",
        f"{found['limit'][0]['users']:,} users, an endpoint with {point['latency_s'] * 1000:.0f} ms latency and "
        f"{point['requests_per_minute']} "
        f"requests a minute. A block of 24 items takes {spent:.0f} ms of CPU; LangGraph and LangChain alone, with nodes that do "
        f"nothing and a model that answers at once, take {alone:.0f} ms of it "
        f"({spent / alone:.1f} times; {about['cpu']}, {about['date']}). Whose code is under way in that time: {whose}. "
        f"Memory: {first['mib']:.0f} MiB after "
        f"{first['users']:,.0f} users, {last['mib']:.0f} MiB after {last['users']:,.0f}.",
        "",
        "![Resident memory over users built](images/fleet_memory.svg)",
        "",
        machine_line(found),
    ]


def estimates(found: dict[str, Any]) -> list[str]:
    lines = [
        "### An estimate against what the build then costs",
        "",
        *columns(
            "steps that are wrong", "knowledge base", "pilot", "rendered: requests", "tokens", "a block: requests", "tokens"
        ),
    ]
    for row in found["rows"]:
        pilot = f"{row['pilot']} users" if row["pilot"] else "none (a block: another data set's)"
        errors = [f"{row[way][what]:+.1%}" for way in ("rendered", "a_block") for what in ("calls", "tokens")]
        lines.append(f"| {row['errors']:.0%} | {'on' if row['knowledge'] else 'off'} | {pilot} | {' | '.join(errors)} |")
    return [
        *lines,
        "",
        "100 users of the demo; a scripted chat model errs as often as is said. `rendered` is `llmrg estimate`: all requests "
        "are written and counted, habits are the pilot's. `a block`: the pilot's requests and tokens a block, times the blocks.",
        "",
        machine_line(found),
    ]


def local_endpoint(found: dict[str, Any]) -> list[str]:
    lines = [
        "### The same with a real, very small model behind an endpoint",
        "",
        *columns(
            "per user",
            "requests",
            "tokens",
            "written",
            "repairs",
            "useless replies",
            "accepted",
            "rejected",
            "precision",
            "recall",
            "s",
        ),
    ]
    for kind in ("paper", "ours_without_recalibration"):
        row = found[kind]
        counts = [row[what] for what in ("repairs", "useless_replies", "accepted", "rejected")]
        lines.append(
            f"| {KINDS[kind]} | {row['calls']:.1f} | {row['tokens']:,.0f} | {row['output_tokens']:,.0f} | "
            + " | ".join(f"{count:.1f}" for count in counts)
            + f" | {row['precision']['value']:.3f} | {row['recall']['value']:.3f} | {row['seconds']:,.0f} |"
        )
    return [
        *lines,
        "",
        f"{found['users']} users with {found['items_a_user']} items; {found['model']}, greedy. A model of this size writes no "
        "reasons worth reading; what this shows is the way to a real endpoint and its costs.",
        machine_line(found),
    ]


def local_build(found: dict[str, Any]) -> list[str]:
    lines = ["### The likelihood mind over MovieLens latest-small", ""]
    if "run" in found:
        totals = found["run"]["totals"]
        lines += [
            f"{found['users']:,} users, last {found['config']['l_tru']} items each, in one run: {found['seconds']:,.0f} s "
            f"({found['seconds_a_user']:.1f} s a user, {found['steps_a_second']:.1f} steps a second), "
            f"{totals['accepted']:,.0f} steps accepted, "
            f"{totals['rejected']:,.0f} rejected. Its [report](../benchmarks/results/local_build_report.md). "
            f"{found.get('note', '')}".rstrip(),
            "",
        ]
    if "batches" in found:
        told = ", ".join(f"{row['items']}: {row['items_a_second']:.1f}" for row in found["batches"])
        lines.append(f"Items a second by batch size: {told}.")
    return [*lines, machine_line(found)] if "machine" in found else lines


def ray_build(found: dict[str, Any]) -> list[str]:
    speed, limit, kills, scale = (found[name] for name in ("speed", "limit", "kills", "scale"))
    rows = {name: [row for row in speed["rounds"] if row["ray"] is ray] for name, ray in (("one process", False), ("ray", True))}
    lines = [
        "### A build on Ray, two workers on one machine",
        "",
        *columns("", "users a second", "seconds to start", "CPU ms a request: builders", "driver", "shared actor", "endpoint"),
    ]
    for name, part in rows.items():
        cpu = speed["cpu_ms_a_call"][name]
        builders = cpu.get("workers") or cpu["driver"]
        driver = f"{cpu['driver']:.1f}" if cpu.get("workers") else "the same"
        pace, start = (sum(row[what] for row in part) / len(part) for what in ("users_a_second", "start_seconds"))
        others = " | ".join(f"{cpu[kind]:.1f}" if cpu.get(kind) else "-" for kind in ("shared actor", "endpoint"))
        title = "Ray, 2 workers" if name == "ray" else name
        lines.append(f"| {title} | {pace:.2f} | {start:.0f} | {builders:.1f} | {driver} | {others} |")
    each = ", ".join(f"{one:.2f}" for one in speed["of_each_round"])
    spent = {name: sum(cpu.values()) - cpu["endpoint"] for name, cpu in speed["cpu_ms_a_call"].items()}
    lines += [
        "",
        "Graphs and knowledge base are equal. The chat mind against an endpoint that answers at once, on the same machine: Ray "
        f"is {speed['times_as_fast']:.2f} times as fast (each round: {each}), on {found['machine']['cores']} cores that did "
        f"other work too. A request takes {spent['ray']:.1f} ms of CPU in workers, shared actor, driver and Ray together, and "
        f"{spent['one process']:.1f} ms in one process: on two cores that eats most of what the second one brings. Ray is for "
        "more machines, for models that are waited for and for local models. A limit of 600 requests a minute is "
        f"used to {limit['share_of_the_limit']:.1%} ({limit['calls']:,.0f} requests, {limit['refused']:,} refused). "
        f"{len(kills['kills'])} kills, of workers and of the driver in turn: {kills['paid_twice']} of {kills['calls_paid']:,} "
        f"requests were paid twice, at most {kills['in_flight_at_kills_at_most']} were in flight; the graphs are "
        f"{'those of an undisturbed build' if kills['graphs_equal'] else 'NOT those of an undisturbed build'}.",
        "",
        "Simulated from these constants and those of the Neo4j store above: users a second, a model that takes "
        f"{scale['constants']['model_a_call']:.0f} s a request, {scale['constants']['calls_a_user']} requests a user, "
        f"{scale['users']:,} users.",
        "",
    ]
    counts = list(scale["users_a_second"]["all limits"])
    lines += columns("", *(f"{count} workers" if count != "1" else "1 worker" for count in counts))
    for name, paces in scale["users_a_second"].items():
        lines.append(f"| {name} | " + " | ".join(f"{paces[count]:,.2f}" for count in counts) + " |")
    return [*lines, "", machine_line(found)]
