"""Writes a migration from the difference between models.py and the migrations before it.

`python -m migrations.make "what changed"` adds the next one; with --refresh it rewrites the newest one in its place.
A migration written by hand, for what models.py cannot say, is never rewritten: it steps aside meanwhile.
"""

from __future__ import annotations

import fcntl
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine
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
        made = rewrite(every) if is_refresh else write(int(every[-1].name[:4]) + 1, message)
        print(f"Wrote {made.relative_to(Path.cwd())}")  # noqa: T201 - a command speaks to its caller


def rewrite(every: list[Path]) -> Path:
    """Writes the newest generated migration again under its name; an attempt that fails leaves it as it was."""
    newest = [path for path in every if BY_HAND not in path.read_text()][-1]
    before = newest.read_text()
    kept = {path: path.read_text() for path in every if path.name > newest.name}
    for path in (newest, *kept):
        path.unlink()
    try:
        return write(int(newest.name[:4]), before.split('"""')[1].rstrip("."), newest.name)
    except BaseException:
        newest.write_text(before)
        raise
    finally:
        for path, text in kept.items():
            path.write_text(text)


def write(number: int, message: str, name: str | None = None) -> Path:
    """Writes migration `number`; returns its file."""
    with tempfile.TemporaryDirectory(prefix="lux-migration-") as folder:
        url = embedded_postgres.ensure_running(Path(folder), durable=False)
        try:
            schema.migrate(url)
            with create_engine(schema.engine_url(url), poolclass=NullPool).connect() as connection:
                command.revision(schema.configuration(connection), message, autogenerate=True, rev_id=f"{number:04}")
        finally:
            embedded_postgres.stop(Path(folder))
    made = next(VERSIONS.glob(f"{number:04}_*.py"))
    slug = "_".join(re.findall(r"[a-z0-9]+", message.lower())[:5])
    target = made.rename(VERSIONS / (name or f"{number:04}_{slug}.py"))
    for step in (["check", "--fix-only"], ["format"]):
        subprocess.run([sys.executable, "-m", "ruff", *step, "-q", str(target)], check=False)  # noqa: S603 - fixed words
    return target


if __name__ == "__main__":
    main(sys.argv[1:])
