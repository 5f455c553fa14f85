"""Brings the schema to the newest migration, after a backup."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

import embedded_postgres
import schema
from diagnosis.base import Surroundings
from extensions import db
from probes.base import TestResult
from probes.dependencies import database_url, is_schema_at_head, list_missing
from repairs.base import Outcome, Repair, RepairFailed, Situation, checked

BACKUP_SECONDS = 300
LONGEST_SQL = 20_000
MOST_NAMED = 5


class MigrateDatabase(Repair):
    """Tier A in development, else P; the SQL is part of what is approved."""

    id = "migrate_database"
    title = "Migrate the database"
    tier = "P"
    changes = "Backs the database up with pg_dump where that is available, then runs the migrations that are missing."
    undo_words = (
        "cannot be undone by a click: the backup named in the receipt brings the earlier state back (pg_restore)"
    )
    cooldown = timedelta(hours=1)
    daily_limit = 3
    dependencies = ("schema",)
    works_without_database = True

    def tier_in(self, surroundings: Surroundings) -> str:
        return "P" if surroundings.is_production else "A"

    def find_obstacle(self, situation: Situation) -> str | None:
        with db.engine.connect() as connection:
            if schema.is_at_head(connection):
                return _say_what_is_lost(list_missing(connection))
            revision = schema.find_revision(connection)
        if not schema.is_known(revision):
            return f"The database is at revision {revision}, which this code does not know: it is newer. Deploy again."
        if situation.settings.is_production and _find_pg_dump(situation) is None:
            return "pg_dump is not on this machine, and nothing is migrated in production without a backup."
        return None

    def dry_run(self, situation: Situation) -> str:
        with db.engine.connect() as connection:
            revision = schema.find_revision(connection)
        backup = "Back up with pg_dump first." if _find_pg_dump(situation) else "There is no pg_dump here: no backup."
        sql = schema.write_upgrade_sql(revision)[:LONGEST_SQL]
        heads = ", ".join(sorted(schema.find_heads()))
        return f"{backup}\nFrom revision {revision or 'none'} to {heads}:\n{sql}"

    def run(self, situation: Situation) -> Outcome:
        with db.engine.connect() as connection:
            before = schema.find_revision(connection)
        backup = _back_up(situation, before)
        db.session.rollback()
        try:
            schema.migrate(database_url())
        except SQLAlchemyError as error:
            raise RepairFailed(f"The migration failed and was rolled back: {str(error).splitlines()[0]}") from error
        with db.engine.connect() as connection:
            after = schema.find_revision(connection)
        words = f"Migrated from {before or 'none'} to {after}; " + (f"backup: {backup}." if backup else "no backup.")
        return Outcome(words, {"revision": before, "backup": backup}, {"revision": after})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        seen = is_schema_at_head()
        return checked("database", "compare with models.py", "every table and column", seen.text, passed=seen.passed)


def _say_what_is_lost(missing: list[str]) -> str:
    """Why nothing is migrated, and what a person does instead. A migration brings columns, never what they held."""
    if not missing:
        return "Every migration has run and nothing is missing now. If it fails on, the name in the code is wrong."
    names = ", ".join(missing[:MOST_NAMED]) + (" and more" if len(missing) > MOST_NAMED else "")
    return (
        f"Every migration has run and {names} is missing all the same: a hand took it away, and what it held with it. "
        "No repair brings that back. Restore a backup (`sudo lux restore FILE`, docs/backup.md), or take what is "
        "missing out of one; without a backup add it anew, empty."
    )


def _find_pg_dump(situation: Situation) -> str | None:
    """The embedded PostgreSQL's own, which fits its version; on a server the system's."""
    own = embedded_postgres.BIN / "pg_dump"
    if embedded_postgres.is_its_address(situation.settings.lux_data_dir, situation.settings.database_url):
        return str(own) if own.exists() else None
    return shutil.which("pg_dump") or (str(own) if own.exists() else None)


def _back_up(situation: Situation, revision: str | None) -> str | None:
    """The backup's path below LUX_DATA_DIR, or None where there is no pg_dump. Raises RepairFailed."""
    program = _find_pg_dump(situation)
    if program is None:
        return None
    folder = situation.settings.lux_data_dir / "backups"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"before-migration-{revision or 'none'}-{datetime.now(UTC):%Y%m%d-%H%M%S}.dump"
    command = [program, "--format=custom", "--no-password", f"--file={folder / name}", f"--dbname={database_url()}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BACKUP_SECONDS)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RepairFailed(f"The backup failed, so nothing was migrated: {type(error).__name__}.") from error
    if done.returncode != 0 or not (folder / name).stat().st_size:
        Path(folder / name).unlink(missing_ok=True)
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise RepairFailed(f"The backup failed, so nothing was migrated: {last[:200]}")
    return f"backups/{name}"


REPAIR = MigrateDatabase()
