"""A web process that takes too much memory: killed by the kernel itself, found, named, reloaded on a click and proved.

Where the machine allows it the kernel really kills it, in a group of processes with little memory left; elsewhere the
process ends itself in the same way, the kernel's lines are those recorded of such a kill, and a LUX that cannot hear
the kernel must say no more than it knows.
"""

from __future__ import annotations

import http.client
import json
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from diagnosis.deciding import diagnose
from diagnosis.gathering import signals_of_records
from diagnosis.reading import signals_of_text
from diagnostics.log_import import find_troubles
from lib.journal import Journal
from log_reader import Places, read_all
from tests.memory_group import MemoryGroup, memory_group, read_kernel_log
from tests.repair_scene import ask_to_repair, look_as_the_clock_does, operator_headers, post_form
from tests.servers import Lux, wait_until

RECORDED = Path(__file__).resolve().parent.parent / "fixtures" / "kernel_out_of_memory.txt"
JOURNAL_REMOTE = "/usr/lib/systemd/systemd-journal-remote"
ENOUGH_TO_WORK = 48 * 1024 * 1024
ENTER = 'echo $$ > "$0" && exec "$@"'


@pytest.fixture
def group() -> Iterator[MemoryGroup | None]:
    """A group of processes with a limit, where one can be made."""
    with memory_group() as made:
        yield made


@pytest.fixture
def lux(group: MemoryGroup | None, start_lux: Callable[..., Lux], tmp_path: Path) -> Lux:
    """A LUX in that group, with a log of gunicorn's own."""
    log = tmp_path / "gunicorn.err"
    log.touch()
    lux = start_lux(has_web=False, GUNICORN_ERROR_LOG=str(log), GUNICORN_CMD_ARGS=f"--error-logfile {log}")
    before = ("sh", "-c", ENTER, str(group.entrance)) if group else ()
    lux.start_web(*before, application="tests.planted:create_app()")
    return lux


def kill_by_memory(lux: Lux, group: MemoryGroup | None) -> tuple[int, list[str]]:
    """Lets a web process run out of memory; its id, and what the kernel said."""
    (grown,) = lux.list_web_processes()
    said_before = len(read_kernel_log())
    if group is not None:
        group.leave_only(ENOUGH_TO_WORK)
    with suppress(OSError, http.client.HTTPException):
        lux.request("POST", "/planted/memory")
    wait_until(lambda: not grown.is_running(), "the process to be killed")
    if group is None:
        return grown.pid, RECORDED.read_text().replace("PID", str(grown.pid)).splitlines()
    group.leave_only(None)
    said = read_kernel_log()[said_before:]
    assert any(f"Killed process {grown.pid} " in line for line in said), said
    return grown.pid, said


def make_places(folder: Path, said: list[str]) -> Places:
    """gunicorn's log, and the kernel's lines in a journal that systemd's own program wrote."""
    entries = b""
    for number, line in enumerate(said, 1):
        message = line.partition("] ")[2].encode()
        moment = f"__REALTIME_TIMESTAMP={int(time.time() * 1e6)}\n__MONOTONIC_TIMESTAMP={number}\n_BOOT_ID={'1' * 32}\n"
        fields = "_TRANSPORT=kernel\nSYSLOG_IDENTIFIER=kernel\nPRIORITY=3\n"
        entries += (moment + fields).encode() + b"MESSAGE\n" + struct.pack("<Q", len(message)) + message + b"\n\n"
    file = folder / "lux.journal"
    subprocess.run([JOURNAL_REMOTE, f"--output={file}", "-"], input=entries, check=True, capture_output=True)
    return Places(folder / "none", folder / "gunicorn.err", folder / "none", Journal("lux.service", files=(file,)))


def test_a_process_killed_for_memory_is_found_named_reloaded_on_a_click_and_proved(
    lux: Lux, group: MemoryGroup | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid, said = kill_by_memory(lux, group)
    wait_until(lambda: lux.count("error_groups", "source = 'gunicorn'") == 1, "the error")
    log = (tmp_path / "gunicorn.err").read_text()
    assert f"Worker (pid:{pid}) was sent SIGKILL! Perhaps out of memory?" in log

    # What an operator at a shell gets for the two logs, and for gunicorn's guess alone.
    pasted = "\n".join([*said, *log.splitlines()])
    found = diagnose(signals_of_text(pasted))[0]
    assert found.rule == "worker-out-of-memory" and found.confidence > 0.9
    cited = [pasted.splitlines()[int(one.removeprefix("text:")) - 1] for one in found.evidence]
    assert any(f"Killed process {pid} " in line for line in cited) and any("SIGKILL" in line for line in cited)
    assert diagnose(signals_of_text(log))[0].rule == "worker-killed"

    # What LUX reads of its own logs where there is a journal; both tell of one death, which is counted once.
    places = make_places(tmp_path, said)
    readings = read_all(since=datetime.now(UTC) - timedelta(minutes=5), places=places)
    found = diagnose(signals_of_records([record for reading in readings for record in reading.records]))[0]
    assert found.rule == "worker-out-of-memory"
    assert {one.partition(":")[0] for one in found.evidence} == {"systemd", "gunicorn"}
    names = [
        set(one.names()) for reading in readings for one in find_troubles(reading, datetime.min.replace(tzinfo=UTC))
    ]
    assert len(names) == 2 and names[0] & names[1]

    # What the running LUX makes of it by itself.
    (result,) = ask_to_repair(lux)["results"]
    assert result["diagnosis"]["rule"] == ("worker-out-of-memory" if group else "worker-killed")
    assert any(one.startswith("gunicorn:") for one in result["diagnosis"]["evidence"])
    assert result["resolved"] is False
    if group is not None:
        assert lux.count("error_groups", "error_type = 'gunicorn.OutOfMemory' AND count = 1") == 1
        expect_reload_and_proof(lux, result, monkeypatch)


def expect_reload_and_proof(lux: Lux, result: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A person reloads the web processes; nothing is believed before enough real requests went well."""
    action = next(one for one in result["actions"] if one["repair"] == "reload_gunicorn")
    assert (action["tier"], action["state"], result["state"]) == ("P", "waiting", "diagnosed")
    with lux.make_app().app_context():
        headers = operator_headers(lux.apps[-1])
    before = {process.pid for process in lux.list_web_processes()}
    post_form(lux, f"/diagnostics/repairs/steps/{action['step_id']}/approve", headers, digest=action["digest"])
    wait_until(lambda: not before & {process.pid for process in lux.list_web_processes()}, "the old one to end")
    look_as_the_clock_does(lux, monkeypatch)
    assert lux.count("repair_receipts", "repair = 'reload_gunicorn' AND kind = 'action'") == 1
    found = ask_to_repair(lux)["results"]
    assert [one["state"] for one in found] == ["verifying"], json.dumps(found, indent=1)
    for _ in range(12):
        assert lux.request("GET", "/sign-in")[0] == 200
    (proved,) = ask_to_repair(lux)["results"]
    assert proved["state"] == "resolved_verified" and proved["resolved"] is True, json.dumps(proved, indent=1)
