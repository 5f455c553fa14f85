"""How gunicorn serves LUX, here and on a server: `python -m gunicorn -c deploy/gunicorn.conf.py "app:create_app()"`."""

from __future__ import annotations

import gc
import logging
import time
from pathlib import Path
from typing import Any

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]  # gunicorn has no types

from config import load_settings
from diagnostics.worker_deaths import AbortNotes, DeathWatch, capture_abort
from lib.app_log import RedactingFormatter
from lib.held_places import STREAMS
from scheduler import Clock

settings = load_settings()
TELL_SECONDS = 1.0


class PatientWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A process that counts as stuck once as many requests as may work at once wait too long for their answer to begin.

    gunicorn's own only looks at the thread that accepts connections, so that a process with all threads stuck would
    stay for ever. A stream that has begun is no waiting.
    """

    told_at = float("-inf")

    def notify(self) -> None:
        """Says that all is well, if it is; asked again for each request, it says so once a second."""
        if time.monotonic() - self.told_at < TELL_SECONDS:
            return
        self.told_at = time.monotonic()
        traffic = self.wsgi.extensions["lux_traffic"] if hasattr(self, "wsgi") else None
        if traffic is None or len(traffic.list_stuck(self.cfg.timeout)) < settings.web_threads:
            super().notify()


bind = f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"
worker_class = PatientWorker
workers = settings.web_workers
# Streams wait on threads of their own; how many requests work at once, the app's gate decides (lib/request_gate.py).
threads = settings.web_threads + STREAMS
# All threads stuck for this long, and then silence for this long: the process is ended after a minute. Calls to models
# and mail servers stay well under it.
timeout = 30
graceful_timeout = 10
keepalive = 5
# The heartbeat file of each worker must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn makes its own file there
errorlog = "-"
loglevel = "info"
control_socket_disable = True
# Who the visitor is, app.py decides by PROXY_HOPS; gunicorn itself believes nobody.
forwarded_allow_ips = ""

clocks: dict[int, Clock] = {}
notes = AbortNotes()
deaths = DeathWatch(settings, notes)


def when_ready(_server: Any) -> None:
    """The master listens to itself, to know how its workers end."""
    log = logging.getLogger("gunicorn.error")
    for former in [handler for handler in log.handlers if isinstance(handler, DeathWatch)]:
        log.removeHandler(former)
    log.addHandler(deaths)
    gc.freeze()


on_reload = when_ready


def post_worker_init(worker: Any) -> None:
    """Each web process stands for the clock once its app is there; one of them gets it."""
    log = logging.getLogger("gunicorn.error")
    log.removeHandler(deaths)
    # What breaks outside of Flask, such as in the middle of a stream, gunicorn alone sees.
    errors = worker.wsgi.extensions["lux_errors"]
    for handler in log.handlers:
        handler.setFormatter(RedactingFormatter(handler.formatter, errors.redactor))
    log.addHandler(errors)
    # From the first moment on, for what dead processes have left in the spool.
    errors.start()
    clocks[worker.pid] = Clock(worker.wsgi)
    clocks[worker.pid].start()
    # The program itself stays: the collector need not walk through it again and again, nor at the end.
    gc.freeze()


def pre_request(_worker: Any, request: Any) -> None:
    """A body in chunks is the last on its connection: what is left unread of it is nobody's next request."""
    if any(name == "TRANSFER-ENCODING" for name, _ in request.headers):
        request.force_close()


def worker_abort(worker: Any) -> None:
    """A stuck process tells where it is stuck before it is ended."""
    if hasattr(worker, "wsgi"):
        capture_abort(worker.wsgi, worker.pid)
        notes.note(worker.pid)


def worker_exit(_server: Any, worker: Any) -> None:
    """A process that ends gives the clock up at once."""
    clock = clocks.pop(worker.pid, None)
    if clock is not None:
        clock.stop()


def child_exit(_server: Any, worker: Any) -> None:
    """The master tells of a process that was killed."""
    deaths.tell(worker.pid, was_aborted=worker.aborted)
