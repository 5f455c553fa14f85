"""`flask --app app lux diagnose`: a real process, without any database, with sentences for what cannot be read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask

from commands import is_offline_command, lux

ROOT = Path(__file__).resolve().parent.parent
FULL = "OSError: [Errno 28] No space left on device"
SHAPE = ["rule", "cause", "class", "confidence", "evidence", "repairs", "advice"]


def run(words: list[str], folder: Path, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as an operator runs it, in a folder of its own."""
    command = [sys.executable, "-m", "flask", "--app", str(ROOT / "app.py"), "lux", "diagnose", *words]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        command, cwd=folder, env={**kept, **environment}, input=text, capture_output=True, text=True, timeout=120
    )


def test_it_reads_standard_input_and_prints_the_published_shape(tmp_path: Path) -> None:
    done = run(["--json", "-"], tmp_path, FULL)
    assert done.returncode == 0
    row = json.loads(done.stdout)
    assert list(row) == SHAPE
    assert row["rule"] == "disk-full"
    assert row["class"] == "resource"
    assert {"id": "prune_files", "tier": "A"} in row["repairs"]


def test_it_starts_no_database(tmp_path: Path) -> None:
    run(["-"], tmp_path, FULL)
    assert not (tmp_path / "var" / "postgres").exists()


def test_it_answers_when_settings_are_broken_and_the_database_is_away(tmp_path: Path) -> None:
    done = run(["-"], tmp_path, FULL, LUX_ENV="production", DATABASE_URL="postgresql://x@127.0.0.1:1/x")
    assert done.returncode == 0
    assert done.stdout.startswith("disk-full (resource")
    assert "SESSION_SECRET" in done.stderr


def test_a_file_that_is_not_there_is_told_in_one_sentence(tmp_path: Path) -> None:
    done = run([str(tmp_path / "absent.log")], tmp_path)
    assert done.returncode == 2
    assert "No such file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def runner(shared_app: Flask) -> CliRunner:
    """The command inside of the test's process."""
    return shared_app.test_cli_runner()


def test_a_file_is_diagnosed_with_evidence_trap_and_steps(runner: CliRunner, tmp_path: Path) -> None:
    log = tmp_path / "gunicorn.err"
    log.write_text("[2026-11-23 04:30:38 +0000] [4384] [CRITICAL] WORKER TIMEOUT (pid:4387)\n")
    done = runner.invoke(lux, ["diagnose", str(log)])
    assert done.exit_code == 0
    for words in ("worker-timeout (timeout", "text:1", "WORKER TIMEOUT (pid:4387)", "Trap:", "1. "):
        assert words in done.output


def test_control_signs_of_a_text_do_not_reach_the_terminal(runner: CliRunner, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(FULL.encode() + b"\x1b]0;owned\x07\x1b[2J\n")
    assert "\x1b" not in runner.invoke(lux, ["diagnose", str(log)]).output


@pytest.mark.parametrize(("text", "code"), [("", 0), (FULL, 1), ("ZeroDivisionError: division by zero", 3)])
def test_the_exit_code_tells_when_it_is_asked_to(runner: CliRunner, tmp_path: Path, text: str, code: int) -> None:
    log = tmp_path / "a.log"
    log.write_text(text)
    assert runner.invoke(lux, ["diagnose", str(log)]).exit_code == 0
    assert runner.invoke(lux, ["diagnose", "--exit-code", str(log)]).exit_code == code


def test_a_folder_and_an_impossible_name_are_told_calmly(runner: CliRunner, tmp_path: Path) -> None:
    for name in (str(tmp_path), "a\0b"):
        done = runner.invoke(lux, ["diagnose", name])
        assert done.exit_code == 2
        assert "Traceback" not in done.output


def test_all_faults_come_as_a_list(runner: CliRunner, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text(f"{FULL}\njinja2.exceptions.TemplateNotFound: a.html\n")
    rows = json.loads(runner.invoke(lux, ["diagnose", "--json", "--all", str(log)]).output)
    assert [row["rule"] for row in rows] == ["disk-full", "template-missing"]


@pytest.mark.parametrize(
    ("line", "is_offline"),
    [
        ("flask --app app lux diagnose -", True),
        ("flask --app app lux diagnose --ask-model -", False),
        ("flask --app app lux settings", False),
        ("gunicorn diagnose", False),
        ("", False),
    ],
)
def test_only_this_command_does_without_the_app(line: str, is_offline: bool) -> None:
    assert is_offline_command(line.split()) is is_offline
