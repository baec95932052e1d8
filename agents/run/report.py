"""What a run did, from its record in the store: JSON for programs, Markdown for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from llmrg.agents.run.item_profiles import COUNTED
from llmrg.core.records import Run
from llmrg.graph_store.protocol import GraphStore

STAGES = ("recall", "reason", "verify", "diverge", "ground", "commit")
_PER_STAGE = ("calls", "cached", "tokens", "retries", "rate_limited", "useless_replies", "repairs", "money")
FAILED_SHOWN = 20
REJECTED = "verify.why."
"""Counters of the causes of rejection begin so."""


def run_report(store: GraphStore, namespace: str, run_id: str) -> dict[str, Any]:
    """Costs and counts per stage, users with a graph, causes of rejection, users by status with the causes of failures.

    Raises: StoreError: no such run.
    """
    run = store.run(namespace, run_id)
    statuses = store.user_statuses(namespace, run_id)
    failed = {user: cause for user, (status, cause) in statuses.items() if status == "failed"}
    return {
        "run": run.id,
        "data": namespace,
        "status": run.status,
        "started": _time(run.started_at),
        "ended": _time(run.ended_at),
        "settings": run.settings,
        "users": dict(Counter(status for status, _ in statuses.values())),
        "graphs": store.graphs_by_run(namespace).get(run_id, 0),
        "failed": failed,
        "causes of failure": dict(Counter(cause.partition(":")[0] for cause in failed.values()).most_common()),
        "stages": {stage: counts for stage in STAGES if (counts := _stage(run.costs, stage))},
        "asked once per item": _under(run.costs, COUNTED),
        "rejected because": dict(sorted(_under(run.costs, REJECTED).items(), key=lambda pair: -pair[1])),
        "totals": _totals(run),
    }


def markdown(report: Mapping[str, Any]) -> str:
    """The report as a page."""
    settings = report["settings"]
    totals = report["totals"]
    lines = [
        f"# Run {report['run']} on {report['data']}: {report['status']}",
        "",
        f"{report['started']} to {report['ended'] or 'now'}; reasoner {settings.get('reasoner')}, verifier "
        f"{settings.get('verifier')}, imaginer {settings.get('imaginer')}.",
        "",
        "| users | " + " | ".join(report["users"]) + " |",
        "|---|" + "---:|" * len(report["users"]),
        "| number | " + " | ".join(f"{number:,}" for number in report["users"].values()) + " |",
        "",
        "## Cost per stage",
        "",
        "| stage | " + " | ".join(name.replace("_", " ") for name in _PER_STAGE) + " | accepted | rejected |",
        "|---|" + "---:|" * (len(_PER_STAGE) + 2),
        *(_stage_row(stage, counts) for stage, counts in report["stages"].items()),
        _stage_row("**all**", totals),
        "",
        f"Knowledge base: {totals.get('hits', 0):,.0f} of {totals.get('asked', 0):,.0f} items had a hit, "
        f"{totals.get('used', 0):,.0f} of its steps were reused. Seconds of work: {totals.get('seconds', 0):,.0f}.",
    ]
    if items := report["asked once per item"]:
        lines += ["", items_line(items)]
    if calibration := report.get("calibration"):
        auc = calibration["auc"]["all"]
        tau = "none" if calibration["tau"] is None else f"{calibration['tau']:.3f}"
        lines += [
            "",
            f"Calibration of {calibration['verifier']} (right steps: those of {calibration['reasoner']}): "
            f"AUC {auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}], "
            f"threshold for {calibration['false_accepts']:.0%} false accepts {tau}.",
        ]
    if report["rejected because"]:
        lines += ["", "## Steps rejected", "", "| cause | steps |", "|---|---:|"]
        lines += [f"| {cause} | {number:,.0f} |" for cause, number in report["rejected because"].items()]
    if report["failed"]:
        lines += ["", "## Users that failed", "", "| user | cause |", "|---|---|"]
        lines += [f"| {_cell(user)} | {_cell(cause)} |" for user, cause in list(report["failed"].items())[:FAILED_SHOWN]]
        if len(report["failed"]) > FAILED_SHOWN:
            lines.append(f"\n... and {len(report['failed']) - FAILED_SHOWN:,} more (`--json` lists all).")
        lines.append("\nBuild them again with the same command and `--retry-failed`.")
    return "\n".join(lines) + "\n"


def _stage(costs: Mapping[str, float], stage: str) -> dict[str, float]:
    counts = {name: number for name, number in _under(costs, f"{stage}.").items() if not name.startswith("why.")}
    for outcome in ("accepted", "rejected", "waiting"):
        if number := sum(counts.get(f"{kind}.{outcome}", 0) for kind in ("reasoned", "imagined")):
            counts[outcome] = number
    return counts


def _totals(run: Run) -> dict[str, float]:
    totals = {name: number for name, number in run.costs.items() if "." not in name}
    verify = _stage(run.costs, "verify")
    recall = {name: run.costs.get(f"recall.{name}", 0) for name in ("asked", "hits", "used")}
    retries = sum(run.costs.get(f"{stage}.retries", 0) for stage in STAGES)
    useless = sum(run.costs.get(f"{stage}.useless_replies", 0) for stage in STAGES)
    more = {"retries": retries, "useless_replies": useless, **{name: verify.get(name, 0) for name in ("accepted", "rejected")}}
    return {**totals, **more, **recall}


def items_line(counts: Mapping[str, float]) -> str:
    """What asking once per item brought, from its counters without their prefix."""
    text = {what: f"{counts.get(what, 0):,.0f}" for what in ("asked", "reason_unanswered", "proposed", "accepted", "again")}
    return (
        f"{text['asked']} items asked for once, {text['reason_unanswered']} left out by the replies; {text['proposed']} reasons "
        f"given, {text['accepted']} found again; {text['again']} items asked again with a critique."
    )


def _under(costs: Mapping[str, float], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): number for name, number in costs.items() if name.startswith(prefix)}


def _stage_row(stage: str, counts: Mapping[str, float]) -> str:
    numbers = [*(counts.get(name, 0) for name in _PER_STAGE), counts.get("accepted", 0), counts.get("rejected", 0)]
    shown = (f"{number:,.4g}" if 0 < number < 100 and number != int(number) else f"{number:,.0f}" for number in numbers)
    return f"| {stage} | " + " | ".join(shown) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _time(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def verifier_server(settings: Mapping[str, Any]) -> str:
    """Where the verifier's model was in a run with these settings; "" where the run does not say. A mind of several roles stands
    at the first of them."""
    minds = settings.get("minds") or {}
    roles = [role for role in ("verifier", "reasoner") if role == "verifier" or settings.get(role) == settings.get("verifier")]
    return next((str(minds[role].get("server", "")) for role in roles if role in minds), "")
