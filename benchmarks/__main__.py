"""Runs every benchmark in turn and writes what they say to RESULTS.md: `python -m benchmarks [name …]`.

To add one, write benchmarks/x.py with a main() that prints its figures and returns 0 when its goal is met, and add its
line to BENCHMARKS.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
# In the order of the document: the module and what it answers.
BENCHMARKS: dict[str, str] = {
    "start": "How long does a start take?",
    "webhook": "How fast are contacts taken in, beside the simplest view that could do it?",
    "sending": "How fast does mail go out, beside other senders?",
    "audience": "How fast are a hundred thousand contacts listed, searched and counted?",
    "analytics": "How fast does Analytics answer at ten million events?",
    "errors": "What does an error cost, beside sentry-sdk and Bugsink?",
    "sign_ins": "Does everybody who signs in at once land in their own account?",
    "door": "Does the door tell who has an account?",
    "streams": "How soon do a model's words arrive while a hundred streams are open?",
    "log_reader": "How fast is a long log read from its end?",
    "demo_pages": "Do the pages hold their gates with the demo's data?",
    "gates": "What does Lighthouse say of the pages?",
}
# No path of a machine goes into the document.
PATHS = re.compile(r"(?<![\w.:/])/(?:[\w.+-]+/)+[\w.+-]*")


def main(names: list[str]) -> int:
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}.")
    wanted = names or list(BENCHMARKS)
    known = read_results()
    failed = []
    for name in wanted:
        print(f"== {name}: {BENCHMARKS[name]}", flush=True)
        said, status = run(name)
        known[name] = said
        if status:
            failed.append(name)
        RESULTS.write_text(document(known))
    print(f"Below its goal: {', '.join(failed)}." if failed else "Every goal was met.")
    return 1 if failed else 0


def run(name: str) -> tuple[str, int]:
    """Runs one benchmark, showing what it says as it says it; its section of the document and its status."""
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    lines = []
    with subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(PATHS.sub("…", line.rstrip()))
    status = process.returncode
    verdict = "The goal was met." if status == 0 else "The goal was not met."
    day = datetime.now(UTC).strftime("%d %B %Y")
    said = "\n".join(lines).strip("\n")
    return f"{day}, {describe_machine()}. {verdict}\n\n```\n{said}\n```", status


def describe_machine() -> str:
    """The machine in words."""
    cores = os.cpu_count() or 1
    memory = round(psutil.virtual_memory().total / 2**30)
    load = os.getloadavg()[0]
    busy = "" if load < cores / 2 else f", busy with other work besides (load {load:.0f})"
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return f"on {cores} virtual cores with {memory} GiB of memory, {system}, Python {platform.python_version()}{busy}"


def read_results() -> dict[str, str]:
    """The sections that stand in the document now."""
    if not RESULTS.exists():
        return {}
    parts = re.split(r"^## (\w+): .*$", RESULTS.read_text(), flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def document(sections: dict[str, str]) -> str:
    """The whole document, in the order of BENCHMARKS."""
    head = (
        "# What was measured\n\n"
        "Written by `make bench`. Every figure of a comparison comes from one run on one machine, the programs taking "
        "turns. Tests time nothing; speed is measured here.\n"
    )
    body = [f"## {name}: {BENCHMARKS[name]}\n\n{sections[name]}\n" for name in BENCHMARKS if name in sections]
    return "\n".join([head, *body])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
