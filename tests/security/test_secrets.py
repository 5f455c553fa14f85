"""No secret leaves by any way: canaries in every setting that is one, then a search of every sink; and of the tree."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from agents import get_agent
from agents.runner import carry_out_run
from agents.runs import start_run
from agents.tasks.campaign.brief import CampaignBrief
from app import create_app
from campaigns.test_sends import send_test
from config import PUBLIC_PASSWORD_SHA256, SETTINGS, load_settings
from error_logger import error_logger
from extensions import db
from models import User
from tests import makers
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.smtp_server import SmtpServer
from tests.gates.scene import cookie_of
from tests.security.house import House, anonymous_browser, open_house, production_settings

ROOT = Path(__file__).resolve().parents[2]
SECRETS = [row.name for row in SETTINGS if row.is_secret]
CANARIES = {
    name: f"canary-{name.lower().replace('_', '-')}-{hashlib.sha256(name.encode()).hexdigest()[:24]}"
    for name in SECRETS
}
# Made-up keys that tests of masking plant, by file; a key anywhere else is one too many.
PLANTED_IN = ("tests/",)
KEYS = re.compile(
    rb"sk-(?:proj-|ant-|live-|test-)?[A-Za-z0-9_]{20,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|glpat-[\w-]{20}"
    rb"|xox[baprs]-[A-Za-z0-9-]{20,}|AIza[0-9A-Za-z_-]{35}|SG\.[\w-]{22}\.[\w-]{43}"
    rb"|-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY-----"
)


def spelled(canary: str) -> set[bytes]:
    """A secret as it is, and as programs wrap it."""
    plain = canary.encode()
    basic = {base64.b64encode(plain)[:-4], base64.b64encode(b"x:" + plain)[4:-4], base64.urlsafe_b64encode(plain)[:-4]}
    return {plain, plain.hex().encode(), quote(canary).encode(), plain[::-1], *basic}


@pytest.fixture(scope="module")
def loaded(database_url: str) -> Iterator[tuple[House, OpenAIServer, SmtpServer]]:
    """A LUX whose every secret is a canary, with a model and a mail server that note what they are told."""
    smtp = SmtpServer(user="mailer", password=CANARIES["SMTP_URL"])
    with OpenAIServer() as model, smtp as mail, open_house(database_url) as house:
        folder, lux = house.scene.lux.data_dir, house.scene.lux
        address = lux.database_url.replace("postgres@", f"postgres:{CANARIES['DATABASE_URL']}@")
        changes = {
            **CANARIES,
            "DATABASE_URL": address,
            "SESSION_SECRET": f"{CANARIES['SESSION_SECRET']}, {CANARIES['SESSION_SECRET']}-older",
            "OPENAI_BASE_URL": model.url,
            "BOUNCE_MAILBOX_URL": f"imap://bounces:{CANARIES['BOUNCE_MAILBOX_URL']}@127.0.0.1:1/INBOX",
            "SMTP_URL": mail.url(user=f"mailer:{CANARIES['SMTP_URL']}@"),
            "ZAPIER_USERNAME": "zapier",
        }
        model.key = CANARIES["OPENAI_API_KEY"]
        app = create_app(load_settings(production_settings(folder, address, **changes), dotenv=None))
        app.test_client_class = makers.Browser
        with app.app_context():
            visitors = {name: anonymous_browser(app) for name in house.visitors}
            for user in db.session.query(User):
                role = user.email.partition("@")[0]
                if role in visitors and user.email.endswith("@house.example"):
                    visitors[role] = makers.signed_in_client(app, user)
            cookies = {name: cookie_of(visitor) for name, visitor in visitors.items()}
            basic = base64.b64encode(f"zapier:{CANARIES['ZAPIER_PASSWORD']}".encode()).decode()
            headers = {
                "zapier": {"Authorization": f"Basic {basic}"},
                "token": {"Authorization": f"Bearer {CANARIES['OPERATOR_TOKEN']}"},
            }
            whole = replace(house, app=app, visitors=visitors, cookies=cookies, headers=headers)
            whole.scene.app = app
            work(whole)
            yield whole, model, mail
            db.session.remove()
            db.engine.dispose()


def work(house: House) -> None:
    """Everything that touches a secret: a model is asked, a mail is sent, errors happen around each of them."""
    agent = get_agent("email_crm")
    brief = CampaignBrief(goal="Tell people about spring", segment_id=None)
    run = start_run(agent, agent.tasks[0], brief, user_id=None, way="model")
    carry_out_run(run.id)
    campaign_id = int(house.scene.values["campaign_id"])
    send_test(campaign_id, "ann@example.com")
    for name, canary in CANARIES.items():
        try:
            raise RuntimeError(f"{name}={canary} could not be used; Authorization: Bearer {canary}")
        except RuntimeError as error:
            error_logger().capture(error, place="task planted")
    house.app.logger.error("told %s", " ".join(CANARIES.values()))
    assert error_logger().flush_now()


def list_answers(house: House) -> Iterator[tuple[str, bytes]]:
    """Every page and every act's answer, as everybody; and what a person without rights is told."""
    for rule in house.app.url_map.iter_rules():
        for method in sorted({"GET", "POST"} & (rule.methods or set())):
            for principal in ("nobody", "viewer", "owner", "token", "zapier"):
                if principal in ("nobody", "zapier") and method == "POST":
                    continue
                answer = house.ask(principal, method, house.address_of(rule))
                yield f"{method} {rule.rule} as {principal}", answer.get_data() + str(answer.headers).encode()


def test_every_secret_setting_has_a_canary() -> None:
    assert {"SESSION_SECRET", "OPENAI_API_KEY", "ZAPIER_PASSWORD", "OPERATOR_TOKEN", "SMTP_URL", "DATABASE_URL"} <= set(
        CANARIES
    )


def test_no_secret_is_in_any_answer_row_file_log_prompt_or_mail(loaded: tuple[House, OpenAIServer, SmtpServer]) -> None:
    house, model, mail = loaded
    wanted = {form: name for name, canary in CANARIES.items() for form in spelled(canary)}
    assert model.requests and mail.letters
    sinks: list[tuple[str, bytes]] = [
        *((f"prompt {number}", str(body).encode()) for number, body in enumerate(model.requests)),
        *((f"mail {number}", letter.raw) for number, letter in enumerate(mail.letters)),
        ("lux settings", house.app.test_cli_runner().invoke(args=["lux", "settings"]).output.encode()),
        *list_answers(house),
    ]
    house.contents.keep()
    sinks += [(f"table {name}", body) for name, body in house.contents.kept.items()]
    for path in house.scene.lux.data_dir.rglob("*"):
        if path.is_file():
            sinks.append((f"file {path.name}", path.read_bytes()))
    assert len(sinks) > 300
    found = [f"{wanted[form]} in {sink}" for sink, body in sinks for form in wanted if form in body]
    assert found == []


def read_tree() -> Iterator[tuple[str, bytes]]:
    """Every file that belongs to the project, as git knows it, or as it lies here where there is no git."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, check=True).stdout
        names = [name for name in listed.decode().split("\0") if name]
    else:
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()]
        names = [name for name in names if not name.startswith((".", "var/")) and "node_modules" not in name]
    for name in names:
        if (ROOT / name).is_file():
            yield name, (ROOT / name).read_bytes()


def test_no_key_lies_in_the_tree() -> None:
    found = [
        f"{name}: {key.decode()[:8]}…"
        for name, body in read_tree()
        for key in KEYS.findall(body)
        if not name.startswith(PLANTED_IN)
    ]
    assert found == []


def test_no_key_lies_in_the_history() -> None:
    """Every line that was ever added outside of the tests that plant made-up keys."""
    if not (ROOT / ".git").exists():
        assert not KEYS.search(b"".join(body for name, body in read_tree() if not name.startswith(PLANTED_IN)))
        return
    words = [
        "git",
        "-C",
        str(ROOT),
        "log",
        "--all",
        "-p",
        "--no-color",
        "--no-textconv",
        "--unified=0",
        "--",
        ".",
        ":!tests",
    ]
    added = subprocess.run(words, capture_output=True, check=True).stdout
    assert [key.decode()[:8] for key in KEYS.findall(added)] == []


def test_the_password_that_was_printed_in_public_lies_nowhere() -> None:
    for name, body in read_tree():
        for word in set(re.findall(rb"[^\s\"'`<>(){}\[\],;:=|]{6,40}", body)):
            for candidate in (word, word.rstrip(b".!?")):
                assert hashlib.sha256(candidate).hexdigest() != PUBLIC_PASSWORD_SHA256, name


def test_secrets_are_compared_in_constant_time_and_made_by_the_system() -> None:
    """`random` only spreads what need not be secret, and says so in its line; == never compares a secret itself."""
    compared = re.compile(rb"(?:token|secret|signature|password)\s*(?:==|!=)\s*(?!None|\"\")", re.IGNORECASE)
    for name, body in read_tree():
        if not name.endswith(".py") or name.startswith(("tests/", "benchmarks/", "migrations/")):
            continue
        dice = [line for line in body.splitlines() if re.search(rb"\brandom\.(?!SystemRandom)\w+\(", line)]
        assert all(b"S311" in line for line in dice), f"{name}: make it by secrets, or say why it need not be"
        guilty = [line.decode().strip() for line in body.splitlines() if compared.search(line)]
        assert guilty == [], f"{name}: compare by hmac.compare_digest"
