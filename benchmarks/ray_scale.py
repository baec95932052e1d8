"""What limits a build at 10 and 100 workers: a simulation from measured constants, each limit taken away in turn.

A user is a row of requests, one after the other. A request passes the one shared actor, its worker's processor, the rate limit
(where there is one) and the model; a finished user passes the store. Each but the model serves one at a time, in the
order of arrival. The users of a wave wait for its last one. What learning at the end of a wave takes is left out.
"""

from __future__ import annotations

import heapq
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmrg.agents.config import BuildConfig
from llmrg.agents.run.build import waves

HERE = Path(__file__).parent
USERS = 20_000
WORKERS = (1, 2, 10, 100)


@dataclass(frozen=True)
class Constants:
    """Seconds, unless said otherwise."""

    calls_a_user: int
    worker_a_call: float
    shared_a_call: float
    store_a_user: float
    model_a_call: float = 1.0
    """Assumed: a chat model's answer."""
    calls_a_minute: float = 0.0
    """The endpoint's limit; 0: none."""
    concurrency: int = 8
    """Users under way in one worker."""
    in_waves: bool = True


def users_a_second(workers: int, c: Constants) -> float:
    clock = shared = pace = store = 0.0
    processors = [0.0] * workers
    gap = 60 / c.calls_a_minute if c.calls_a_minute else 0.0
    everyone = range(USERS)
    sizes = [len(wave) for wave in waves(everyone, BuildConfig().wave)] if c.in_waves else [USERS]  # type: ignore[arg-type]
    for size in sizes:
        slots = min(size, workers * c.concurrency)
        waiting = size - slots
        events = [(clock, slot, c.calls_a_user) for slot in range(slots)]
        while events:
            now, slot, left = heapq.heappop(events)
            if left:
                shared = max(now, shared) + c.shared_a_call
                processor = slot % workers
                processors[processor] = max(shared, processors[processor]) + c.worker_a_call
                pace = max(processors[processor], pace + gap)
                heapq.heappush(events, (pace + c.model_a_call, slot, left - 1))
                continue
            store = max(now, store) + c.store_a_user
            clock = max(clock, store)
            if waiting:
                waiting -= 1
                heapq.heappush(events, (store, slot, c.calls_a_user))
    return USERS / clock


def scales(result: dict[str, Any]) -> dict[str, Any]:
    """Args: result: of `ray_build.py`."""
    rounds = [row for row in result["speed"]["rounds"] if row["ray"]]
    cpu = result["speed"]["cpu_ms_a_call"]["ray"]
    neo4j = json.loads((HERE / "results" / "neo4j_store.json").read_text(encoding="utf-8"))["builders"]["graphs_a_second_8"]
    constants = Constants(
        round(rounds[0]["calls"] / rounds[0]["users"]), cpu["workers"] / 1000, cpu["shared actor"] / 1000, 1 / neo4j
    )
    freed = {
        "all limits": constants,
        "without waves": replace(constants, in_waves=False),
        "without the store": replace(constants, store_a_user=0.0),
        "without the shared actor": replace(constants, shared_a_call=0.0),
        "without store and shared actor": replace(constants, store_a_user=0.0, shared_a_call=0.0),
        "a store ten times as fast": replace(constants, store_a_user=constants.store_a_user / 10),
        "a limit of 6,000 calls a minute": replace(constants, calls_a_minute=6000.0),
    }
    rows = {name: {str(n): users_a_second(n, c) for n in WORKERS} for name, c in freed.items()}
    return {"constants": vars(constants), "users": USERS, "users_a_second": rows}


if __name__ == "__main__":
    path = HERE / "results" / "ray_build.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    result["scale"] = scales(result)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["scale"], indent=1))
