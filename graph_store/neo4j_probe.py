"""Who listens where a Neo4j server was looked for: asked when the driver did not get through, to tell why."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Final, Literal

Listener = Literal["nobody", "unknown host", "bolt", "bolt over TLS", "web", "other"]
_BOLT: Final = b"\x60\x60\xb0\x17" + b"\x00\x04\x04\x05" + b"\x00\x00\x04\x04" + b"\x00" * 8
"""The magic word, then four versions that we would speak."""
_HTTP: Final = b"GET / HTTP/1.0\r\n\r\n"


def who_listens(host: str, port: int, timeout_s: float = 2.0) -> Listener:
    """Takes a few connections, none longer than `timeout_s`."""
    try:
        socket.create_connection((host, port), timeout_s).close()
    except socket.gaierror:
        return "unknown host"
    except OSError:
        return "nobody"
    for tls in (False, True):
        for question in (_BOLT, _HTTP):
            reply = _reply(host, port, timeout_s, question, tls)
            if reply.startswith(b"HTTP/"):
                return "web"
            if question == _BOLT and len(reply) == 4 and reply[:2] == b"\x00\x00":
                return "bolt over TLS" if tls else "bolt"
    return "other"


def _reply(host: str, port: int, timeout_s: float, question: bytes, tls: bool) -> bytes:
    """The first bytes of the answer; empty where there is none."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout_s) as plain:
        plain.settimeout(timeout_s)
        with _anyone().wrap_socket(plain, server_hostname=host) if tls else contextlib.nullcontext(plain) as connection:
            connection.sendall(question)
            return connection.recv(8)
    return b""


def _anyone() -> ssl.SSLContext:
    """Nothing secret is sent, so any certificate will do."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
