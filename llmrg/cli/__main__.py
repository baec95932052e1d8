"""`python -m llmrg.cli` is the same as `llmrg`."""

from llmrg.cli.main import main

main()
