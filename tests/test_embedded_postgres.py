"""The embedded PostgreSQL: it comes up on any folder, survives being killed, and says plainly when it cannot."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

import embedded_postgres
from errors import StartRefused
from tests.servers import ROOT


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder, with its server ended at the end."""
    path = Path(tempfile.mkdtemp(prefix="lux-postgres-test-"))
    yield path
    embedded_postgres.stop(path)
    shutil.rmtree(path, ignore_errors=True)


def servers_of(folder: Path) -> list[psutil.Process]:
    """The running servers and their children of a data folder."""
    cluster = str((folder / "postgres").resolve())
    found = []
    for process in psutil.process_iter(["name", "cwd", "status"]):
        is_alive = process.info["status"] != psutil.STATUS_ZOMBIE
        if process.info["name"] == "postgres" and process.info["cwd"] == cluster and is_alive:
            found.append(process)
    return found


def postmaster_of(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().split()[0]))


def test_it_starts_is_found_again_and_stops(folder: Path) -> None:
    url = embedded_postgres.ensure_running(folder, durable=False)
    pid = postmaster_of(folder).pid
    assert embedded_postgres.ensure_running(folder, durable=False) == url
    assert postmaster_of(folder).pid == pid
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_database(), current_setting('listen_addresses')").fetchone() == (
            "lux",
            "",
        )
    embedded_postgres.stop(folder)
    assert servers_of(folder) == []
    assert not embedded_postgres.is_running(folder)
    embedded_postgres.stop(folder)


def test_it_is_durable_unless_a_test_asks_otherwise(folder: Path) -> None:
    url = embedded_postgres.ensure_running(folder)
    with psycopg.connect(url) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert connection.execute(f"SHOW {name}").fetchone() == ("on",)


def test_a_killed_server_comes_back_with_what_was_committed(folder: Path) -> None:
    url = embedded_postgres.ensure_running(folder)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (value int)")
        connection.execute("INSERT INTO kept VALUES (7)")
        postmaster_of(folder).kill()
    assert embedded_postgres.ensure_running(folder) == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (7,)


def test_a_pid_file_that_names_somebody_elses_process_is_no_obstacle(folder: Path) -> None:
    url = embedded_postgres.ensure_running(folder, durable=False)
    pid_file = folder / "postgres" / "postmaster.pid"
    text = pid_file.read_text()
    embedded_postgres.stop(folder)
    pid_file.write_text(str(os.getpid()) + text[text.index("\n") :])
    shutil.chown(pid_file, (folder / "postgres").stat().st_uid)
    assert embedded_postgres.ensure_running(folder, durable=False) == url


def test_half_a_cluster_of_a_killed_start_is_swept_away(folder: Path) -> None:
    (folder / "postgres.new-abc").mkdir()
    (folder / "postgres.new-abc" / "PG_VERSION").write_text("18\n")
    embedded_postgres.ensure_running(folder, durable=False)
    assert not list(folder.glob("postgres.new-*"))


def test_many_callers_at_once_start_one_server(folder: Path) -> None:
    urls: list[str] = []
    threads = [
        threading.Thread(target=lambda: urls.append(embedded_postgres.ensure_running(folder, durable=False)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(urls) == 6
    assert len(set(urls)) == 1


@pytest.mark.parametrize("name", ["x" * 120, "with space, comma", "größe"])
def test_a_folder_whose_name_suits_no_socket_works_all_the_same(folder: Path, name: str) -> None:
    odd = folder / name
    try:
        url = embedded_postgres.ensure_running(odd, durable=False)
        with psycopg.connect(url) as connection:
            row = connection.execute("SHOW unix_socket_directories").fetchone()
        assert row is not None
        assert Path(row[0]).stat().st_mode & 0o777 == 0o700
    finally:
        embedded_postgres.stop(odd)


def test_a_socket_folder_that_somebody_else_has_made_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = folder / "with, comma"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    embedded_postgres.ensure_running(odd, durable=False)
    place = next(folder.glob("lux-postgres-*"))
    embedded_postgres.stop(odd)
    assert not place.exists()
    place.symlink_to(folder)
    with pytest.raises(StartRefused, match="belongs to somebody else"):
        embedded_postgres.ensure_running(odd, durable=False)


def test_a_cluster_of_another_version_is_named(folder: Path) -> None:
    embedded_postgres.ensure_running(folder, durable=False)
    embedded_postgres.stop(folder)
    (folder / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(StartRefused, match="PostgreSQL 16"):
        embedded_postgres.ensure_running(folder, durable=False)


def test_a_folder_that_is_a_file_is_refused_with_one_sentence(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(StartRefused, match="cannot be written") as refusal:
        embedded_postgres.ensure_running(folder / "file")
    assert "\n" not in refusal.value.detail


# Everything is imported first: the Python that runs the tests may lie where that user cannot read.
NORMAL_USER = """
import encodings.idna, os, pwd, sys
from pathlib import Path
import psycopg, embedded_postgres, errors
psycopg.conninfo.make_conninfo("host=x")
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(pwd.getpwnam("nobody").pw_gid); os.setuid(pwd.getpwnam("nobody").pw_uid)
folder = Path(sys.argv[1])
try:
    print(embedded_postgres.ensure_running(folder, durable=False))
    embedded_postgres.stop(folder)
    print(embedded_postgres.is_running(folder))
except errors.StartRefused as error:
    print(error.detail)
"""


def run_as_normal_user(folder: Path) -> list[str]:
    """Starts and stops the server in another process as the user nobody (as ourselves, where we are not root)."""
    command = [sys.executable, "-c", NORMAL_USER, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def test_it_works_as_a_normal_user(folder: Path) -> None:
    own = folder / "own"
    own.mkdir()
    folder.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(own, pwd.getpwnam("nobody").pw_uid, -1)
    said = run_as_normal_user(own)
    assert said[0].startswith("postgresql://")
    assert said[1] == "False"


def test_a_database_of_another_user_is_refused_with_one_sentence(folder: Path) -> None:
    embedded_postgres.ensure_running(folder, durable=False)
    embedded_postgres.stop(folder)
    if os.geteuid() == 0:
        folder.chmod(0o777)
        (folder / "postgres.lock").chmod(0o666)
        said = run_as_normal_user(folder)
        assert len(said) == 1
        assert "belongs to another user" in said[0]
