"""Gathers the signals of this LUX itself: an error group with its moment in the logs, and the system as it is now.

It reads error groups and logs, and nothing else; results of health checks are handed in, for they know diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from config import current_settings
from diagnosis.bare_lines import read_bare
from diagnosis.base import Settled, Signal, Surroundings
from diagnosis.codes import codes_of
from diagnosis.json_texts import health_signal
from diagnosis.reading import message_said, signal_of_head, signals_of_exception
from error_groups import RESOLVED_STATES, get_group, list_samples
from extensions import db
from lib.log_lines import FORMATS, Head, is_at_least
from lib.log_records import LogRecord
from lib.redaction import Redactor
from log_reader import Budget, read_all
from models import ErrorGroup, ErrorLog

HealthRow = tuple[str, str, str]  # key, status, text
MOST_SAMPLES = 5
BEFORE_IT, AFTER_IT = timedelta(seconds=90), timedelta(seconds=20)
RECENT_LOGS = timedelta(minutes=15)
RECENT_GROUPS = timedelta(hours=24)
RECENTLY_SETTLED = timedelta(hours=72)
MOST_GROUPS = 30
MOST_SETTLED = 200
BUDGET = Budget(lines=1_500, bytes=1024 * 1024, seconds=0.5)
# Errors that were made from a line of another program's log: the words are that program's.
_PROGRAMS = ("nginx", "gunicorn", "systemd")


def surroundings() -> Surroundings:
    """This LUX as a diagnosis must know it, with what was resolved lately."""
    return Surroundings.of(current_settings(), list_settled())


def list_settled() -> list[Settled]:
    """The groups that were resolved lately: older lines of the same are history."""
    since = datetime.now(UTC) - RECENTLY_SETTLED
    query = (
        select(ErrorGroup.error_type, ErrorGroup.title, ErrorGroup.resolved_at)
        .where(ErrorGroup.state.in_(RESOLVED_STATES), ErrorGroup.resolved_at > since)
        .order_by(ErrorGroup.resolved_at.desc())
        .limit(MOST_SETTLED)
    )
    return [Settled(kind, title, at) for kind, title, at in db.session.execute(query) if at is not None]


def signals_of_group(group_id: int, health: Iterable[HealthRow] = ()) -> list[Signal]:
    """A group's samples, the log lines of that moment, and health results that are not well. Raises NotFound."""
    group = get_group(group_id)
    samples = list_samples(group_id, MOST_SAMPLES)[::-1]
    signals = [signal for sample in samples for signal in _of_sample(group, sample)] or [_of_group(group)]
    own = [replace(signal, fields={**signal.fields, "is_subject": "yes"}) for signal in signals]
    latest = samples[-1].created_at if samples else group.last_seen
    around = _of_logs(latest - BEFORE_IT, latest + AFTER_IT)
    return [*_by_time([*own, *around]), *signals_of_health(health)]


def signals_of_system(health: Iterable[HealthRow] = ()) -> list[Signal]:
    """Every unresolved group's latest sample, the last minutes of the logs, and health results that are not well."""
    now = datetime.now(UTC)
    query = (
        select(ErrorGroup)
        .where(ErrorGroup.state.not_in(RESOLVED_STATES), ErrorGroup.last_seen > now - RECENT_GROUPS)
        .order_by(ErrorGroup.last_seen.desc())
        .limit(MOST_GROUPS)
    )
    signals: list[Signal] = []
    for group in db.session.scalars(query).all():
        samples = list_samples(group.id, 1)
        signals += [one for sample in samples for one in _of_sample(group, sample)] or [_of_group(group)]
    return [*_by_time([*signals, *_of_logs(now - RECENT_LOGS, now)]), *signals_of_health(health)]


def signals_of_health(health: Iterable[HealthRow]) -> list[Signal]:
    """The checks that are not well."""
    return [health_signal(*row) for row in health if row[1] in ("warn", "fail")]


def signals_of_records(records: Sequence[LogRecord]) -> list[Signal]:
    """The signals of log records as the log reader gives them."""
    redactor = Redactor()
    return [signal for record in records for signal in _of_record(record, redactor)]


def _of_record(record: LogRecord, redactor: Redactor) -> list[Signal]:
    read = FORMATS.get(record.source)
    head = (read(record.text) if read else None) or read_bare(record.text)
    if head is None:
        program = record.fields.get("program", "")
        head = Head(record.source, record.time, record.level, record.text, record.pid, record.request_id)
        head = replace(head, fields={"program": program} if program else {})
    first, _, further = head.message.partition("\n")
    if record.source == "nginx":
        first, further = head.message, ""
    level = record.level if is_at_least(record.level, head.level) else head.level
    head = replace(head, time=record.time, level=level, message=first, pid=head.pid or record.pid)
    return signal_of_head(head, record.source, record.evidence_id, redactor, record.text, further)


def _of_logs(since: datetime, until: datetime) -> list[Signal]:
    readings = read_all(since=since, until=until, budget=BUDGET)
    return [signal for reading in readings for signal in signals_of_records(reading.records)]


def _of_sample(group: ErrorGroup, sample: ErrorLog) -> list[Signal]:
    base = Signal(
        source="error",
        text=sample.error_message,
        evidence_id=f"error:{sample.id}",
        at=sample.created_at,
        place=group.place or "",
        level="critical" if sample.severity == "critical" else "error",
        fields={"group": str(group.id)},
    )
    return _of_kind(base, sample.error_type, sample.error_message, sample.error_stack or "")


def _of_group(group: ErrorGroup) -> Signal:
    """A group whose samples were cleared: its title is all that is left."""
    base = Signal("error", group.title, f"group:{group.id}", at=group.last_seen, place=group.place or "")
    return _of_kind(base, group.error_type, group.title, "")[0]


def _of_kind(base: Signal, error_type: str, message: str, stack: str) -> list[Signal]:
    """An exception with its causes; a line of a program's log as that program's; a logged error as a message."""
    program, _, name = error_type.partition(".")
    if program == "nginx" and name:
        return [_with_codes(replace(base, source="nginx", said=message))]
    if program == "log":
        said = message_said("gunicorn" if name.startswith("gunicorn") else "app", message)
        logger = {"logger": name}
        return [_with_codes(replace(base, source="app", said=said, fields={**base.fields, **logger}))]
    signals = signals_of_exception(base, error_type, message, stack)
    return [replace(one, source=program) if program in _PROGRAMS else one for one in signals]


def _with_codes(signal: Signal) -> Signal:
    codes = codes_of("", signal.said)
    return replace(signal, code=codes[0], further_codes=codes[1:]) if codes else signal


def _by_time(signals: Sequence[Signal]) -> list[Signal]:
    """Oldest first; what has no time stays where it is among its neighbours."""
    latest = datetime.min.replace(tzinfo=UTC)
    keyed = []
    for number, signal in enumerate(signals):
        latest = signal.at or latest
        keyed.append((latest, number, signal))
    return [signal for _, _, signal in sorted(keyed, key=lambda row: row[:2])]
