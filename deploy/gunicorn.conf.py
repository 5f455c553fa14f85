"""How gunicorn serves LUX, here and on a server: `python -m gunicorn -c deploy/gunicorn.conf.py "app:create_app()"`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from config import load_settings
from scheduler import Clock

settings = load_settings()

bind = f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"
worker_class = "gthread"
workers = settings.web_workers
threads = settings.web_threads
# A stuck request is ended after this; calls to models and mail servers stay well under it.
timeout = 60
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


def post_worker_init(worker: Any) -> None:
    """Each web process stands for the clock once its app is there; one of them gets it."""
    clocks[worker.pid] = Clock(worker.wsgi)
    clocks[worker.pid].start()


def worker_exit(_server: Any, worker: Any) -> None:
    """A process that ends gives the clock up at once."""
    clock = clocks.pop(worker.pid, None)
    if clock is not None:
        clock.stop()
