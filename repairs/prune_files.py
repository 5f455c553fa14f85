"""Frees disk space that LUX itself takes, and takes less: old logs, leftovers, samples; never undrained data."""

from __future__ import annotations

import contextlib
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from error_groups import SAMPLES_STOPPED, clear_resolved
from extensions import db
from probes.base import TestResult
from probes.dependencies import write_sample
from receipts.switches import delete_switch, find_switch, turn_switch
from repairs.base import Outcome, Repair, Situation, checked

MOST_FILES = 2000
REST = timedelta(hours=1)


@dataclass(frozen=True)
class Prunable:
    """Files below LUX_DATA_DIR that nobody misses once they are so old. A spool's own lines match none of these."""

    pattern: str
    older_than: timedelta
    what: str


PRUNABLE: list[Prunable] = [
    Prunable("logs/*.log.[0-9]*", timedelta(0), "rotated log"),
    Prunable("*.log.1", timedelta(0), "rotated log"),
    Prunable("postgres/server.log.1", timedelta(0), "rotated log of the database"),
    Prunable("spool/*.done.new", timedelta(hours=1), "leftover of a drained spool"),
    Prunable("tmp/*", timedelta(hours=1), "temporary file"),
    Prunable("**/*.tmp", timedelta(hours=1), "temporary file"),
    Prunable("backups/*.dump", timedelta(days=30), "old backup before a migration"),
]
# Whatever a pattern says: these hold what is nowhere else.
NEVER = (".jsonl", ".torn", ".eml")


class PruneFiles(Repair):
    """Tier A: LUX's own files alone, each of a kind that is named here, and samples of what is resolved."""

    id = "prune_files"
    title = "Prune LUX's own files"
    tier = "A"
    changes = (
        "Deletes rotated logs, leftovers and temporary files of LUX below LUX_DATA_DIR and the samples of errors that "
        "are resolved; for an hour no new sample is kept. Counts go on, undrained data stays."
    )
    undo_words = "by one click samples are kept again; the files are gone, the receipt names each"
    cooldown = timedelta(hours=1)
    daily_limit = 6
    dependencies = ("disk",)
    works_without_database = True

    def find_obstacle(self, situation: Situation) -> str | None:
        if not list_prunable(situation.settings.lux_data_dir) and _is_stopped():
            return "LUX has no file here that could go, and keeps no samples already."
        return None

    def dry_run(self, situation: Situation) -> str:
        folder = situation.settings.lux_data_dir
        rows = [
            f"delete {path.relative_to(folder)} ({size:,} bytes, {what})" for path, size, what in list_prunable(folder)
        ]
        rows.append("delete the samples of error groups that are resolved; groups, counts and receipts stay")
        rows.append(f"keep no samples of errors for {REST.seconds // 60} minutes from the moment this runs")
        return "\n".join(rows)

    def run(self, situation: Situation) -> Outcome:
        folder = situation.settings.lux_data_dir
        gone, freed = [], 0
        found = list_prunable(folder)
        for path, size, _ in found:
            with contextlib.suppress(OSError):
                path.unlink()
                gone.append(str(path.relative_to(folder)))
                freed += size
        samples = _stop_samples(situation.rule)
        words = f"{len(gone)} files with {freed:,} bytes were deleted"
        words += "." if samples is None else f", {samples} samples too; for an hour none is kept."
        after = {"deleted": gone[:200], "bytes": freed, "samples": samples}
        return Outcome(words, {"files": len(found)}, after, None if samples is None else {})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        seen = write_sample()
        return checked(
            "configuration", "write 64 KiB to LUX_DATA_DIR", "the disk takes it", seen.text, passed=seen.passed
        )

    def undo(self, situation: Situation, undo: Mapping[str, Any]) -> str:
        delete_switch(SAMPLES_STOPPED)
        return "Samples of errors are kept again."


def _is_stopped() -> bool:
    """Whether samples are stopped; while the database is away nothing is kept there anyway."""
    try:
        switch = find_switch(SAMPLES_STOPPED)
    except SQLAlchemyError:
        db.session.rollback()
        return True
    return switch is not None and switch.is_on and (switch.value or "") > datetime.now(UTC).isoformat()


def _stop_samples(rule: str) -> int | None:
    """Clears samples of what is resolved and keeps none for a while; how many went. None while the database is away."""
    until = (datetime.now(UTC) + REST).isoformat()
    try:
        turn_switch(SAMPLES_STOPPED, is_on=True, by=PruneFiles.id, reason=rule, value=until)
        return clear_resolved(0)
    except SQLAlchemyError:
        db.session.rollback()
        return None


def list_prunable(folder: Path) -> list[tuple[Path, int, str]]:
    """Files that may go: regular, of a kind that PRUNABLE names, old enough, and inside of the folder itself."""
    found: dict[Path, tuple[Path, int, str]] = {}
    now, root = time.time(), folder.resolve()
    for kind in PRUNABLE:
        for path in sorted(folder.glob(kind.pattern)):
            with contextlib.suppress(OSError):
                facts = path.lstat()
                is_ours = stat.S_ISREG(facts.st_mode) and path.parent.resolve().is_relative_to(root)
                is_old = now - facts.st_mtime >= kind.older_than.total_seconds()
                is_inside_cluster = path.parent != folder / "postgres" and folder / "postgres" in path.parents
                if is_ours and is_old and not is_inside_cluster and not path.name.endswith(NEVER):
                    found.setdefault(path, (path, facts.st_size, kind.what))
    return list(found.values())[:MOST_FILES]


REPAIR = PruneFiles()
