"""Records of logs: what joined lines say, redacted, with the template, the class and the evidence id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from lib.joined_lines import Joined
from lib.log_classes import class_of
from lib.log_lines import Head
from lib.log_templates import exception_name, final_exception, nginx_template, template_of
from lib.redaction import Redactor

# Fields that programs fill from their own words and numbers.
_OWN_FIELDS = frozenset({"connection", "worker_pid", "method", "status", "logger", "program", "is_ambiguous"})


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record of a log. `time` is aware, in UTC, and None only for a text without any.

    `kind` is one of lib.log_classes.CLASSES, or None for a record that tells of no trouble. `template` and `kind` say
    nothing that a stranger wrote; `fields` and `text` may.
    """

    time: datetime | None
    source: str
    level: str
    pid: int | None
    request_id: str | None
    template: str
    kind: str | None
    fields: dict[str, str]
    text: str
    evidence_id: str


@dataclass(frozen=True)
class RecordMaker:
    """Makes records of one file's joined lines. In an excerpt each record's format names its source."""

    source: str
    place: str
    redactor: Redactor
    is_excerpt: bool = False
    _known_kinds: dict[tuple[str, str, str], str | None] = field(default_factory=dict)

    def records(self, joined: Iterable[Joined]) -> list[LogRecord]:
        """A record for each, oldest first; what has no head takes the time of what stands before it."""
        made: list[LogRecord] = []
        latest: Head | None = None
        for one in joined:
            latest = one.head or latest
            made.append(self._record(one, latest))
        return made

    def _record(self, one: Joined, latest: Head | None) -> LogRecord:
        if one.head is None:
            head, full = self._assumed_head(one, latest), one.text
        else:
            head, full = one.head, f"{one.head.message}\n{one.further}" if one.further else one.head.message
        source = head.source if self.is_excerpt else self.source
        return self.of_head(head, source, full, one.text, f"{self.source}:{self.place}:{one.offset}")

    def _assumed_head(self, one: Joined, latest: Head | None) -> Head:
        level = "error" if final_exception(one.text) else "info"
        if latest is None:
            return Head("app" if self.is_excerpt else self.source, None, level, one.text)
        source = latest.source if latest.source != "nginx" else "app"
        return Head(source, latest.time, level, one.text, latest.pid)

    def of_head(self, head: Head, source: str, full: str, raw: str, evidence_id: str) -> LogRecord:
        """The record that a head begins; `full` is its message with what follows, `raw` the lines as they were."""
        fields = {key: value if key in _OWN_FIELDS else self.redactor.text(value) for key, value in head.fields.items()}
        if head.source == "nginx":
            text, template = self.redactor.text(raw), nginx_template(head.message)
            kind = class_of("nginx", head.level, head.message, None, None)
        else:
            shown = self.redactor.text(full)
            text = raw[: -len(full)] + shown if full and raw.endswith(full) else self.redactor.text(raw)
            exception = final_exception(shown) if "\n" in shown else None
            name = exception_name(exception) if exception else None
            if name:
                fields["exception"] = name
            template = template_of((exception or _first_line(shown)).partition("\n")[0])
            kind = self._kind(head, shown, template, exception, name)
        return LogRecord(
            head.time, source, head.level, head.pid, head.request_id, template, kind, fields, text, evidence_id
        )  # fmt: skip

    def _kind(self, head: Head, shown: str, template: str, exception: str | None, name: str | None) -> str | None:
        """The class; records of one line with the same template have the same, so it is looked for once."""
        if exception is not None or "\n" in shown:
            return class_of(head.source, head.level, shown, exception, name)
        key = (head.source, head.level, template)
        if key not in self._known_kinds:
            self._known_kinds[key] = class_of(head.source, head.level, shown, None, None)
        return self._known_kinds[key]


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")
