"""Asks the service helper of this machine (deploy/lux-service) for one of its fixed verbs, through its socket."""

from __future__ import annotations

import socket
from pathlib import Path

VERBS = (
    "status-web",
    "status-worker",
    "restart-web",
    "restart-worker",
    "stop-stale-web",
    "start-postgresql",
    "reload-nginx",
    "vacuum-journal",
    "back-up",
)
LONGEST_ANSWER = 16_384
TIMEOUT_SECONDS = 60.0


class HelperRefused(Exception):
    """The helper is not there, does not answer, or could not do it."""


def is_helper_here(path: Path) -> bool:
    """Whether this machine has the helper's socket."""
    return path.is_socket()


def ask_helper(path: Path, verb: str, timeout_seconds: float = TIMEOUT_SECONDS) -> str:
    """Has the verb carried out; gives what was said. Raises HelperRefused; ValueError for a word that is no verb."""
    if verb not in VERBS:
        raise ValueError(f"{verb!r} is no verb of the service helper.")
    said = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_seconds)
            connection.connect(str(path))
            connection.sendall(f"{verb}\n".encode())
            connection.shutdown(socket.SHUT_WR)
            while len(said) < LONGEST_ANSWER and (piece := connection.recv(4096)):
                said += piece
    except OSError as error:
        raise HelperRefused(f"The service helper does not answer: {error.strerror or error}.") from error
    text = said.decode("utf-8", "replace").strip()
    if f"done: {verb}" not in text.splitlines():
        raise HelperRefused(f"The service helper could not do it: {text[-300:] or 'it said nothing'}.")
    return text
