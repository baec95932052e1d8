"""`python -m llmrg.testing.neo4j_command` (`make neo4j`): a Neo4j server to work with, Browser included, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from llmrg.core.errors import LlmrgError
from llmrg.testing import neo4j_java
from llmrg.testing.neo4j_ports import HOST
from llmrg.testing.neo4j_server import LocalNeo4j


def main(arguments: list[str] | None = None) -> int:
    """Start a server to work with and keep it until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m llmrg.testing.neo4j_command", description=main.__doc__)
    parser.add_argument("--version", default=neo4j_java.DEFAULT_VERSION)
    parser.add_argument(
        "--home", type=Path, default=Path(".llmrg/neo4j"), help="folder of the database, kept (default: %(default)s)"
    )
    parser.add_argument("--password", default="", help="of the user neo4j, 8 characters or more (default: no authentication)")
    parser.add_argument("--bolt-port", type=int, default=7687)
    parser.add_argument("--http-port", type=int, default=7474)
    chosen = parser.parse_args(arguments)
    server = LocalNeo4j(
        chosen.version,
        password=chosen.password,
        home=chosen.home.resolve(),
        bolt_port=chosen.bolt_port,
        http_port=chosen.http_port,
        profile="work",
    )
    try:
        print(f"starting Neo4j {chosen.version} in {chosen.home} (the first time fetches about 200 MB) ...", flush=True)
        server.start()
        print(f"store    neo4j://{HOST}:{server.bolt_port}   (llmrg ... --store neo4j://{HOST}:{server.bolt_port})")
        print(f"Browser  {server.browser_url}\nCtrl-C stops it; the database stays in {chosen.home}", flush=True)
        code = server.wait()
        print(f"the server ended by itself with code {code}; its log is {chosen.home / 'console.log'}", file=sys.stderr)
        return code or 1
    except KeyboardInterrupt:
        print("\nstopping (the first time takes longer: it writes an archive for faster starts) ...", flush=True)
        return 0
    except LlmrgError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
