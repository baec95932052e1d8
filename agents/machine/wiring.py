"""The LangGraph machine of one user: wiring only, each node is a file of `nodes/`.

plan -> recall -> reason -> verify -> commit -> diverge -> ground -> verify -> commit -> next block, or publish
                   ^          | an item without an accepted step, tries left
                   +----------+ (recalibration, with the critique)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache, wraps
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from llmrg.agents.context import BuildContext
from llmrg.agents.machine.nodes.commit import after_commit, commit
from llmrg.agents.machine.nodes.diverge import diverge
from llmrg.agents.machine.nodes.ground import ground
from llmrg.agents.machine.nodes.plan import after_plan, plan
from llmrg.agents.machine.nodes.publish import publish
from llmrg.agents.machine.nodes.reason import reason
from llmrg.agents.machine.nodes.recall import recall
from llmrg.agents.machine.nodes.verify import after_verify, verify
from llmrg.agents.machine.state import Output, State


@lru_cache(maxsize=1)
def machine() -> Any:
    """The compiled machine. Invoke it with `context=BuildContext(...)` and the state `{"user": ...}`."""
    graph: Any = StateGraph(State, context_schema=BuildContext, output_schema=Output)
    for node in (recall, reason, diverge, ground, publish):
        graph.add_node(node.__name__, _traced(node))
    graph.add_edge(START, "plan")
    graph.add_node("plan", _traced(plan, after_plan), destinations=("recall", "publish"))
    graph.add_edge("recall", "reason")
    graph.add_edge("reason", "verify")
    graph.add_node("verify", _traced(verify, after_verify), destinations=("reason", "commit"))
    graph.add_node("commit", _traced(commit, after_commit), destinations=("diverge", "recall", "publish"))
    graph.add_edge("diverge", "ground")
    graph.add_edge("ground", "verify")
    graph.add_edge("publish", END)
    return graph.compile()


def _traced(node: Callable[..., Awaitable[State]], after: Callable[..., str] | None = None) -> Callable[..., Awaitable[Any]]:
    """The node in a span. `after` names the next one; said with a `Command`, it costs less than half of a conditional edge."""

    @wraps(node)
    async def run(state: State, runtime: Runtime[BuildContext]) -> Any:
        with runtime.context.tracing.span(f"llmrg.{node.__name__}", llmrg__phase=state.get("phase", "")):
            update = await node(state, runtime)
        return update if after is None else Command(update=update, goto=after({**state, **update}, runtime))

    return run


def steps_at_most(blocks: int, tries: int) -> int:
    """LangGraph's recursion limit for a user: its default of 25 is one block's worth."""
    return 20 + blocks * (10 + 2 * (tries + 1))
