"""A Python that has imported what the commands need and forks for each: real processes, without seconds of imports for each.

Reads one JSON object a line (arguments, cwd, env, and files for the output), and writes the exit code of each command.
"""

from __future__ import annotations

import json
import os
import sys

import torch  # noqa: F401
import transformers  # noqa: F401

import llmrg.cli.commands  # noqa: F401
from llmrg.cli.main import main
from llmrg.data import registry  # noqa: F401


def run(arguments: list[str], cwd: str, env: dict[str, str], stdout: str, stderr: str) -> None:
    """The command, in this process, which ends with it."""
    for number, path in ((0, os.devnull), (1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["llmrg", *arguments]
    main()


for line in sys.stdin:
    child = os.fork()
    if not child:
        run(**json.loads(line))
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
