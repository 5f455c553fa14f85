"""Deciding between rules: causes before consequences, controls stay calm, the surroundings change the tiers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from diagnosis.base import NOTHING_WRONG, UNKNOWN, RepairOption, Settled, Signal, Surroundings
from diagnosis.deciding import diagnose
from diagnosis.reading import signals_of_exception, signals_of_text

NOW = datetime(2026, 11, 23, 4, 30, tzinfo=UTC)
DISK = '2026-11-23 {at} UTC [812] PANIC:  could not write to file "pg_wal/xlogtemp.812": No space left on device'
REFUSED = '2026-11-23 {at} UTC [9121] FATAL:  password authentication failed for user "lux"'


def one(error_type: str, message: str, **changes: object) -> Signal:
    """A signal of a stored error."""
    signal = signals_of_exception(Signal("error", message, "error:1", at=NOW), error_type, message, "")[0]
    return replace(signal, **changes)  # type: ignore[arg-type]  # the tests name fields of Signal


def test_no_signals_are_no_fault() -> None:
    assert diagnose([])[0].rule == NOTHING_WRONG


def test_a_consequence_is_not_a_diagnosis_of_its_own() -> None:
    text = (
        "OSError: [Errno 28] No space left on device\npsycopg.OperationalError: server closed the connection "
        "unexpectedly"
    )
    found = diagnose(signals_of_text(text))
    assert [diagnosis.rule for diagnosis in found] == ["disk-full"]
    assert found[0].consequences == ("database-connection-lost",)


def test_two_faults_far_apart_are_two() -> None:
    text = (
        DISK.format(at="01:00:00.000")
        + "\n"
        + ("2026-11-23 04:30:00.000 UTC [9121] FATAL:  terminating connection due to administrator command")
    )
    assert {diagnosis.rule for diagnosis in diagnose(signals_of_text(text))} >= {
        "disk-full",
        "database-connection-lost",
    }


def test_what_came_long_before_the_cause_does_not_follow_from_it() -> None:
    text = (
        "2026-11-23 01:00:00.000 UTC [9121] FATAL:  terminating connection due to administrator command\n"
        + DISK.format(at="04:30:00.000")
    )
    found = diagnose(signals_of_text(text))
    assert "database-connection-lost" in {diagnosis.rule for diagnosis in found}


def test_independent_faults_are_all_told_the_gravest_first() -> None:
    text = REFUSED.format(at="04:30:00.000") + "\njinja2.exceptions.TemplateNotFound: a.html"
    assert [diagnosis.rule for diagnosis in diagnose(signals_of_text(text))] == [
        "database-password",
        "template-missing",
    ]


def test_old_lines_of_a_resolved_group_are_history() -> None:
    signal = one("OSError", "[Errno 28] No space left on device")
    settled = (Settled("OSError", "[Errno <n>] No space left on device", NOW + timedelta(hours=1)),)
    assert diagnose([signal], Surroundings(settled=settled))[0].rule == NOTHING_WRONG


def test_the_same_line_after_it_was_resolved_is_news() -> None:
    signal = one("OSError", "[Errno 28] No space left on device")
    settled = (Settled("OSError", "[Errno <n>] No space left on device", NOW - timedelta(hours=1)),)
    assert diagnose([signal], Surroundings(settled=settled))[0].rule == "disk-full"


def test_another_error_is_not_settled_with_it() -> None:
    signal = one("psycopg.errors.DiskFull", "could not extend file")
    settled = (Settled("OSError", "[Errno <n>] No space left on device", NOW + timedelta(hours=1)),)
    assert diagnose([signal], Surroundings(settled=settled))[0].rule == "disk-full"


def test_a_repair_of_our_own_database_is_of_tier_a() -> None:
    text = (
        'psycopg.OperationalError: connection failed: connection to server at "127.0.0.1", port 5 failed: '
        "Connection refused"
    )
    embedded = diagnose(signals_of_text(text), Surroundings(is_database_embedded=True))[0]
    foreign = diagnose(signals_of_text(text), Surroundings(is_database_embedded=False))[0]
    assert RepairOption("start_database", "A") in embedded.repairs
    assert RepairOption("start_database", "P") in foreign.repairs


def test_a_migration_needs_a_click_in_production() -> None:
    signal = one("psycopg.errors.UndefinedTable", 'relation "x" does not exist')
    tiers = {
        is_production: diagnose([signal], Surroundings(is_production=is_production))[0].repairs[0].tier
        for is_production in (True, False)
    }
    assert tiers == {True: "P", False: "A"}


def test_the_row_has_exactly_the_published_shape() -> None:
    row = diagnose(signals_of_text("OSError: [Errno 28] No space left on device"))[0].as_row()
    assert list(row) == ["rule", "cause", "class", "confidence", "evidence", "repairs", "advice"]
    assert row["evidence"] == ["text:1"]
    assert row["repairs"] == [{"id": "prune_files", "tier": "A"}, {"id": "vacuum_journal", "tier": "P"}]


def test_an_error_that_is_asked_about_is_not_explained_by_what_merely_happened_beside_it() -> None:
    asked = one("ZeroDivisionError", "division by zero", fields={"is_subject": "yes"})
    beside = replace(one("jinja2.exceptions.TemplateNotFound", "a.html"), evidence_id="error:2")
    assert diagnose([asked, beside])[0].rule == UNKNOWN


def test_an_error_that_is_asked_about_is_explained_by_its_cause_beside_it() -> None:
    asked = one("psycopg.errors.AdminShutdown", "terminating connection", fields={"is_subject": "yes"})
    beside = replace(one("OSError", "[Errno 28] No space left on device"), evidence_id="app:1:2", source="app")
    found = diagnose([asked, beside])
    assert found[0].rule == "disk-full"
    assert found[0].consequences == ("database-connection-lost",)
    assert {diagnosis.rule for diagnosis in found} == {"disk-full"}


def test_a_kill_belongs_to_the_timeout_of_the_same_worker_alone() -> None:
    text = (
        "[2026-11-23 04:30:38 +0000] [4384] [CRITICAL] WORKER TIMEOUT (pid:4387)\n"
        "[2026-11-23 04:30:39 +0000] [4384] [ERROR] Worker (pid:4390) was sent SIGKILL! Perhaps out of memory?\n"
    )
    found = {diagnosis.rule: diagnosis for diagnosis in diagnose(signals_of_text(text))}
    assert found["worker-timeout"].evidence == ("text:1",)
    assert found["worker-killed"].evidence == ("text:2",)


def test_a_kernel_line_makes_a_kill_a_matter_of_memory_even_after_a_timeout() -> None:
    text = (
        "[2026-11-23 04:30:38 +0000] [4384] [CRITICAL] WORKER TIMEOUT (pid:4387)\n"
        "Nov 23 04:30:39 box kernel: Out of memory: Killed process 4387 (gunicorn) total-vm:2254664kB\n"
        "[2026-11-23 04:30:39 +0000] [4384] [ERROR] Worker (pid:4387) was sent SIGKILL! Perhaps out of memory?\n"
    )
    assert diagnose(signals_of_text(text))[0].rule == "worker-out-of-memory"


def test_a_slow_model_offers_its_circuit_and_not_more_memory() -> None:
    trace = (
        "[2026-11-23 04:30:38 +0000] [4387] [ERROR] Error handling request POST /agents/run\n"
        "Traceback (most recent call last):\n"
        '  File "/opt/lux/ai.py", line 210, in ask\n    answer()\n'
        '  File "/opt/lux/.venv/lib/python3.11/site-packages/gunicorn/workers/base.py", line 199, in handle_abort\n'
        "    sys.exit(1)\nSystemExit: 1\n"
    )
    found = diagnose(signals_of_text(trace))[0]
    assert found.rule == "model-unreachable"
    assert found.repairs == (RepairOption("open_circuit", "A"),)
