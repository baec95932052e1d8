"""`python -m llmrg.testing.local_endpoint`: a small language model behind an OpenAI-compatible server on loopback, until Ctrl-C.

llama.cpp's server (package `xllamacpp`, extra `llamacpp`). It proves the way to a real endpoint without one: what a model of this
size writes is worth nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmrg.core.errors import LlmrgError, MissingPackageError
from llmrg.language_models.folders import NAMED_MODELS, package_files

REQUESTS_AT_ONCE = 2
CONTEXT = 6144
"""Tokens a request, reply included."""


@contextmanager
def local_endpoint(model: str = "gemma-3-270m") -> Iterator[str]:
    """The URL of a server in a process of its own, to give as `openai:NAME@URL`.

    Raises: RuntimeError: it did not start; the message is what it printed last.
    """
    command = [sys.executable, "-m", "llmrg.testing.local_endpoint", model]
    with tempfile.TemporaryFile("w+") as log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server:
        try:
            assert server.stdout
            url = server.stdout.readline().strip()
            if not url:
                log.seek(0)
                raise RuntimeError(f"the local endpoint did not start: {log.read()[-500:]}")
            yield url
        finally:
            server.kill()


def gguf_file(model: str, folder: Path) -> Path:
    """A GGUF file itself, or the file of a named model, its parts joined in `folder`."""
    if model not in NAMED_MODELS:
        return Path(model)
    joined = folder / f"{model}.gguf"
    with joined.open("wb") as file:
        for part in package_files(NAMED_MODELS[model]):
            file.write(part.read_bytes())
    return joined


def main() -> int:
    """Serve a model at an address of loopback, which is printed, until Ctrl-C."""
    options = argparse.ArgumentParser(prog="python -m llmrg.testing.local_endpoint", description=main.__doc__)
    options.add_argument("model", nargs="?", default="gemma-3-270m", help=f"a GGUF file, or one of {', '.join(NAMED_MODELS)}")
    options.add_argument("--port", type=int, default=0, help="default: a free one")
    chosen = options.parse_args()
    try:
        import xllamacpp
    except ImportError as error:
        raise MissingPackageError("xllamacpp", "pip install 'llmrg[llamacpp]'") from error
    with tempfile.TemporaryDirectory() as folder:
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(gguf_file(chosen.model, Path(folder)))
        parameters.n_ctx, parameters.n_parallel, parameters.port = CONTEXT * REQUESTS_AT_ONCE, REQUESTS_AT_ONCE, chosen.port
        server = xllamacpp.Server(parameters)
        print(f"{server.listening_address}/v1", flush=True)
        threading.Event().wait()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LlmrgError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
