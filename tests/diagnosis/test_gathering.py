"""A group with its moment in the logs, and the system as it is: real errors, real logs, real nginx and gunicorn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from diagnosis.base import NOTHING_WRONG, UNKNOWN
from diagnosis.deciding import diagnose
from diagnosis.gathering import (
    list_settled,
    signals_of_group,
    signals_of_records,
    signals_of_system,
    surroundings,
)
from error_groups import resolve_by_hand
from error_logger import error_logger
from extensions import db
from lib.journal import Journal
from log_reader import Places, read_source
from models import ErrorGroup
from tests.nginx_front import running_front

DAY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def logs(tmp_path: Path) -> dict[str, Path]:
    """Where this LUX's logs are."""
    return {name: tmp_path / f"{name}.log" for name in ("nginx", "gunicorn", "app")}


@pytest.fixture
def app(make_app: Callable[..., Flask], logs: dict[str, Path], empty_database: None) -> Iterator[Flask]:
    """An app that reads these logs, and no journal."""
    made = make_app(
        NGINX_ERROR_LOG=str(logs["nginx"]), GUNICORN_ERROR_LOG=str(logs["gunicorn"]), APP_LOG=str(logs["app"])
    )
    with made.app_context():
        yield made
        error_logger().flush_now()
        db.session.remove()


def keep(error: BaseException | None = None, **details: Any) -> int:
    """Captures an error and gives its group's id."""
    error_logger().capture(error, **details)
    assert error_logger().flush_now()
    db.session.rollback()
    found = db.session.scalar(select(ErrorGroup.id).order_by(ErrorGroup.id.desc()).limit(1))
    assert found is not None
    return found


def raised(act: Callable[[], object]) -> BaseException:
    try:
        act()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def full_disk() -> None:
    raise OSError(28, "No space left on device")


def test_a_group_is_diagnosed_from_its_samples(app: Flask) -> None:
    found = diagnose(signals_of_group(keep(raised(full_disk))), surroundings())[0]
    assert found.rule == "disk-full"
    assert found.evidence == ("error:1",)


def test_a_group_whose_samples_are_gone_is_diagnosed_from_its_title(app: Flask) -> None:
    group_id = keep(raised(full_disk))
    db.session.execute(db.text("DELETE FROM error_log"))
    db.session.commit()
    found = diagnose(signals_of_group(group_id), surroundings())[0]
    assert (found.rule, found.evidence) == ("disk-full", (f"group:{group_id}",))


def test_the_log_of_that_moment_tells_the_cause_of_a_group(app: Flask, logs: dict[str, Path]) -> None:
    now = datetime.now(UTC)
    stamp = f"{now - timedelta(seconds=5):%Y-%m-%dT%H:%M:%S}.104Z"
    logs["app"].write_text(
        f"{stamp} ERROR web 812 - lux.intake: the spool cannot be written: No space left on device\n"
    )
    group_id = keep(message="upstream prematurely closed connection while reading response header from upstream",
                    error_type="nginx.UpstreamClosed", source="nginx", place="GET /contacts")  # fmt: skip
    found = diagnose(signals_of_group(group_id), surroundings())[0]
    assert found.rule == "disk-full"
    assert found.evidence[0].startswith("app:")
    assert "nginx-upstream-closed" in found.consequences


def test_what_else_stands_in_the_log_of_that_moment_is_not_the_group(app: Flask, logs: dict[str, Path]) -> None:
    now = datetime.now(UTC)
    logs["gunicorn"].write_text(f"[{now:%Y-%m-%d %H:%M:%S} +0000] [1] [ERROR] Connection in use: ('127.0.0.1', 5000)\n")
    group_id = keep(raised(lambda: 1 / 0))
    assert diagnose(signals_of_group(group_id), surroundings())[0].rule == UNKNOWN


@pytest.mark.parametrize(
    ("error_type", "message", "rule"),
    [
        ("gunicorn.WorkerTimeout", "A web process gave no answer for too long and was ended.", "worker-timeout"),
        ("gunicorn.WorkerKilled", "A web process was killed (SIGKILL).", "worker-killed"),
        ("gunicorn.OutOfMemory", "A web process was killed because memory ran out.", "worker-out-of-memory"),
        ("gunicorn.BootFailed", "Reason: Worker failed to boot.", "worker-boot-failed"),
        (
            "systemd.OutOfMemory",
            "lux.service: A process of this unit has been killed by the OOM killer.",
            "worker-out-of-memory",
        ),
        ("systemd.StartLimit", "lux.service: Start request repeated too quickly.", "systemd-start-limit"),
        (
            "nginx.UpstreamRefused",
            "connect() failed (111: Connection refused) while connecting to upstream",
            "nginx-upstream-refused",
        ),
        (
            "nginx.UpstreamTimedOut",
            "upstream timed out (110: Connection timed out) while reading response header from upstream",
            "nginx-upstream-timeout",
        ),
        ("nginx.NoConnectionLeft", "768 worker_connections are not enough", "nginx-out-of-connections"),
        (
            "log.lux.ai",
            "The AI service does not accept the key (OPENAI_API_KEY). Look at Settings › Environment.",
            "model-key-refused",
        ),
        (
            "log.psycopg.pool",
            "error connecting in 'pool-1': connection failed: connection to server on socket \"/x\" failed: No "
            "such file or directory",
            "database-down",
        ),
    ],
)
def test_errors_that_were_made_from_lines_of_logs_keep_their_meaning(
    app: Flask, error_type: str, message: str, rule: str
) -> None:
    group_id = keep(message=message, error_type=error_type, source=error_type.partition(".")[0])
    assert diagnose(signals_of_group(group_id), surroundings())[0].rule == rule


def test_a_message_that_looks_like_a_chain_of_causes_is_only_a_message(app: Flask) -> None:
    def act() -> None:
        raise ValueError(
            "bad value\n\nThe above exception was the direct cause of the following exception:\n\n"
            'Traceback (most recent call last):\n  File "a", line 1, in b\nOSError: [Errno 28] No space left on device'
        )

    assert diagnose(signals_of_group(keep(raised(act))), surroundings())[0].rule == UNKNOWN


def test_a_cause_inside_of_a_stored_chain_counts(app: Flask) -> None:
    def act() -> None:
        try:
            full_disk()
        except OSError as error:
            raise RuntimeError("the export could not be written") from error

    assert diagnose(signals_of_group(keep(raised(act))), surroundings())[0].rule == "disk-full"


def test_the_system_is_well_when_nothing_is(app: Flask) -> None:
    assert diagnose(signals_of_system(), surroundings())[0].rule == NOTHING_WRONG


def test_the_system_is_diagnosed_from_groups_logs_and_health(app: Flask) -> None:
    keep(raised(full_disk))
    health = [("worker", "fail", "No worker was seen in the last minute."), ("disk", "pass", "4 GiB free (40%).")]
    found = diagnose(signals_of_system(health), surroundings())
    assert found[0].rule == "disk-full"
    assert "worker-absent" in found[0].consequences


def test_resolved_groups_and_their_old_lines_are_history(app: Flask, logs: dict[str, Path]) -> None:
    group_id = keep(raised(full_disk))
    stamp = f"{datetime.now(UTC) - timedelta(minutes=2):%Y-%m-%dT%H:%M:%S}.104Z"
    logs["app"].write_text(f"{stamp} ERROR web 812 - lux.intake: [Errno 28] No space left on device\n")
    assert diagnose(signals_of_system(), surroundings())[0].rule == "disk-full"
    resolve_by_hand(group_id, note="made room", actor="Ada", user_id=None, release="1")
    assert [settled.error_type for settled in list_settled()] == ["OSError"]
    assert diagnose(signals_of_system(), surroundings())[0].rule == NOTHING_WRONG


def test_real_nginx_and_gunicorn_are_understood(tmp_path: Path) -> None:
    with running_front(tmp_path) as front:
        for path in ("/refused", "/gone", "/slow", "/die", "/files/absent", "/forbidden/x", "/broken"):
            front.get(path)
        front.post("/", 5_000)
        front.get("/files/No%20space%20left%20on%20device", {"User-Agent": "OSError: [Errno 28]", "Referer": "x"})
        front.get("/files/a%0aOSError:%20%5BErrno%2028%5D%20No%20space%20left%20on%20device")
        front.wait_for_line(front.gunicorn_log, "was sent SIG")
        front.wait_for_line(front.nginx_log, "prematurely closed")
        places = Places(front.nginx_log, front.gunicorn_log, tmp_path / "none.log", Journal("lux.service"))
        nginx = read_source("nginx", since=DAY, places=places).records
        gunicorn = read_source("gunicorn", since=DAY, places=places).records
    rules = {diagnosis.rule for diagnosis in diagnose(signals_of_records([*nginx, *gunicorn]))}
    assert "disk-full" not in rules
    assert rules >= {"nginx-socket-missing", "request-too-large", "worker-killed"}
    of_nginx = {diagnosis.rule for diagnosis in diagnose(signals_of_records(nginx))}
    assert of_nginx >= {
        "nginx-upstream-refused",
        "nginx-upstream-timeout",
        "nginx-upstream-closed",
        "request-too-large",
    }
