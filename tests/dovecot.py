"""Real dovecot on a free port of loopback: a mailbox to which reports are delivered, with one user."""

from __future__ import annotations

import contextlib
import imaplib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers import end_group, free_port, wait_until

PASSWORD = "p@ss/word"
CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_login_user = {login_user}
default_internal_user = {internal_user}
default_internal_group = {group}
first_valid_uid = 1
mail_location = maildir:{folder}/mail
passdb {{
    driver = static
    args = password={password}
}}
userdb {{
    driver = static
    args = uid={uid} gid={gid} home={folder}/home
}}
service imap-login {{
    chroot =
    inet_listener imap {{
        port = {port}
    }}
    inet_listener imaps {{
        port = 0
    }}
}}
service anvil {{
    chroot =
}}
"""


@dataclass
class MailboxServer:
    """A running server; `url` is what BOUNCE_MAILBOX_URL wants."""

    port: int

    @property
    def url(self) -> str:
        return f"imap://bounces:p%40ss%2Fword@127.0.0.1:{self.port}/INBOX"

    def deliver(self, mail: bytes) -> None:
        """Puts a mail into the inbox, unread."""
        with self.open() as client:
            state, said = client.append("INBOX", "", "", mail)
            assert state == "OK", said

    def count_unseen(self) -> int:
        with self.open() as client:
            client.select("INBOX", readonly=True)
            return len((client.uid("SEARCH", "UNSEEN")[1][0] or b"").split())

    def count_all(self) -> int:
        with self.open() as client:
            return int(client.select("INBOX", readonly=True)[1][0] or 0)

    def open(self) -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=10)
        client.login("bounces", PASSWORD)
        return client


@contextlib.contextmanager
def start_dovecot() -> Iterator[MailboxServer]:
    """The server, ended with everything that it wrote."""
    program = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program, "This test needs dovecot: sh tests/prepare.sh dovecot"
    # Not pytest's folder: dovecot's own users must be able to enter it.
    folder = Path(tempfile.mkdtemp(prefix="lux-dovecot-"))
    folder.chmod(0o755)
    port = free_port()
    try:
        _configure(folder, port)
        process = subprocess.Popen([program, "-F", "-c", str(folder / "dovecot.conf")], start_new_session=True)
        try:
            wait_until(lambda: _answers(port), "dovecot answers")
            yield MailboxServer(port)
        finally:
            end_group(process)
    finally:
        shutil.rmtree(folder)


def _configure(folder: Path, port: int) -> None:
    is_root = os.getuid() == 0
    me = pwd.getpwuid(os.getuid()).pw_name
    owner = pwd.getpwnam("dovecot") if is_root else pwd.getpwuid(os.getuid())
    for name in ("mail", "home"):
        (folder / name).mkdir()
        os.chown(folder / name, owner.pw_uid, owner.pw_gid)
    values = {
        "folder": folder,
        "port": port,
        "password": PASSWORD,
        "uid": owner.pw_uid,
        "gid": owner.pw_gid,
        "login_user": "dovenull" if is_root else me,
        "internal_user": "dovecot" if is_root else me,
        "group": "dovecot" if is_root else owner.pw_gid,
    }
    (folder / "dovecot.conf").write_text(CONFIGURATION.format(**values))


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
        connection.settimeout(2)
        return connection.recv(64).startswith(b"* OK")
    return False
