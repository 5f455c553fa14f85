"""Rules for the machine below LUX: its disk, its files, its names."""

from __future__ import annotations

from diagnosis.base import CONFIGURATION, CONNECTION, RESOURCE, Find, Match, Rule, Scene, Sign, finds, words
from diagnosis.database import BROAD
from diagnosis.offers import PRUNE_FILES, VACUUM_JOURNAL

SYSTEM = (
    "OSError", "IOError", "PermissionError", "FileNotFoundError", "BlockingIOError", "ChildProcessError", "Exception",
    "ConnectError", "APIConnectionError", "URLError", "NewConnectionError", "ConnectionError", "RuntimeError", "error",
    "LuxError", "Unavailable",
)  # fmt: skip


def _machine(
    *alternatives: str, codes: tuple[str, ...] = (), types: tuple[str, ...] = (), further: tuple[str, ...] = ()
) -> Find:
    """By errno, else by the words of the system's library where they stand as a reason: after a colon or a bracket."""
    reasons = tuple(rf"(?:^|[:\]] |\(\d{{1,3}}: |, )(?:{one})(?=$|[.:)\n\"';,]| \()" for one in alternatives)
    return finds(
        Sign(
            codes=codes,
            types=types,
            words=words(*reasons) if reasons else None,
            broad=(*SYSTEM, *BROAD),
            sources=("error", "gunicorn", "systemd", "app", "postgresql", "text", *further),
            calm=("postgresql",),
        )
    )


def _full(scene: Scene) -> Match | None:
    found = _machine(
        "No space left on device",
        "Disk quota exceeded",
        "Auf dem Gerät ist kein Speicherplatz mehr verfügbar",
        "Aucun espace disponible sur le périphérique",
        "No queda espacio en el dispositivo",
        "disk full",
        "There is not enough space on the disk",
        codes=("errno 28", "errno 122", "53100"),
        types=("DiskFull", "DiskFullError"),
        further=("nginx",),
    )(scene)
    health = finds(Sign(sources=("health",), words=words("^health disk fail")))(scene)
    if found is None:
        return Match(health.signals, 0.85) if health else None
    return Match((*found.signals, *(health.signals if health else ())), found.confidence)


FULL = Rule(
    key="disk-full",
    row="24",
    class_=RESOURCE,
    cause="The disk is full, or its inodes are used up.",
    find=_full,
    trap="Never delete files of PostgreSQL (pg_wal) to make room. More logging makes it worse.",
    repairs=(PRUNE_FILES, VACUUM_JOURNAL),
    advice=(
        "`df -h` and `df -i` show which file system, and whether it is bytes or inodes; `du -xh / | sort -h | "
        "tail` what.",
        "LUX can drop its own samples and temporary files at once; then shrink the journal, old logs and old backups.",
        "When PostgreSQL stopped for it: make room first, then start it.",
    ),
    explains=(
        "database-crashed", "database-connection-lost", "database-starting", "database-down", "database-out-of-memory",
        "nginx-upstream-refused", "nginx-upstream-closed", "nginx-upstream-timeout", "nginx-socket-missing",
        "worker-timeout", "worker-killed", "worker-boot-failed", "systemd-unit-failed", "systemd-start-limit",
        "database-transaction-broken", "mail-server-storage", "spool-waiting", "nginx-port-denied", "gunicorn-control",
        "worker-absent", "clock-without-leader", "database-read-only",
    ),
    gravity=2,
)  # fmt: skip
READ_ONLY = Rule(
    key="disk-read-only",
    row="24, neighbour",
    class_=RESOURCE,
    cause="The file system is mounted read-only, most often because the kernel met errors on the disk.",
    find=_machine("Read-only file system", "Das Dateisystem ist nur lesbar", codes=("errno 30",)),
    trap="Mounting it read-write again without a check can cost data.",
    advice=(
        "`dmesg | grep -i 'remount\\|I/O error'`; back up, then check the disk.",
        "Under systemd: does ProtectSystem= or ReadWritePaths= leave out the folder?",
    ),
    explains=("database-crashed", "database-down", "database-connection-lost", "nginx-upstream-refused"),
    gravity=2,
)
BROKEN = Rule(
    key="disk-broken",
    row="24, neighbour",
    class_=RESOURCE,
    cause="The disk itself reports errors.",
    find=_machine("Input/output error", "I/O error", "Eingabe-/Ausgabefehler", codes=("errno 5",)),
    trap="Trying again wears a dying disk.",
    advice=("Make a backup to another disk now; then `smartctl -a` and the kernel's log.",),
    explains=("database-crashed", "database-down", "database-connection-lost", "disk-read-only"),
    gravity=2,
)
FILES = Rule(
    key="too-many-open-files",
    row="24, neighbour",
    class_=RESOURCE,
    cause="The process has as many files and connections open as it may: a leak, or a low limit.",
    find=_machine("Too many open files(?: in system)?", "Zu viele offene Dateien", codes=("errno 24", "errno 23")),
    trap="A higher limit only delays a leak.",
    advice=(
        "`ls /proc/PID/fd | wc -l` twice, a minute apart: growing means a leak. LimitNOFILE= in the unit sets "
        "the limit.",
    ),
)
DENIED = Rule(
    key="permission-denied",
    row="2, neighbour",
    class_=CONFIGURATION,
    cause="The user that LUX runs as may not open a file, a folder or a socket.",
    find=_machine(
        "Permission denied",
        "Operation not permitted",
        "Keine Berechtigung",
        codes=("errno 13", "errno 1"),
        types=("PermissionError",),
    ),
    trap="chmod 777, or running as root, opens more than it mends.",
    advice=(
        "`namei -l PATH` shows which folder on the way stops it; give it to the unit's user.",
        "Files made by a command run as root belong to root: `chown -R lux: …`. Under systemd look at ProtectSystem=.",
    ),
)
NAMES = Rule(
    key="name-resolution",
    row="30, neighbour",
    class_=CONNECTION,
    cause="A host name cannot be resolved: the resolver is out of order, or the name is wrong.",
    find=finds(
        Sign(
            types=("gaierror", "NameResolutionError"),
            codes=("errno -2", "errno -3", "errno -5"),
            words=words(
                "Temporary failure in name resolution",
                "Name or service not known",
                "nodename nor servname provided",
                "No address associated with hostname",
                "Name does not resolve",
                r"Temporärer Fehler bei der Namensauflösung",
                r"Der Name oder der Dienst ist nicht bekannt",
            ),
            broad=SYSTEM,
            sources=("error", "gunicorn", "systemd", "app", "text"),
        )
    ),
    trap="`Temporary failure` is the resolver's trouble, `not known` a wrong name.",
    advice=(
        "`getent hosts NAME` and /etc/resolv.conf on this machine; check the address in the settings for typing "
        "errors.",
    ),
    explains=("connection-failed",),
)
CONNECTION_FAILED = Rule(
    key="connection-failed",
    row="30, neighbour",
    class_=CONNECTION,
    cause="LUX could not reach another service, or it did not answer in time; the stack says which.",
    find=finds(
        Sign(
            types=(
                "ConnectError",
                "ConnectTimeout",
                "ReadTimeout",
                "ConnectionRefusedError",
                "TimeoutError",
                "timeout",
                "MaxRetryError",
                "NewConnectionError",
                "RemoteDisconnected",
                "RemoteProtocolError",
                "ReadError",
            ),
            words=words(r"Max retries exceeded with url", r"urlopen error"),
            broad=("ConnectionError", "URLError"),
        ),
        confidence=0.6,
    ),
    trap="A longer time limit keeps a worker busy for longer.",
    advice=("Look in the stack which service it is; then `curl -sS -m 10` to it from this machine.",),
    gravity=0,
)
