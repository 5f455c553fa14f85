"""What looks like trouble and is none: an ordinary restart, a rotation of logs; taken out before the rules look."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from diagnosis.base import Signal

# nginx finds nobody while gunicorn goes down and comes up again; longer than this it is an outage.
RESTART_SECONDS = 30
_STOPS = re.compile(
    r"^Handling signal: (?:term|int|quit|hup|usr2|winch)\b|^Stopping .*\.{0,3}$|^Shutting down: Master$", re.I
)
_STARTS = re.compile(r"^Booting worker with pid|^Listening at:|^Started .+|^Starting gunicorn|^Hang up: Master$", re.I)
_BOOT_FAILED = re.compile(r"failed to boot|exited with code|Failed with result|Failed to start|Connection in use")
_DURING_RESTART = re.compile(
    r"^connect\(\) .*failed \((?:111|2):|^no live upstreams|^answered 50[23]|^upstream prematurely closed"
    r"|terminating connection due to administrator command|the database system is (?:starting up|shutting down)"
)
_ROTATION = re.compile(
    r"reopening logs|\(SIGUSR1\)|^Handling signal: usr1|Rotate log files|logrotate|was rotated away", re.IGNORECASE
)


@dataclass(frozen=True)
class Calm:
    """The signals that are left, and what was ordinary about the others."""

    signals: list[Signal]
    reasons: list[str] = field(default_factory=list)


def drop_calm(signals: Sequence[Signal]) -> Calm:
    """The signals without those of a restart that came up again."""
    restarts = _list_restarts(signals)
    left = [signal for signal in signals if not _belongs_to(signal, restarts)]
    reasons = []
    if restarts:
        reasons.append("LUX was restarted and came up again.")
    if any(_ROTATION.search(signal.said) for signal in signals if not signal.is_trouble):
        reasons.append("A log was rotated just now.")
    return Calm(left, reasons)


def _list_restarts(signals: Sequence[Signal]) -> list[tuple[datetime, datetime]]:
    """Spans from an asked-for stop to the start after it; none where the start failed."""
    if any(_BOOT_FAILED.search(signal.said) for signal in signals):
        return []
    spans: list[tuple[datetime, datetime]] = []
    began: datetime | None = None
    for signal in signals:
        if signal.at is None or signal.source not in ("gunicorn", "systemd", "app"):
            continue
        if _STOPS.search(signal.said):
            began = began or signal.at
        elif began is not None and _STARTS.search(signal.said):
            spans.append((began, signal.at))
            began = None
    return [(start, end) for start, end in spans if end - start <= timedelta(seconds=2 * RESTART_SECONDS)]


def _belongs_to(signal: Signal, restarts: list[tuple[datetime, datetime]]) -> bool:
    at = signal.at
    if at is None or not restarts or not _DURING_RESTART.search(signal.said):
        return False
    slack = timedelta(seconds=RESTART_SECONDS / 3)
    return any(start - slack <= at <= end + slack for start, end in restarts)
