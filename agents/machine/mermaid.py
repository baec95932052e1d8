"""The machine as text that draws itself."""

from __future__ import annotations


def machine_as_mermaid() -> str:
    """Mermaid source of the compiled machine, made by LangGraph from the wiring itself."""
    from llmrg.agents.machine.wiring import machine

    text: str = machine().get_graph().draw_mermaid()
    return text
