"""Whether this machine's clock is kept right by NTP, as systemd's timedatectl says."""

from __future__ import annotations

import subprocess

PROGRAM = "/usr/bin/timedatectl"
PATIENCE_SECONDS = 3


def find_is_synchronised(program: str = PROGRAM) -> bool | None:
    """Whether it is; None where nobody can tell: a container, a machine without systemd. Never raises."""
    words = [program, "show", "--property=NTPSynchronized", "--value"]
    try:
        done = subprocess.run(  # noqa: S603 - an argument list made here, no shell
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip()) if done.returncode == 0 else None
