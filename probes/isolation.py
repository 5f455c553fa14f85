"""The walls around a probe: a read-only transaction with a time limit, no outgoing call, no program, no file.

They hold for the context in which the probe runs, and for nothing else in the process. A thread that a view starts is
outside of them: a view that starts threads gets no probe.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine

STATEMENT_TIMEOUT_MS = 2500
# What Python tells its audit hooks before it happens. The database's own client library is not Python and not told.
FORBIDDEN = frozenset(
    {
        "socket.connect",
        "socket.sendto",
        "socket.bind",
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "shutil.rmtree",
        "smtplib.connect",
    }
)

_is_probing: ContextVar[bool] = ContextVar("lux_is_probing", default=False)
_installing = threading.Lock()
_installed: set[str] = set()


class Blocked(PermissionError):
    """A probe tried something that reaches beyond this process."""


@contextmanager
def walled() -> Iterator[None]:
    """Everything in this context is read-only and stays at home until the end."""
    _install()
    token = _is_probing.set(True)
    try:
        yield
    finally:
        _is_probing.reset(token)


def _install() -> None:
    with _installing:
        if "hook" not in _installed:
            _installed.add("hook")
            sys.addaudithook(_refuse)
            event.listen(Engine, "begin", _make_read_only)


def _refuse(what: str, arguments: tuple[Any, ...]) -> None:
    if what in FORBIDDEN and _is_probing.get():
        raise Blocked(f"A probe may not do this: {what}.")
    if what == "open" and _is_probing.get() and _is_for_writing(arguments):
        raise Blocked("A probe may not write files.")


def _is_for_writing(arguments: tuple[Any, ...]) -> bool:
    """Whether an `open` writes. The app log and the error logger's spool, which opens without a mode, go on."""
    path, mode = (*arguments, None, None)[:2]
    is_log = str(path).endswith(".log")
    return not is_log and isinstance(mode, str) and any(letter in mode for letter in "wax+")


def _make_read_only(connection: Connection) -> None:
    if _is_probing.get():
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
