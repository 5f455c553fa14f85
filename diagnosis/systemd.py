"""Rules for systemd: a unit that it gives up, that cannot be executed, that lacks its settings."""

from __future__ import annotations

from dataclasses import replace

from diagnosis.base import CONFIGURATION, TIMEOUT, Find, Match, Rule, Scene, Sign, Signal, finds, words
from diagnosis.offers import RESTART_UNIT

_FOLLOWS = ("nginx-upstream-refused", "nginx-socket-missing", "systemd-unit-failed")


def _systemd(*alternatives: str, types: tuple[str, ...] = (), confidence: float | None = None) -> Find:
    """By what systemd itself says, however calmly; no other program of the journal is believed."""
    sign = Sign(sources=("systemd", "text"), words=words(*alternatives), types=types, calm=("systemd",))

    def find(scene: Scene) -> Match | None:
        own = tuple(signal for signal in scene.signals if _is_own(signal))
        return finds(sign, confidence=confidence)(replace(scene, signals=own))

    return find


def _is_own(signal: Signal) -> bool:
    program = signal.fields.get("program", "")
    return program.startswith("systemd") or program == "systemctl" or signal.source == "text" or bool(signal.error_type)


EXECUTION_FAILED = Rule(
    key="systemd-cannot-execute",
    row="8, neighbour",
    class_=CONFIGURATION,
    cause="systemd cannot even execute the unit: a program, folder, user or environment file that it names is "
    "not there.",
    find=_systemd(
        r"Failed at step (?:EXEC|CHDIR|USER|GROUP|NAMESPACE|RUNTIME_DIRECTORY|STATE_DIRECTORY|STDOUT|CREDENTIALS)",
        r"status=2(?:00/CHDIR|03/EXEC|16/GROUP|17/USER|26/NAMESPACE|09/STDOUT|33/RUNTIME_DIRECTORY)",
        r"Failed to (?:load environment files|locate executable)",
        r"Unit \S{1,80} (?:not found|has a bad unit file setting)",
        r"Failed to (?:execute|spawn) ",
    ),
    trap="The error is in the unit's lines, not in LUX: its own logs stay empty.",
    advice=(
        "`systemd-analyze verify /etc/systemd/system/lux.service` names the line.",
        "203/EXEC: the path of ExecStart= or its right to execute. 200/CHDIR: WorkingDirectory=. 217/USER: User=. "
        "`Failed to load environment files`: the file of EnvironmentFile= is missing or not readable.",
        "Afterwards `systemctl daemon-reload`, `systemctl reset-failed lux`, `systemctl start lux`.",
    ),
    explains=(*_FOLLOWS, "systemd-start-limit"),
    gravity=2,
)
START_LIMIT = Rule(
    key="systemd-start-limit",
    row="8, neighbour",
    class_=CONFIGURATION,
    cause="The unit failed so often in a row that systemd gave it up; it stays down until somebody resets it.",
    find=_systemd(
        "Start request repeated too quickly", "start-limit-hit", r"Result: start-limit", types=("StartLimit",)
    ),
    trap="Starting it again without removing the cause runs into the same limit.",
    advice=(
        "Read the first failure, not the last: `journalctl -u lux --since -15min`.",
        "When the cause is gone: `systemctl reset-failed lux && systemctl start lux`.",
    ),
    explains=_FOLLOWS,
    gravity=2,
)
UNIT_TIMED_OUT = Rule(
    key="systemd-unit-timeout",
    row="8, neighbour",
    class_=TIMEOUT,
    cause="systemd waited longer for the unit to start or stop than its limit, and killed it.",
    find=_systemd(
        r"(?:start|stop|stop-sigterm|reload) operation timed out",
        r"State '(?:stop-sigterm|\S{1,20})' timed out\. Killing",
        r"State \S{1,9} timed out\. Killing",
        r"Watchdog timeout",
        r"Failed with result (?:'timeout'|\"…\") ?\(timeout\)",
    ),
    advice=("Look what LUX waited for: the database at the start, long requests at the stop (graceful_timeout).",),
    explains=_FOLLOWS,
)
UNIT_FAILED = Rule(
    key="systemd-unit-failed",
    row="1, neighbour",
    class_=CONFIGURATION,
    cause="The unit failed; systemd's own lines do not say why, LUX's or gunicorn's log does.",
    find=_systemd(
        "Failed with result",
        r"Main process exited, code=(?:exited|killed|dumped), status=[1-9]",
        r"^Active: failed",
        r"^Failed to start ",
        r"\(code=(?:exited|killed), (?:status|signal)=[1-9]",
        r"Unit entered failed state",
        r"restart counter is at (?:[3-9]|\d\d)",
        confidence=0.7,
    ),
    trap="A restart loop hides the first error.",
    repairs=(RESTART_UNIT,),
    advice=(
        "Read what stands before it: `journalctl -u lux -n 100 --no-pager` and gunicorn's log.",
        "If there is no error at boot, restart the unit once.",
    ),
    explains=("nginx-upstream-refused", "nginx-socket-missing"),
)
