"""Rules for what nginx says: it cannot reach gunicorn, waits too long for it, or refuses a request itself."""

from __future__ import annotations

import re

from diagnosis.base import CONFIGURATION, CONNECTION, RESOURCE, TIMEOUT, Find, Match, Rule, Scene, Sign, finds, words
from diagnosis.offers import RESTART_UNIT

_STAGE = re.compile(r"while (connecting to upstream|sending request to upstream|reading (?:response header|upstream))")


def _nginx(*alternatives: str) -> Find:
    """By how nginx begins its message: the one part that no stranger writes."""
    return finds(Sign(sources=("nginx", "text"), words=words(*(f"^{one}" for one in alternatives))))


def _answered(status: str) -> Sign:
    """An answer in the access log: it says that something is wrong, not what."""
    return Sign(sources=("nginx", "text", "app"), words=words(rf"^answered {status}\b"))


def _refused(scene: Scene) -> Match | None:
    sure = _nginx(r"connect\(\) (?:to \S+ )?failed \(111:", "no live upstreams while connecting to upstream")(scene)
    if sure is not None:
        return sure
    hint = finds(_answered("50[23]"), _problem_words("502 Bad Gateway", "503 Service (?:Temporarily )?Unavailable"))
    found = hint(scene)
    return Match(found.signals, 0.6) if found else None


def _problem_words(*alternatives: str) -> Sign:
    """What a person copies from the browser."""
    return Sign(
        sources=("text",),
        words=words(*(rf"(?:^|>)\W{{0,3}}(?:HTTP/\S+ )?{one}" for one in alternatives)),
        calm=("text",),
    )


def _timed_out(scene: Scene) -> Match | None:
    sure = _nginx(r"upstream timed out \(110:")(scene)
    if sure is None:
        found = finds(_answered("504"), _problem_words("504 Gateway Time-?out"))(scene)
        return Match(found.signals, 0.6) if found else None
    stages = {match.group(1) for signal in sure.signals if (match := _STAGE.search(signal.said))}
    if stages and all(stage.startswith("connecting") for stage in stages):
        cause = (
            "nginx could not even connect to gunicorn in time: all its workers are busy, or the host is not reachable."
        )
        return Match(sure.signals, sure.confidence, cause=cause)
    return sure


REFUSED = Rule(
    key="nginx-upstream-refused",
    row="1",
    class_=CONNECTION,
    cause="gunicorn does not listen where nginx looks for it, so visitors get 502.",
    find=_refused,
    trap="nginx is not the one at fault: restarting it changes nothing. Look at systemd and at gunicorn's log first.",
    repairs=(RESTART_UNIT,),
    advice=(
        "Look at `systemctl status lux` and the last lines of gunicorn's log: did it stop, or did it fail to boot?",
        "If the unit failed without an error at boot, restart it once; if it fails again, roll the last deploy back.",
        "Compare the address in nginx's `upstream` with gunicorn's `Listening at`.",
    ),
    gravity=1,
)
SOCKET_MISSING = Rule(
    key="nginx-socket-missing",
    row="2",
    class_=CONNECTION,
    cause="The socket that nginx asks is not there: the unit is down, or its runtime directory is gone.",
    find=_nginx(r"connect\(\) (?:to \S+ )?failed \(2:"),
    trap="Making the directory by hand lasts until the next restart: RuntimeDirectory= in the unit makes it.",
    repairs=(RESTART_UNIT,),
    advice=(
        "Look at `systemctl status lux.socket lux`; start the unit.",
        "Check RuntimeDirectory= in the unit, and that nginx and gunicorn name the same path.",
    ),
)
SOCKET_DENIED = Rule(
    key="nginx-socket-denied",
    row="2, neighbour",
    class_=CONFIGURATION,
    cause="nginx may not open gunicorn's socket: its user lacks the right to the socket or to a folder above it.",
    find=_nginx(r"connect\(\) (?:to \S+ )?failed \((?:13|1):"),
    trap="chmod 777 opens the socket to every program on the machine.",
    advice=(
        "Give nginx's user the socket's group (SocketGroup= and SocketMode=0660 in lux.socket).",
        "Check that every folder above the socket may be entered; with SELinux look at `ausearch -m avc`.",
    ),
    explains=("permission-denied",),
)
UNREACHABLE = Rule(
    key="nginx-upstream-unreachable",
    row="1, neighbour",
    class_=CONNECTION,
    cause="nginx cannot reach the machine or address where gunicorn should be.",
    find=_nginx(
        r"connect\(\) (?:to \S+ )?failed \((?:101|110|113|99):",
        r"\S{1,200} could not be resolved",
        r"host not found in upstream",
    ),
    advice=("Check the name or address in nginx's `upstream` or `proxy_pass`, and the route to it.",),
)
BACKLOG_FULL = Rule(
    key="nginx-upstream-backlog",
    row="4, neighbour",
    class_=RESOURCE,
    cause="gunicorn's queue of waiting connections is full: every worker is busy.",
    find=_nginx(r"connect\(\) (?:to \S+ )?failed \(11:"),
    trap="A longer queue only makes visitors wait longer.",
    advice=("Find what keeps the workers busy: the slowest route, database locks, the model's latency.",),
)
TIMED_OUT = Rule(
    key="nginx-upstream-timeout",
    row="4",
    class_=TIMEOUT,
    cause="A request took gunicorn longer than nginx waits (504): a slow handler, not a slow nginx.",
    find=_timed_out,
    trap="Raising proxy_read_timeout hides the slow handler and fills the workers.",
    advice=(
        "Look for the slowest route in the logs, for locks in the database, and at the model's latency.",
        "Move what takes longer than a second into a task of the queue.",
    ),
    gravity=0,
)
CLOSED = Rule(
    key="nginx-upstream-closed",
    row="5",
    class_=CONNECTION,
    cause="A gunicorn worker went away in the middle of a request.",
    find=_nginx(
        r"upstream prematurely closed connection",
        r"(?:recv|readv)\(\) failed \(104: [^)]{1,60}\) while reading (?:response header from )?upstream",
        r"(?:send|writev)\(\) failed \((?:32|104): [^)]{1,60}\) while sending (?:request )?to upstream",
        r"upstream sent no valid HTTP",
    ),
    trap="It is the consequence; gunicorn's log of the same second has the cause: WORKER TIMEOUT, SIGKILL, a crash.",
    advice=("Read gunicorn's log of the same second: a timeout, a kill for memory, or a crash of the worker.",),
    gravity=0,
)
BODY_TOO_LARGE = Rule(
    key="request-too-large",
    row="11",
    class_=CONFIGURATION,
    cause="A request was larger than nginx lets through (413), below the limit of LUX itself.",
    find=finds(
        Sign(sources=("nginx", "text"), words=words("^client intended to send too large (?:chunked )?body")),
        Sign(sources=("nginx",), words=words(r"^answered 413\b"), calm=("nginx",)),
        Sign(types=("RequestEntityTooLarge",)),
        Sign(sources=("text",), words=words(r"^\W{0,3}(?:<\w+>)?413 Request Entity Too Large"), calm=("text",)),
    ),
    trap="0 (no limit) lets anybody fill the disk.",
    advice=(
        "Set `client_max_body_size 20m;` in LUX's server block (LUX itself takes 20 MiB), then `nginx -t` and reload.",
    ),
    gravity=0,
)
HEADER_TOO_LARGE = Rule(
    key="nginx-header-too-large",
    row="11, neighbour",
    class_=CONFIGURATION,
    cause="An answer's or a request's header is larger than nginx's buffer.",
    find=_nginx("upstream sent too big header", "client sent too (?:long header line|long URI|large request)"),
    advice=("Raise proxy_buffer_size (answers) or large_client_header_buffers (requests); look for swollen cookies.",),
    gravity=0,
)
OVERLOADED = Rule(
    key="nginx-out-of-connections",
    row="4, neighbour",
    class_=RESOURCE,
    cause="nginx has no connections or file descriptors left.",
    find=_nginx(
        r"(?:\S{1,20} )?worker_connections are not enough",
        r"accept4?\(\) failed \((?:24|23):",
        r"socket\(\) failed \((?:24|23):",
        r"open\(\) \S{1,9} failed \((?:24|23):",
    ),
    advice=("Raise worker_connections and worker_rlimit_nofile; look who opens so many connections.",),
    explains=("too-many-open-files",),
)
ADDRESS_TAKEN = Rule(
    key="nginx-port-taken",
    row="9, neighbour",
    class_=CONFIGURATION,
    cause="Another program holds nginx's port.",
    find=_nginx(r"bind\(\) to \S{1,80} failed \((?:98|48):", "still could not bind"),
    advice=("`ss -ltnp` names the program; stop it or give nginx another port.",),
    explains=("port-in-use",),
)
BIND_DENIED = Rule(
    key="nginx-port-denied",
    row="9, neighbour",
    class_=CONFIGURATION,
    cause="nginx may not take its port, or may not open a file of its own.",
    find=_nginx(
        r"bind\(\) to \S{1,80} failed \((?:13|99):",
        r"open\(\) \S{1,9} failed \(13:",
        r"(?:pwrite|mkdir|open)\(\) \S{1,9} failed \(13:",
    ),
    advice=("Ports below 1024 need root or CAP_NET_BIND_SERVICE; give nginx's user the folders that it writes to.",),
    explains=("permission-denied",),
)
CONFIGURATION_BROKEN = Rule(
    key="nginx-configuration",
    row="11, neighbour",
    class_=CONFIGURATION,
    cause="nginx does not accept its configuration, so it keeps the old one or does not start.",
    find=_nginx(
        "unknown directive",
        "conflicting server name",
        "configuration test failed",
        r"(?:\S{1,40} )?directive is (?:not allowed|duplicate)",
        "invalid (?:parameter|number of arguments|value|port|host)",
        "unexpected (?:end of file|\\S{1,9})",
        "duplicate (?:location|listen|upstream)",
        r"\S{1,9} directive (?:is|invalid)",
    ),
    advice=("`nginx -t` names file and line; correct it, then `systemctl reload nginx`.",),
)
