"""The last 2,000 lines of a 10 GB log: how long it takes and how much memory, beside reading the file through.

Run it by itself: `python -m benchmarks.log_reader`. Each reading is a process of its own, so that memory is its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lib.redaction import Redactor

SIZE_BYTES = 10 * 1024**3
LINES = 20_000
TRIES = 5


def write_sparse_log(path: Path) -> None:
    """A log of SIZE_BYTES whose last LINES lines are real, the rest a hole."""
    moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S +0000")
    line = "[{}] [4384] [ERROR] Error handling request GET /contacts/{}\n"
    with path.open("wb") as log:
        log.seek(SIZE_BYTES)
        log.write(b"\n" + "".join(line.format(moment, number) for number in range(LINES)).encode())


def read_once(path: Path) -> None:
    """Reads the log in this process and prints milliseconds and the megabytes at the peak."""
    import log_reader  # here, so that the parent process does not share its memory

    places = log_reader.Places(path, path, path, log_reader.Journal("lux.service"))
    since = datetime.now(UTC) - timedelta(hours=1)
    begun, begun_busy = time.perf_counter(), time.process_time()
    reading = log_reader.read_source("gunicorn", since=since, places=places)
    spent, busy = (time.perf_counter() - begun) * 1_000, (time.process_time() - begun_busy) * 1_000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    print(json.dumps({"ms": spent, "busy_ms": busy, "mb": peak, "records": len(reading.records)}))


def measure(path: Path) -> list[dict[str, float]]:
    """Some readings, each in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.log_reader", str(path)]
    return [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(TRIES)]


def measure_redaction() -> float:
    """Ordinary lines a second through the redactor."""
    lines = [
        "[2026-11-23 04:30:33 +0000] [4384] [INFO] Booting worker with pid: 4386",
        "2026/11/23 05:00:01 [error] 12#12: *5 connect() failed (111: Connection refused), server: _",
        "2026-11-23T05:00:01.123Z INFO [12] [abcdef0123456789] lux.worker: The worker is ready.",
        '  File "/var/www/lux/campaigns/sending.py", line 99, in send_due',
    ] * 10_000
    redactor = Redactor.knowing(["a-secret-of-this-process", "another-secret-of-it"])
    begun = time.process_time()
    for line in lines:
        redactor.text(line)
    return len(lines) / (time.process_time() - begun)


def main() -> None:
    """Prints the figures."""
    if len(sys.argv) > 1:
        read_once(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gunicorn.err"
        write_sparse_log(path)
        readings = measure(path)
        for reading in readings:
            print("2,000 lines of 10 GB: {ms:.1f} ms ({busy_ms:.1f} of work), {mb:.0f} MB".format(**reading))
        print(f"best {min(r['ms'] for r in readings):.1f} ms, peak {max(r['mb'] for r in readings):.0f} MB")
    print(f"redaction: {measure_redaction():,.0f} ordinary lines a second of processor time")


if __name__ == "__main__":
    main()
