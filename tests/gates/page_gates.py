"""The measured gates of the design, as tests of one look at pages: each file of pages lays them on its own share."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.gates.visits import Visit

GATES = Path(__file__).parent
MOST_BYTES = 120 * 1024
MOST_SCRIPT_BYTES = {"analytics": 55 * 1024}
USUAL_SCRIPT_BYTES = 30 * 1024
MOST_REQUESTS = 12
MOST_SHIFT = 0.01
# The styleguide shows every component and with them every part's code: it is weighed by none but its readers.
UNWEIGHED = ("styleguide.",)


def pages_of(visits: list[Visit]) -> list[Visit]:
    """The whole pages among the visits: no fragments, no files, no letters."""
    return [seen for seen in visits if seen.is_page]


def is_heavy(seen: Visit) -> bool:
    """More over the wire than a page may weigh."""
    name = seen.name.split()[1]
    most_script = MOST_SCRIPT_BYTES.get(name.split(".")[0], USUAL_SCRIPT_BYTES)
    too_much = seen.bytes_in_all > MOST_BYTES or seen.script_bytes > most_script or seen.request_count > MOST_REQUESTS
    return too_much and not name.startswith(UNWEIGHED)


def weight_of(seen: Visit) -> str:
    return f"{seen}: {seen.bytes_in_all} bytes, {seen.script_bytes} script, {seen.request_count} requests"


class PageGates:
    """What holds for every page. A subclass says which share of the pages is its own, and brings a `scene`."""

    share, shares = 0, 1

    def test_every_page_answers(self, visits: list[Visit]) -> None:
        assert [f"{seen}: {seen.status}" for seen in visits if seen.status >= 500 and seen.html] == []
        assert len({seen.name for seen in pages_of(visits) if seen.status == 200}) > 20

    def test_axe_finds_nothing_wrong_at_either_width(self, visits: list[Visit]) -> None:
        assert [f"{seen}: {problem}" for seen in pages_of(visits) for problem in seen.problems] == []

    def test_the_browser_complains_about_no_page(self, visits: list[Visit]) -> None:
        assert [f"{seen}: {text}" for seen in pages_of(visits) for text in seen.complaints] == []

    def test_every_page_reflows_at_320_px_and_at_a_zoom_of_200_percent(self, visits: list[Visit]) -> None:
        assert [f"{seen}: {part}" for seen in pages_of(visits) for part in seen.too_wide] == []

    def test_every_page_is_light(self, visits: list[Visit]) -> None:
        assert [weight_of(seen) for seen in pages_of(visits) if is_heavy(seen)] == []

    def test_no_page_shifts_while_it_loads(self, visits: list[Visit]) -> None:
        assert [f"{seen}: {seen.shift:.3f}" for seen in pages_of(visits) if seen.shift > MOST_SHIFT] == []

    def test_every_page_is_valid_html(self, visits: list[Visit], tmp_path: Path) -> None:
        for number, seen in enumerate(pages_of(visits)):
            name = f"{number:03}-{seen.name.replace(' ', '-')}.html"
            (tmp_path / name).write_text(seen.html)
        program = GATES / "node_modules" / ".bin" / "html-validate"
        assert program.exists(), "The page checkers are missing: sh tests/prepare.sh node gates"
        command = [str(program), "--config", str(GATES / "htmlvalidate.json"), "--formatter", "json", str(tmp_path)]
        # Into a file: node ends before a pipe has taken everything.
        said = tmp_path / "said.json"
        with said.open("w") as out:
            subprocess.run(command, stdout=out, check=False, cwd=GATES)
        wrong = [
            f"{Path(result['filePath']).name}:{message['line']} {message['ruleId']}: {message['message']}"
            for result in json.loads(said.read_text())
            for message in result["messages"]
        ]
        assert wrong == []
