"""Ports of this machine: which is free, and which answers."""

from __future__ import annotations

import socket
from typing import Final

HOST: Final = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def bolt_answers(port: int) -> bool:
    """Whether a Bolt handshake (the magic word, then four versions we would speak) gets its four bytes back."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.settimeout(2)
            connection.sendall(b"\x60\x60\xb0\x17" + b"\x00\x00\x04\x05" + b"\x00\x00\x00\x00" * 3)
            return len(connection.recv(4)) == 4
    except OSError:
        return False


def port_is_open(port: int) -> bool:
    """Whether anybody listens."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False
