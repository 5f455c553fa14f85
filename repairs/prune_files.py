"""Frees disk space that LUX itself takes: rotated logs of its own and leftovers of writing, never undrained data."""

from __future__ import annotations

import contextlib
import stat
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from probes.base import TestResult
from probes.dependencies import write_sample
from repairs.base import FINAL, Outcome, Repair, RepairFailed, Situation, checked

MOST_FILES = 2000


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
    """Tier A: LUX's own files alone, each of a kind that is named here."""

    id = "prune_files"
    title = "Prune LUX's own files"
    tier = "A"
    changes = "Deletes rotated logs, leftovers and temporary files of LUX below LUX_DATA_DIR. Undrained data stays."
    undo_words = f"{FINAL}: the files are gone; the receipt names each"
    cooldown = timedelta(hours=1)
    daily_limit = 6
    dependencies = ("disk",)
    works_without_database = True

    def find_obstacle(self, situation: Situation) -> str | None:
        return None if list_prunable(situation.settings.lux_data_dir) else "LUX has no file here that could go."

    def dry_run(self, situation: Situation) -> str:
        folder = situation.settings.lux_data_dir
        rows = [
            f"delete {path.relative_to(folder)} ({size:,} bytes, {what})" for path, size, what in list_prunable(folder)
        ]
        return "\n".join(rows)

    def run(self, situation: Situation) -> Outcome:
        folder = situation.settings.lux_data_dir
        found = list_prunable(folder)
        if not found:
            raise RepairFailed("There is no such file any more.")
        gone, freed = [], 0
        for path, size, _ in found:
            with contextlib.suppress(OSError):
                path.unlink()
                gone.append(str(path.relative_to(folder)))
                freed += size
        words = f"{len(gone)} files with {freed:,} bytes were deleted."
        return Outcome(words, {"files": len(found)}, {"deleted": gone[:200], "bytes": freed})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        seen = write_sample()
        return checked(
            "configuration", "write 64 KiB to LUX_DATA_DIR", "the disk takes it", seen.text, passed=seen.passed
        )


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
