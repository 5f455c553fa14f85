"""How long `make run` needs until LUX answers: with an empty data folder, and again with a filled one.

Goal: a warm start in at most 8 seconds.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from config import child_environment
from tests.servers import ROOT, free_port

WARM_STARTS = 5
GOAL_SECONDS = 8.0


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="lux-start-"))
    try:
        cold = start_and_stop(folder)
        warm = [start_and_stop(folder) for _ in range(WARM_STARTS)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    warm_seconds = statistics.median(seconds for seconds, _ in warm)
    print(f"first start, database made   {cold[0]:5.1f} s")
    print(f"warm start, median of {WARM_STARTS}      {warm_seconds:5.1f} s   (goal: at most {GOAL_SECONDS:.0f} s)")
    print(f"stop, median of {WARM_STARTS}            {statistics.median(seconds for _, seconds in warm):5.1f} s")
    return 0 if warm_seconds <= GOAL_SECONDS else 1


def start_and_stop(folder: Path) -> tuple[float, float]:
    """Seconds from the command to the first answer, and from SIGTERM to its end."""
    port = free_port()
    environment = child_environment(LUX_DATA_DIR=str(folder), PORT=str(port))
    began = time.monotonic()
    process = subprocess.Popen(
        ["make", "run"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = b""
    while b"LUX runs at" not in said:
        line = process.stdout.readline()
        if not line:
            sys.exit(f"LUX did not start: {said.decode()}")
        said += line
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/readyz")
    assert connection.getresponse().status == http.HTTPStatus.OK
    ready = time.monotonic()
    # A stop right after the first answer would meet the worker while it still imports.
    time.sleep(3)
    ending = time.monotonic()
    os.killpg(process.pid, signal.SIGTERM)
    process.stdout.read()
    process.wait()
    return ready - began, time.monotonic() - ending


if __name__ == "__main__":
    sys.exit(main())
