"""Reads the logs of nginx, gunicorn, systemd and the app back, by the source's name; never writes, never raises.

Paths come from the settings alone. To add a format, see lib/log_lines.py; to add a kind of trouble, lib/log_classes.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path

from config import Settings, current_settings
from lib.backwards_file import Budget, FileRefused, Line, Spending
from lib.joined_lines import LONGEST_RECORD, join_lines
from lib.journal import Journal, JournalEntry, join_tracebacks, read_journal
from lib.log_classes import CLASSES, TIMEOUT
from lib.log_lines import (
    SYSTEMD_TROUBLE,
    Format,
    Head,
    is_at_least,
    read_any,
    read_app,
    read_gunicorn,
    read_nginx,
)
from lib.log_records import LogRecord, RecordMaker
from lib.redaction import Redactor
from lib.rotated_file import NewestLines, position_of, read_newest, read_since

__all__ = [
    "SOURCES",
    "Budget",
    "Finding",
    "Journal",
    "LogRecord",
    "Places",
    "SourceReading",
    "State",
    "analyse",
    "read_all",
    "read_new",
    "read_source",
    "read_text",
]
SOURCES = ("nginx", "gunicorn", "systemd", "app")
# What an operator runs when LUX may not read a log; it counts from the next start of LUX on.
PERMISSION_COMMAND = "usermod -aG adm,systemd-journal lux"
MOST_EXAMPLES = 20
MOST_KERNEL_LINES = 50
# A worker that timed out is killed within this; the kill is part of the timeout then.
KILL_FOLLOWS_SECONDS = 10
# The last record of a file that changed less long ago may still be getting lines.
SETTLE_SECONDS = 1.0


class State(StrEnum):
    """How a source was found."""

    READ = "read"
    EMPTY = "empty"
    MISSING = "missing"
    NOT_PERMITTED = "not permitted"
    ROTATED_AWAY = "rotated away"
    NOT_HERE = "not on this machine"
    REFUSED = "refused"


@dataclass(frozen=True)
class Places:
    """Where the four sources are, and what must not be shown of them."""

    nginx: Path
    gunicorn: Path
    app: Path
    journal: Journal
    redactor: Redactor = field(default_factory=Redactor)

    @classmethod
    def of(cls, settings: Settings) -> Places:
        """The places and secrets that the settings name."""
        return cls(
            settings.nginx_error_log,
            settings.gunicorn_error_log,
            settings.app_log,
            Journal(settings.systemd_unit),
            Redactor.knowing(settings.secrets()),
        )


@dataclass(frozen=True)
class SourceReading:
    """What a source gave: its state, a sentence about it for people, and its records, oldest first."""

    source: str
    state: State
    sentence: str
    records: list[LogRecord] = field(default_factory=list)
    is_cut: bool = False


@dataclass(frozen=True)
class Finding:
    """Records of one class that say the same: how many, since when, and up to MOST_EXAMPLES of them."""

    kind: str
    source: str
    template: str
    level: str
    count: int
    first: datetime | None
    last: datetime | None
    examples: list[LogRecord]


def read_source(
    name: str,
    *,
    since: datetime,
    until: datetime | None = None,
    level: str | None = None,
    text: str | None = None,
    budget: Budget | None = None,
    places: Places | None = None,
) -> SourceReading:
    """The records of a source since a moment, of at least a level and with a text in them; the newest that fit."""
    places = places or Places.of(current_settings())
    budget = budget or Budget()
    if name == "systemd":
        reading = _read_journal(places, since, until, budget)
    else:
        reading = _read_file(name, places, since, budget)
    wanted = [record for record in reading.records if _is_wanted(record, since, until, level, text)]
    state, sentence = reading.state, reading.sentence
    if state is State.READ and not wanted:
        sentence += " Nothing in it fits what was asked for."
    return replace(reading, state=state, sentence=sentence, records=wanted)


def read_all(
    *,
    since: datetime,
    until: datetime | None = None,
    level: str | None = None,
    text: str | None = None,
    budget: Budget | None = None,
    places: Places | None = None,
) -> list[SourceReading]:
    """The four sources, in the order of SOURCES; the budget holds for each."""
    places = places or Places.of(current_settings())
    return [
        read_source(name, since=since, until=until, level=level, text=text, budget=budget, places=places)
        for name in SOURCES
    ]


def read_new(
    name: str, position: str | None = None, *, budget: Budget | None = None, places: Places | None = None
) -> tuple[SourceReading, str | None]:
    """What a source got since a position, and the position to go on from; None begins a little before the end.

    Follows rotation and copytruncate. A record may come twice after a crash in between: its evidence id tells.
    """
    places = places or Places.of(current_settings())
    budget = budget or Budget()
    if name == "systemd":
        return _read_new_journal(places, position, budget)
    return _read_new_file(name, places, position, budget)


def read_text(text: str, redactor: Redactor | None = None) -> list[LogRecord]:
    """The records of any excerpt that somebody pasted: log lines of every known format, tracebacks, or both."""
    lines: list[Line] = []
    offset = 0
    for line in text.encode("utf-8", "replace").split(b"\n"):
        if lines or line.strip():
            lines.append(Line(offset, line.removesuffix(b"\r"), len(line)))
        offset += len(line) + 1
    while lines and not lines[-1].text.strip():
        lines.pop()
    maker = RecordMaker("text", "0", redactor or Redactor(), is_excerpt=True)
    return maker.records(join_lines(lines, read_any))


def analyse(records: Iterable[LogRecord]) -> list[Finding]:
    """What the records tell of, by class and template: the gravest classes first, then the most frequent."""
    groups: dict[tuple[str, str, str], list[LogRecord]] = {}
    for record in _with_true_kinds(list(records)):
        if record.kind is not None:
            groups.setdefault((record.kind, record.source, record.template), []).append(record)
    findings = [_finding(key, group) for key, group in groups.items()]
    return sorted(findings, key=lambda finding: (CLASSES.index(finding.kind), -finding.count))


def _finding(key: tuple[str, str, str], group: list[LogRecord]) -> Finding:
    times = sorted(record.time for record in group if record.time is not None)
    first, last = (times[0], times[-1]) if times else (None, None)
    kind, source, template = key
    return Finding(kind, source, template, group[-1].level, len(group), first, last, group[-MOST_EXAMPLES:])


def _with_true_kinds(records: list[LogRecord]) -> Iterator[LogRecord]:
    """`was sent SIGKILL! Perhaps out of memory?` right after a WORKER TIMEOUT of the same worker is the timeout."""
    timeouts = [
        (record.fields.get("worker_pid"), record.time) for record in records if "WORKER TIMEOUT" in record.template
    ]
    span = timedelta(seconds=KILL_FOLLOWS_SECONDS)
    for record in records:
        is_kill = "was sent SIG" in record.template
        aborted = record.template.startswith("SystemExit")
        pid = record.fields.get("worker_pid") if is_kill else str(record.pid)
        is_timeout = (is_kill or aborted) and any(
            pid == worker and (time is None or record.time is None or timedelta(0) <= record.time - time <= span)
            for worker, time in timeouts
        )
        yield replace(record, kind=TIMEOUT) if is_timeout else record


def _is_wanted(record: LogRecord, since: datetime, until: datetime | None, level: str | None, text: str | None) -> bool:
    if record.time is not None and (record.time < since or (until is not None and record.time > until)):
        return False
    return is_at_least(record.level, level) and (not text or text.lower() in record.text.lower())


_READERS: dict[str, Format] = {"nginx": read_nginx, "gunicorn": read_gunicorn, "app": read_app}


def _path_of(name: str, places: Places) -> Path:
    paths = {"nginx": places.nginx, "gunicorn": places.gunicorn, "app": places.app}
    if name not in paths:
        raise ValueError(f"There is no log source {name!r}: {', '.join(SOURCES)}.")
    return paths[name]


def _read_file(name: str, places: Places, since: datetime, budget: Budget) -> SourceReading:
    path, read = _path_of(name, places), cache(_READERS[name])
    spending = Spending(budget)

    def is_older(line: Line) -> bool | None:
        head = read(line.text.decode("utf-8", "replace"))
        return None if head is None or head.time is None else head.time < since

    try:
        newest = read_newest(path, is_older, spending)
    except OSError as error:
        return _unread(name, path, error)
    records = []
    for part in newest.parts:
        records += RecordMaker(name, str(part.inode), places.redactor).records(join_lines(part.lines, read))
    return _summed_up(name, path, records, newest, is_cut=spending.is_over())


def _summed_up(name: str, path: Path, records: list[LogRecord], newest: NewestLines, *, is_cut: bool) -> SourceReading:
    if records:
        sentence = f"{path}: {len(records)} records read."
        if is_cut:
            sentence += " There is more; the reading stopped at its limit."
        elif newest.is_whole and newest.compressed:
            sentence += f" What is older lies compressed in {newest.compressed}."
        return SourceReading(name, State.READ, sentence, records, is_cut)
    if newest.compressed or not newest.has_current:
        return SourceReading(name, State.ROTATED_AWAY, f"{path} was rotated away; what it held is not here any more.")
    return SourceReading(name, State.EMPTY, f"{path} is empty: nothing has been written to it.")


def _unread(name: str, path: Path, error: OSError) -> SourceReading:
    """The calm sentence for a file that could not be read."""
    if isinstance(error, FileRefused):
        return SourceReading(name, State.REFUSED, f"{error}, so LUX does not read it.")
    if isinstance(error, PermissionError):
        return _not_permitted(name, str(path))
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        if not _folder_exists(path):
            return SourceReading(name, State.NOT_HERE, f"{path.parent} does not exist: {name} does not log here.")
        return SourceReading(name, State.MISSING, f"{path} does not exist yet.")
    return SourceReading(name, State.MISSING, f"{path} could not be read: {error.strerror or error}.")


def _folder_exists(path: Path) -> bool:
    try:
        return path.parent.is_dir()
    except OSError:
        return True


def _not_permitted(name: str, what: str) -> SourceReading:
    sentence = f"LUX may not read {what}. Run as root: {PERMISSION_COMMAND}, then restart LUX."
    return SourceReading(name, State.NOT_PERMITTED, sentence)


def _read_new_file(name: str, places: Places, position: str | None, budget: Budget) -> tuple[SourceReading, str | None]:
    path, read = _path_of(name, places), _READERS[name]
    spending = Spending(budget)
    try:
        new = read_since(path, position_of(position), spending)
    except OSError as error:
        return _unread(name, path, error), position
    records = []
    if new.earlier is not None:
        joined = join_lines(new.earlier.lines, read)
        records += RecordMaker(name, str(new.earlier.inode), places.redactor).records(joined)
    joined, end = join_lines(new.current.lines, read), new.end
    is_fresh = datetime.now(UTC).timestamp() - new.changed_at < SETTLE_SECONDS
    if joined and is_fresh and end - joined[-1].offset < LONGEST_RECORD:
        end = joined.pop().offset
    records += RecordMaker(name, str(new.current.inode), places.redactor).records(joined)
    state = State.READ if records else State.EMPTY
    reading = SourceReading(name, state, f"{path}: {len(records)} new records.", records, spending.is_over())
    return reading, f"{new.current.inode}:{end}"


def _read_journal(places: Places, since: datetime, until: datetime | None, budget: Budget) -> SourceReading:
    journal = places.journal
    reading = read_journal(journal, journal.arguments(budget.lines, since, until, None), budget)
    kernel = read_journal(journal, journal.kernel_arguments(MOST_KERNEL_LINES, since, until, None), budget)
    records = _journal_records(_in_order([*reading.entries[::-1], *kernel.entries[::-1]]), places)
    return _journal_reading(journal, records, reading.complaint, reading.is_installed, reading.is_cut)


def _read_new_journal(places: Places, position: str | None, budget: Budget) -> tuple[SourceReading, str | None]:
    journal = places.journal
    after, _, kernel_after = (position or "").partition("|")
    reading = read_journal(journal, journal.arguments(budget.lines, None, None, after or None), budget)
    entries = reading.entries if after else reading.entries[::-1]
    words = journal.kernel_arguments(MOST_KERNEL_LINES, None, None, kernel_after or None)
    kernel = read_journal(journal, words, budget)
    killed = kernel.entries if kernel_after else kernel.entries[::-1]
    records = _journal_records(_in_order([*entries, *killed]), places)
    result = _journal_reading(journal, records, reading.complaint, reading.is_installed, reading.is_cut)
    after = entries[-1].cursor if entries else after
    kernel_after = killed[-1].cursor if killed else kernel_after
    return result, f"{after}|{kernel_after}" if after or kernel_after else position


def _in_order(entries: list[JournalEntry]) -> list[JournalEntry]:
    """Entries of two readings, oldest first."""
    return sorted(entries, key=lambda entry: entry.time or datetime.min.replace(tzinfo=UTC))


def _journal_reading(
    journal: Journal, records: list[LogRecord], complaint: str, is_installed: bool, is_cut: bool
) -> SourceReading:
    name = "systemd"
    if records:
        sentence = f"The journal of {journal.unit}: {len(records)} records read."
        if is_cut:
            sentence += " There is more; the reading stopped at its limit."
        return SourceReading(name, State.READ, sentence, records, is_cut)
    if not is_installed:
        return SourceReading(name, State.NOT_HERE, "There is no systemd journal on this machine.")
    if re.search(r"insufficient permissions|not seeing messages|Permission denied|Operation not permitted", complaint):
        return _not_permitted(name, "the journal")
    if "No journal files" in complaint or (not journal.files and not Path("/run/systemd/system").is_dir()):
        return SourceReading(name, State.NOT_HERE, "There is no systemd journal on this machine.")
    if is_cut:
        return SourceReading(name, State.MISSING, "The journal did not answer in time.", is_cut=True)
    if complaint.strip():
        return SourceReading(
            name, State.MISSING, f"The journal could not be read: {complaint.strip().splitlines()[0]}."
        )
    return SourceReading(name, State.EMPTY, f"The journal of {journal.unit} holds nothing for this time.")


def _journal_records(entries: list[JournalEntry], places: Places) -> list[LogRecord]:
    """A record for each message; the lines of a traceback of one process are joined."""
    maker = RecordMaker("systemd", "journal", places.redactor)
    records = []
    for entry, further in join_tracebacks(entries):
        head = read_gunicorn(entry.message) or read_app(entry.message) or _journal_head(entry)
        # The journal's own time is the finer one, and nobody but journald writes it.
        head = replace(head, time=entry.time or head.time, pid=head.pid or entry.pid)
        if further and not is_at_least(head.level, "warning"):
            head = replace(head, level="error")
        full = "\n".join([head.message, *further])
        raw = "\n".join([entry.message, *further])
        records.append(maker.of_head(head, "systemd", full, raw, f"systemd:{entry.cursor}"))
    return records


def _journal_head(entry: JournalEntry) -> Head:
    level = entry.level
    if (
        entry.program in ("systemd", "kernel")
        and SYSTEMD_TROUBLE.search(entry.message)
        and not is_at_least(level, "error")
    ):
        level = "error"
    fields = {"program": entry.program} if entry.program else {}
    return Head("systemd", entry.time, level, entry.message, entry.pid, None, fields)
