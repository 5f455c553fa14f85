"""Rules for the clock and the queue: jobs that run in every worker, no leader, claims that nobody works on."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import timedelta

from diagnosis.base import CODE, CONFIGURATION, RESOURCE, Match, Rule, Scene, Sign, Signal, finds, words
from diagnosis.offers import (
    DRAIN_SPOOLS,
    PAUSE_CHANNEL,
    REELECT_CLOCK,
    RELEASE_CLAIMS,
    REPLAY_INTAKE,
    RESTART_UNIT,
    RETRY_JOB,
)

# Two processes that do the same within this do it because of the same clock's tick.
SAME_TICK = timedelta(seconds=1.5)
_LOGGER = re.compile(r"apscheduler|schedul|clock|cron|jobs?$|procrastinate", re.IGNORECASE)
_JOB = re.compile(
    r"\b(?:running|ran|run|started|starting|executed|executing|begins?|done|finished) (?:the "
    r")?(?:job|task)\b|\bjob\b.{0,120}"
    r"\b(?:ran|runs?|started|executed|done|finished|begins|due)\b|The clock runs in process|Scheduler started",
    re.IGNORECASE,
)
_MAIL = re.compile(
    r"\b(?:sent|sending|delivered|mailed)\b.{0,160}(?:\b(?:mail|e-mail|message|campaign|digest|newsletter|"
    r"reminder)\b|@|<)"
    r"|\b(?:mail|message|campaign|digest|reminder)\b.{0,160}\b(?:sent|delivered)\b|status=sent",
    re.IGNORECASE,
)
# What differs between two records of the same deed: who did it, how long it took, the mail server's own number.
_VARIES = re.compile(
    r"\(?\bpid[ =:]{0,2}\d+\)?|\bworker[ -]?\d+\b|\bprocess \S+|\bin [\d.]+ "
    r"?m?s\b|\bdelays?=[\d./]+|\b[0-9A-F]{8,14}: |queued as \S+"
    r"|<[0-9A-Fa-f.-]{12,}@",
)


def _is_deed(signal: Signal) -> bool:
    """Whether it tells of a job that ran or a mail that was sent."""
    if signal.level not in ("info", "notice", "debug") or signal.source not in ("app", "gunicorn", "systemd", "text"):
        return False
    logger = signal.fields.get("logger", "") or signal.fields.get("program", "")
    return (
        _JOB.search(signal.said) is not None
        or _MAIL.search(signal.said) is not None
        or (_LOGGER.search(logger) is not None and "job" in signal.said.lower())
    )


def _in_every_worker(scene: Scene) -> Match | None:
    """The same deed by several processes in one tick, or three times in one second where the log names no process."""
    deeds: dict[str, list[Signal]] = defaultdict(list)
    for signal in scene.signals:
        if _is_deed(signal):
            deeds[_VARIES.sub("", signal.fields.get("deed") or signal.said).strip()].append(signal)
    hits: list[Signal] = []
    for group in deeds.values():
        for number, first in enumerate(group):
            near = [s for s in group[number:] if _same_tick(first, s)]
            pids = {s.pid for s in near if s.pid is not None}
            is_doubled = len(pids) >= 2 if pids else len(near) >= 3
            if is_doubled:
                hits += [s for s in near if s not in hits]
                break
    if not hits:
        return None
    return Match(tuple(hits), 0.93 if len({s.pid for s in hits if s.pid is not None}) >= 2 else 0.8)


def _same_tick(first: Signal, other: Signal) -> bool:
    if first.at is None or other.at is None:
        return first.at is other.at
    return abs(other.at - first.at) <= SAME_TICK


IN_EVERY_WORKER = Rule(
    key="clock-in-every-worker",
    row="40",
    class_=CONFIGURATION,
    cause="The clock runs in every worker: each job is done several times in the same second, each mail sent "
    "several times.",
    find=_in_every_worker,
    trap="A single worker makes it go away and loses the other half of the machine: one leader is what is missing.",
    repairs=(REELECT_CLOCK, PAUSE_CHANNEL),
    advice=(
        "Hold the queue first, so that nobody gets more of the same mail.",
        "Let one process lead (an advisory lock) and stop the other clocks; fence each run by (job, slot).",
        "Then look who got what twice before anything is sent again.",
    ),
    gravity=2,
)
WITHOUT_LEADER = Rule(
    key="clock-without-leader",
    row="40, neighbour",
    class_=RESOURCE,
    cause="No process leads the clock: due campaigns, checks and repairs stand still.",
    find=finds(
        Sign(sources=("health",), words=words(r"^health clock \w+: No process leads")),
        Sign(
            sources=("app", "error", "systemd", "gunicorn", "text"),
            words=words(r"^The clock (?:lost its connection to the database|cannot see its lock)"),
            broad=("log.lux.clock", "log.lux.scheduler"),
        ),
    ),
    trap="Starting a second scheduler by hand makes two.",
    repairs=(REELECT_CLOCK,),
    advice=(
        "It is taken over within 15 s while a web process is up. If not: who holds the lock? `SELECT * FROM "
        "pg_locks WHERE locktype = 'advisory'`.",
    ),
)
JOB_FAILED = Rule(
    key="job-failed",
    row="40, neighbour",
    class_=CODE,
    cause="A job of the clock ended with an error; its error group says which.",
    find=finds(Sign(sources=("health",), words=words(r"^health jobs \w+: Last run failed"))),
    repairs=(RETRY_JOB,),
    advice=("Look at the job's error group; a job that is marked idempotent may be tried again.",),
    gravity=0,
)
CLAIMS_STUCK = Rule(
    key="claims-stuck",
    row="40, neighbour",
    class_=RESOURCE,
    cause="Tasks or messages were claimed by a worker that is gone; nobody works on them.",
    find=finds(
        Sign(
            sources=("health",),
            words=words(r"^health queue (?:warn|fail): \d+ tasks? waits?, the oldest for (?:[3-9]\d\d|\d{4,}) s"),
        ),
        Sign(
            sources=("app", "error", "systemd", "gunicorn", "text"),
            words=words(
                r"^The task \S+ \(job \S+\) (?:lost its worker|took its worker down)",
                r"stalled jobs?\b",
                "claimed by a worker that is gone",
            ),
            broad=("log.lux.worker",),
        ),
    ),
    trap="Starting them by hand while a worker still has them does the work twice.",
    repairs=(RELEASE_CLAIMS,),
    advice=(
        "Release the claims; what was half done is fenced, so nothing is sent twice.",
        "Then look why the worker went: memory, or a kill.",
    ),
    gravity=0,
)
WORKER_ABSENT = Rule(
    key="worker-absent",
    row="40, neighbour",
    class_=RESOURCE,
    cause="No worker of the queue is alive: nothing is sent, imported or written by agents.",
    find=finds(Sign(sources=("health",), words=words("^health worker fail"))),
    repairs=(RESTART_UNIT,),
    advice=("`systemctl status lux-worker`: start it. The queue keeps everything until then.",),
    explains=("claims-stuck",),
)
SPOOL_WAITING = Rule(
    key="spool-waiting",
    row="17, neighbour",
    class_=RESOURCE,
    cause="What arrived while the database was away waits in the spools.",
    find=finds(
        Sign(sources=("health",), words=words("^health spool (?:warn|fail)")),
        Sign(
            sources=("app", "gunicorn", "systemd", "text"),
            words=words("^(?:LUX )?errors wait in the spool", "^the spool (?:could not be drained|cannot be written)"),
        ),
    ),
    trap="Deleting the spool loses people's sign-ups.",
    repairs=(DRAIN_SPOOLS,),
    advice=("It drains by itself once the database answers; look why that was away.",),
    gravity=0,
)
INBOX_DEAD = Rule(
    key="intake-dead",
    row="38, neighbour",
    class_=CODE,
    cause="Webhook bodies could not be read, and lie dead in the inbox.",
    find=finds(
        Sign(
            sources=("health",), words=words(r"^health inbox (?:warn|fail): \d+ unfinished, [1-9]\d* could not be read")
        ),
        Sign(sources=("health",), words=words(r"^health inbox (?:warn|fail): [1-9]\d* unfinished")),
    ),
    repairs=(REPLAY_INTAKE,),
    advice=("Open the Webhook inbox: each body says why. After a correction of the mapping they can be replayed.",),
    gravity=0,
)
