"""The units, the helper and the site are sound: as systemd, sudo, sh and nginx themselves see them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.nginx_site import DEPLOY, SYSTEM_PATH, Site, running_site
from tests.servers import Lux, wait_until

UNITS = sorted((DEPLOY / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]


def run(*words: str, **options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": SYSTEM_PATH}
    return subprocess.run(words, capture_output=True, text=True, env=environment, check=False, **options)  # type: ignore[call-overload, no-any-return]  # handed through


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text()
        # What the installer puts elsewhere is not on the machine that tests.
        text = re.sub(r"^(ExecStart=)\S+", rf"\1{shutil.which('true')}", text, flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    words = ["systemd-analyze", "verify", "--recursive-errors=one", *(str(tmp_path / unit.name) for unit in UNITS)]
    said = run(*words).stderr.splitlines()
    assert [line for line in said if "lux" in line and "Command" not in line and "man " not in line] == []


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_unit_exposes_little(unit: Path) -> None:
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit))
    assert done.returncode == 0, done.stdout[-300:]
    assert "OK" in done.stdout.splitlines()[-1]


def test_the_settings_and_keys_reach_every_process_by_the_environment_file() -> None:
    for name in ("lux.service", "lux-worker.service", "lux-backup.service"):
        assert "EnvironmentFile=/etc/lux/lux.env" in (DEPLOY / "systemd" / name).read_text()


@pytest.mark.parametrize("script", sorted([*DEPLOY.glob("*.sh"), DEPLOY / "lux-service", DEPLOY / "lux-command"]))
def test_a_script_is_sound_shell(script: Path) -> None:
    done = run("sh", "-n", str(script))
    assert done.returncode == 0, done.stderr


@pytest.fixture
def helper(tmp_path: Path) -> Callable[..., str]:
    """The service helper with commands in place of systemd's that only say what they were asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("systemctl", "journalctl"):
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*"\n')
        (folder / name).chmod(0o755)
    script = tmp_path / "lux-service"
    script.write_text((DEPLOY / "lux-service").read_text().replace("PATH=/usr/sbin:", f"PATH={folder}:/usr/sbin:"))

    def ask(*words: str, line: str | None = None) -> str:
        return run("sh", str(script), *words, input=line or "").stdout

    return ask


@pytest.mark.parametrize(
    ("verb", "command"),
    [
        ("restart-web", "systemctl restart lux.service"),
        ("restart-worker", "systemctl restart lux-worker.service"),
        ("start-postgresql", "systemctl start postgresql.service"),
        ("reload-nginx", "systemctl reload nginx.service"),
        ("stop-stale-web", "systemctl kill --signal=SIGKILL lux.service"),
        ("vacuum-journal", "journalctl --vacuum-size=200M"),
        ("back-up", "systemctl start lux-backup.service"),
    ],
)
def test_the_helper_knows_its_verbs(verb: str, command: str, helper: Callable[..., str]) -> None:
    assert helper(verb) == f"{command}\ndone: {verb}\n"
    assert helper("--from-socket", line=f"{verb}\n") == f"{command}\ndone: {verb}\n"


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "ssh",
        "restart-web; id",
        "restart-web\tid",
        "$(id)",
        "`id`",
        "../x",
        "--help",
        "restart web",
        "RESTART-WEB",
        "*",
    ],
)
def test_the_helper_takes_nothing_else(asked: str, helper: Callable[..., str]) -> None:
    assert helper(asked).startswith("refused:")
    assert helper("--from-socket", line=f"{asked}\n").startswith("refused:")
    assert helper("restart-web", asked).startswith("refused:")


def test_sudo_lets_lux_ask_for_the_helpers_verbs_one_by_one() -> None:
    verbs = re.search(r'VERBS="([^"]+)"', (DEPLOY / "lux-service").read_text())
    assert verbs is not None
    rules = (DEPLOY / "sudoers").read_text()
    assert re.findall(r"/usr/local/sbin/lux-service ([a-z-]+)", rules) == verbs.group(1).split()
    assert "*" not in rules.replace("# ", "")
    assert "ALL=(ALL" not in rules


@pytest.fixture
def site(start_lux: Callable[..., Lux], tmp_path: Path) -> Iterator[Site]:
    """The site as the installer writes it, on free ports and with a certificate of the test's own."""
    with running_site(tmp_path, start_lux) as running:
        yield running


def test_the_site_passes_on_what_is_lux_and_keeps_back_what_is_not(site: Site) -> None:
    assert [site.get(path).status for path in ("/.env", "/.git/config", "/static/.env", "/a/.htaccess")] == [404] * 4
    assert "nginx" in (site.get("/.env").read().decode())
    assert site.get("/sign-in").status in (200, 303, 302, 404)
    forged = site.get("/livez", request_id="forged-by-a-visitor")
    assert re.fullmatch(r"[0-9a-f]{32}", forged.headers["X-Request-ID"])
    assert forged.headers["Strict-Transport-Security"]
    too_large = site.send("POST", "/livez", {}, b"x" * (22 * 1024 * 1024))
    assert too_large.status == 413
    log = site.folder / "lux.access.log"
    # nginx writes the line once the answer is out.
    wait_until(lambda: forged.headers["X-Request-ID"] in log.read_text(), "the visit's line in the log")
    planted = site.get("/livez?token=planted")
    wait_until(lambda: planted.headers["X-Request-ID"] in log.read_text(), "the next one's line")
    assert "planted" not in log.read_text()
