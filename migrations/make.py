"""Writes a migration from the difference between models.py and the migrations before it.

`python -m migrations.make "what changed"` adds the next one; with --refresh it rewrites the newest one in its place.
A migration written by hand, for what models.py cannot say, is never rewritten.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

import embedded_postgres
import schema

VERSIONS = schema.MIGRATIONS / "versions"
BY_HAND = "Written by hand"


def main(words: list[str]) -> None:
    is_refresh = "--refresh" in words
    message = " ".join(word for word in words if word != "--refresh").strip()
    if not message and not is_refresh:
        sys.exit('Say what changed: make migration m="what changed"')
    with (VERSIONS.parent / "make.py").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        every = sorted(VERSIONS.glob("[0-9]*.py"))
        made = rewrite(every) if is_refresh else write(every, int(every[-1].name[:4]) + 1, message)
        print(f"Wrote {made.relative_to(Path.cwd())}")  # noqa: T201 - a command speaks to its caller


def rewrite(every: list[Path]) -> Path:
    """Writes the newest generated migration again under its name."""
    newest = [path for path in every if BY_HAND not in path.read_text()][-1]
    earlier = [path for path in every if path.name < newest.name]
    return write(earlier, int(newest.name[:4]), newest.read_text().split('"""')[1].rstrip("."), newest.name)


def write(earlier: list[Path], number: int, message: str, name: str | None = None) -> Path:
    """Writes migration `number`, which follows the earlier ones; returns its file. Nothing changes when it fails."""
    with tempfile.TemporaryDirectory(prefix="lux-migration-") as folder:
        beside = Path(folder) / "versions"
        beside.mkdir()
        for path in earlier:
            shutil.copy(path, beside)
        url = embedded_postgres.ensure_running(Path(folder), durable=False)
        try:
            with create_engine(schema.engine_url(url), poolclass=NullPool).begin() as connection:
                command.upgrade(_configuration(connection, beside), "head")
            with create_engine(schema.engine_url(url), poolclass=NullPool).connect() as connection:
                command.revision(_configuration(connection, beside), message, autogenerate=True, rev_id=f"{number:04}")
        finally:
            embedded_postgres.stop(Path(folder))
        made = next(beside.glob(f"{number:04}_*.py"))
        for step in (["check", "--fix-only"], ["format"]):
            subprocess.run([sys.executable, "-m", "ruff", *step, "-q", str(made)], check=False)  # noqa: S603 - fixed words
        slug = "_".join(re.findall(r"[a-z0-9]+", message.lower())[:5])
        target = VERSIONS / (name or f"{number:04}_{slug}.py")
        draft = target.with_suffix(".new")
        draft.write_text(made.read_text())
        return draft.replace(target)


def _configuration(connection: Connection, versions: Path) -> Config:
    config = schema.configuration(connection)
    config.set_main_option("version_locations", str(versions))
    return config


if __name__ == "__main__":
    main(sys.argv[1:])
