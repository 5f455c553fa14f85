"""Rules for gunicorn and its workers: timeouts, kills, real want of memory, a boot that fails, a port that is taken."""

from __future__ import annotations

import re
from datetime import timedelta

from diagnosis.base import CODE, CONFIGURATION, RESOURCE, TIMEOUT, Find, Match, Rule, Scene, Sign, Signal, finds, words
from diagnosis.offers import RELOAD_GUNICORN, STOP_STALE_PROCESS

# gunicorn kills a worker that timed out within this; the kill is part of the timeout then.
KILL_FOLLOWS = timedelta(seconds=15)
# The kernel's line and gunicorn's notice of the same kill lie this close together.
KERNEL_NEAR = timedelta(minutes=2)
_TIMEOUT = re.compile(r"WORKER TIMEOUT \(pid: ?\d|^WORKER TIMEOUT")
_KILLED = re.compile(
    r"^Worker \(pid: ?\d+\) was sent SIG(?:KILL|ABRT|TERM)|was sent SIGKILL!|was terminated due to signal 9"
)
_KERNEL = re.compile(
    r"Out of memory: Kill(?:ed)? process|oom-kill(?::|ed\b)|killed by the OOM killer|invoked oom-killer|Result: "
    r"oom-kill"
    r"|result 'oom-kill'|Memory cgroup out of memory"
)
_NO_MEMORY = re.compile(r"(?:^|: )Cannot allocate memory$")
_MODEL_FRAMES = re.compile(r"/(?:openai|ai\.py|chatbot\.py)(?:/|:|$)|/openai/")
_DATABASE_FRAMES = re.compile(r"/(?:psycopg\w*|sqlalchemy)/")
_MAIL_FRAMES = re.compile(r"/(?:smtplib\.py|channels)/?")


# Code that cannot even be read in. psycopg has a SyntaxError too, of SQL.
_NOT_LOADED = ("ModuleNotFoundError", "ImportError", "SyntaxError", "IndentationError", "TabError")


def is_abort(signal: Signal) -> bool:
    """Whether it is the stack of a worker that gunicorn stopped because it took too long."""
    if signal.error_type == "gunicorn.WorkerTimeout":
        return bool(signal.frames)
    return signal.name == "SystemExit" and any("handle_abort" in frame for frame in signal.frames)


def stuck_in(signal: Signal) -> str:
    """What a worker was waiting for when it was stopped: model, database, mail or nothing known."""
    for kind, pattern in (("model", _MODEL_FRAMES), ("mail", _MAIL_FRAMES), ("database", _DATABASE_FRAMES)):
        if any(pattern.search(frame.partition("\t")[0]) for frame in signal.frames):
            return kind
    return ""


def list_timeouts(scene: Scene) -> list[Signal]:
    """The signs that a worker timed out, with the kills that belong to them."""
    named = [s for s in scene.signals if _is_gunicorns(s) and _TIMEOUT.search(s.said)]
    aborted = [s for s in scene.signals if is_abort(s) or s.error_type == "gunicorn.WorkerTimeout"]
    kills = [s for s in _kills(scene) if any(_same_worker(s, one) for one in named)]
    return [*named, *aborted, *kills]


def list_kernel_kills(scene: Scene) -> list[Signal]:
    """The kernel's and systemd's own lines about want of memory; no other program is believed."""
    return [s for s in scene.signals if s.source in ("systemd", "text") and _KERNEL.search(s.said) and _is_kernels(s)]


def _is_kernels(signal: Signal) -> bool:
    program = signal.fields.get("program", "")
    if signal.error_type:
        return False
    return signal.source == "text" or program in ("kernel", "systemd", "systemctl") or program.startswith("systemd")


def _is_gunicorns(signal: Signal) -> bool:
    return (signal.source in ("gunicorn", "systemd", "text", "app", "error") and not signal.error_type) or (
        signal.error_type.startswith("log.gunicorn") or signal.error_type.startswith("gunicorn")
    )


def _kills(scene: Scene) -> list[Signal]:
    return [s for s in scene.signals if _is_gunicorns(s) and _KILLED.search(s.said)]


def _same_worker(kill: Signal, timeout: Signal) -> bool:
    killed, stopped = kill.fields.get("worker_pid"), timeout.fields.get("worker_pid")
    if killed is not None and stopped is not None and killed != stopped:
        return False
    if kill.at is None or timeout.at is None:
        return True
    return timedelta(0) <= kill.at - timeout.at <= KILL_FOLLOWS


def _timed_out(scene: Scene) -> Match | None:
    found = list_timeouts(scene)
    if not found:
        return None
    places = {stuck_in(s) for s in found if s.frames} - {""}
    if "database" in places:
        return Match(
            tuple(found),
            0.9,
            cause="A request waited for the database longer than gunicorn allows, so its worker was stopped.",
            advice=("Look for locks and slow queries: `SELECT * FROM pg_stat_activity WHERE state <> 'idle'`.",),
        )
    if "mail" in places:
        return Match(
            tuple(found),
            0.9,
            cause="A request waited for the mail server longer than gunicorn allows, so its worker was stopped.",
            advice=("Mail belongs into the queue, not into a request; look at the mail server's answers.",),
        )
    return Match(tuple(found), 0.92)


def _out_of_memory(scene: Scene) -> Match | None:
    kernel = list_kernel_kills(scene)
    kernel += [s for s in scene.signals if s.error_type in ("gunicorn.OutOfMemory", "systemd.OutOfMemory")]
    broken = [s for s in scene.signals if s.name == "MemoryError" or "errno 12" in s.codes or _is_refused_memory(s)]
    if kernel:
        near = [s for s in _kills(scene) if any(_is_near(s, one) for one in kernel)]
        return Match((*kernel, *near), 0.97)
    return Match(tuple(broken), 0.9) if broken else None


def _is_refused_memory(signal: Signal) -> bool:
    return not signal.error_type and signal.source != "nginx" and _NO_MEMORY.search(signal.said) is not None


def _is_near(signal: Signal, other: Signal) -> bool:
    return signal.at is None or other.at is None or abs(signal.at - other.at) <= KERNEL_NEAR


def _killed(scene: Scene) -> Match | None:
    timeouts = [s for s in scene.signals if _is_gunicorns(s) and _TIMEOUT.search(s.said)]
    kills = [s for s in _kills(scene) if not any(_same_worker(s, one) for one in timeouts)]
    kills += [s for s in scene.signals if s.error_type == "gunicorn.WorkerKilled"]
    return Match(tuple(kills), 0.65) if kills and not list_kernel_kills(scene) else None


def _gunicorn(*alternatives: str) -> Find:
    return finds(
        Sign(
            sources=("gunicorn", "systemd", "text", "error", "app"),
            words=words(*alternatives),
            broad=("HaltServer", "log.gunicorn.error", "error"),
        )
    )


def _boot_failed(scene: Scene) -> Match | None:
    spoken = _gunicorn(
        r"^(?:Reason: )?Worker failed to boot",
        r"exited with code [34]\b",
        r"^(?:Reason: )?App failed to load",
        r"Failed to find (?:attribute|application)",
        r"HaltServer",
    )(scene)
    raised = [s for s in scene.signals if s.error_type in _NOT_LOADED or s.name in ("AppImportError", "BootFailed")]
    if spoken is not None:
        return Match((*raised, *spoken.signals), 0.95)
    if not raised:
        return None
    return Match(tuple(raised), 0.88)


WORKER_TIMEOUT = Rule(
    key="worker-timeout",
    row="6",
    class_=TIMEOUT,
    cause="A worker took longer than gunicorn's timeout and was stopped in the middle of a request; it is no "
    "want of memory.",
    find=_timed_out,
    trap="`Perhaps out of memory?` is gunicorn's guess. Same worker, seconds after WORKER TIMEOUT, no line of "
    "the kernel: "
    "more memory changes nothing, and a longer timeout only hides the slow part.",
    advice=(
        "Read the stack under `Error handling request`: its last line of LUX's own is where it hung.",
        "Give the call a time limit of its own below gunicorn's, or move it into the queue.",
    ),
    explains=(
        "connection-failed",
        "nginx-upstream-closed",
        "nginx-upstream-timeout",
        "nginx-upstream-refused",
        "nginx-upstream-backlog",
    ),
)
OUT_OF_MEMORY = Rule(
    key="worker-out-of-memory",
    row="6, neighbour",
    class_=RESOURCE,
    cause="The machine or the unit ran out of memory, and the kernel killed a process.",
    find=_out_of_memory,
    trap="Restarting brings it back for a while: find what grew.",
    repairs=(RELOAD_GUNICORN,),
    advice=(
        "Fewer WEB_WORKERS or a larger machine; compare MemoryMax= of the unit with what the workers need.",
        "Look which process the kernel names, and what was running then: an import, an export.",
    ),
    explains=(
        "worker-killed", "worker-timeout", "nginx-upstream-closed", "nginx-upstream-refused", "systemd-unit-failed",
        "database-connection-lost", "database-crashed", "database-down", "worker-crashed", "nginx-socket-missing",
    ),
    gravity=2,
)  # fmt: skip
WORKER_KILLED = Rule(
    key="worker-killed",
    row="6, neighbour",
    class_=RESOURCE,
    cause="A worker was killed (SIGKILL) without a timeout before it: by hand, by a script, or by the kernel "
    "for memory.",
    find=_killed,
    trap="gunicorn only guesses at memory; the kernel's log knows.",
    advice=(
        "`journalctl -k --since -1h | grep -i oom`: a line there means memory, none means that somebody killed it.",
    ),
    explains=("nginx-upstream-closed",),
)
WORKER_CRASHED = Rule(
    key="worker-crashed",
    row="6, neighbour",
    class_=CODE,
    cause="A worker crashed inside of compiled code (SIGSEGV, SIGABRT, SIGBUS, SIGILL).",
    find=_gunicorn(r"was sent SIG(?:SEGV|BUS|ILL|FPE|ABRT)!", r"segfault at [0-9a-f]{1,16}", r"code=dumped"),
    trap="It is no fault of Python code: look at what was upgraded.",
    advice=("Look for packages with compiled parts that changed in the last deploy; run with PYTHONFAULTHANDLER=1.",),
    explains=("nginx-upstream-closed",),
)
BOOT_FAILED = Rule(
    key="worker-boot-failed",
    row="8",
    class_=CONFIGURATION,
    cause="LUX does not start: a deploy left something out (a module that is missing, code that cannot be loaded).",
    find=_boot_failed,
    trap="Restarting runs into the same error until systemd gives up.",
    advice=(
        "Roll back to the release before.",
        "Then look at the last lines of the traceback: install what is missing from requirements.lock into the "
        "unit's own "
        "environment, and deploy again.",
    ),
    explains=(
        "nginx-upstream-refused", "nginx-socket-missing", "systemd-start-limit", "systemd-unit-failed",
        "nginx-upstream-closed",
    ),
    gravity=2,
)  # fmt: skip
PORT_TAKEN = Rule(
    key="port-in-use",
    row="9",
    class_=CONFIGURATION,
    cause="Another process holds gunicorn's port, most often an old master of LUX that did not end.",
    find=finds(
        Sign(codes=("errno 98", "errno 48", "errno 10048"), sources=("gunicorn", "systemd", "text", "app", "error")),
        Sign(
            sources=("gunicorn", "systemd", "text", "app", "error"),
            words=words(r"^Connection in use: ", "Address already in use", "Can't connect to \\("),
            broad=("OSError", "error"),
        ),
    ),
    trap="Killing by name ends other people's processes too.",
    repairs=(STOP_STALE_PROCESS,),
    advice=(
        "`ss -ltnp 'sport = :5000'` names the process; stop it when it belongs to LUX's own unit.",
        "Start LUX in one way only: by systemd or by hand, not both.",
    ),
    explains=("nginx-upstream-refused", "systemd-start-limit", "systemd-unit-failed"),
)
FILES_DENIED = Rule(
    key="gunicorn-control",
    row="9, neighbour",
    class_=CONFIGURATION,
    cause="gunicorn cannot write a file that it needs: its pid file, its log or its socket.",
    find=_gunicorn(r"pidfile .{1,80} (?:is stale|not writable)|isn't writable|Already running on PID"),
    advice=("Give the unit's user the folder of the pid file, the log and the socket, or leave them to systemd.",),
    explains=("systemd-unit-failed", "systemd-start-limit", "nginx-upstream-refused", "nginx-socket-missing"),
)
