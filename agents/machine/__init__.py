"""The LangGraph machine of one user: its wiring, its state, and a file for each node."""
