"""Settings: defaults, wrong values named in one sentence, production's refusals, masked secrets."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from config import SETTINGS, load_settings
from errors import SettingInvalid

PRODUCTION = {
    "LUX_ENV": "production",
    "SESSION_SECRET": "x" * 40,
    "LUX_PUBLIC_URL": "https://lux.example",
    "DATABASE_URL": "postgres://lux@db/lux",
}


def test_defaults_make_a_start(tmp_path: Path) -> None:
    settings = load_settings({"LUX_DATA_DIR": str(tmp_path)}, dotenv=None)
    assert (settings.host, settings.port, settings.openai_model) == ("127.0.0.1", 5000, "gpt-4o")
    assert settings.database_url is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LUX_ENV", "staging"),
        ("PORT", "http"),
        ("PORT", "70000"),
        ("LUX_PUBLIC_URL", "lux.example"),
        ("DATABASE_URL", "mysql://x"),
        ("SMTP_URL", "mail.example.com"),
        ("MAIL_FROM", "a@b.example\nBcc: c@d.example"),
        ("AUTO_REPAIR", "yes"),
        ("TIMEZONE", "Mars/Olympus"),
        ("AI_DAILY_BUDGET_USD", "-1"),
        ("DEFAULT_PHONE_REGION", "USA"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        load_settings({"LUX_DATA_DIR": str(tmp_path), name: value}, dotenv=None)
    assert caught.value.detail.startswith(name + " ")


@pytest.mark.parametrize(
    ("name", "value"), [("SESSION_SECRET", ""), ("LUX_PUBLIC_URL", "http://lux.example"), ("DATABASE_URL", "")]
)
def test_production_refuses_unsafe_defaults(name: str, value: str) -> None:
    assert load_settings(PRODUCTION, dotenv=None).is_production
    with pytest.raises(SettingInvalid) as caught:
        load_settings({**PRODUCTION, name: value}, dotenv=None)
    assert caught.value.setting == name


def test_postgres_addresses_are_taken_in_both_spellings() -> None:
    assert load_settings(PRODUCTION, dotenv=None).database_url == "postgresql://lux@db/lux"


def test_the_generated_secret_is_kept_and_private(tmp_path: Path) -> None:
    first = load_settings({"LUX_DATA_DIR": str(tmp_path)}, dotenv=None).session_secrets
    assert first == load_settings({"LUX_DATA_DIR": str(tmp_path)}, dotenv=None).session_secrets
    assert stat.S_IMODE((tmp_path / "session_secret").stat().st_mode) == 0o600


def test_dotenv_counts_in_development_and_never_over_the_environment(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("PORT=6001\nTIMEZONE=Europe/Berlin\n")
    settings = load_settings({"LUX_DATA_DIR": str(tmp_path), "PORT": "6002"}, dotenv=dotenv)
    assert (settings.port, settings.timezone) == (6002, "Europe/Berlin")


def test_every_setting_is_shown_and_secrets_are_not(tmp_path: Path) -> None:
    secrets = {"OPENAI_API_KEY": "sk-canary", "OPERATOR_TOKEN": "canary-token", "SMTP_URL": "smtp://u:canary@h"}
    rows = load_settings({"LUX_DATA_DIR": str(tmp_path), **secrets}, dotenv=None).masked()
    assert [row[0] for row in rows] == [row.name for row in SETTINGS]
    assert "canary" not in str(rows)


@pytest.mark.parametrize(
    ("issuer", "changes"),
    [
        ("http://id.example/oidc", {}),
        ("http://127.0.0.1.id.example/oidc", {}),
        ("http://localhost:9/oidc", PRODUCTION),
        ("ftp://id.example", {}),
    ],
)
def test_a_sign_in_provider_that_others_could_listen_to_is_refused(
    tmp_path: Path, issuer: str, changes: dict[str, str]
) -> None:
    with pytest.raises(SettingInvalid) as caught:
        load_settings({"LUX_DATA_DIR": str(tmp_path), **changes, "ISSUER_URL": issuer}, dotenv=None)
    assert caught.value.setting == "ISSUER_URL"


def test_a_provider_on_this_machine_may_speak_http_in_development(tmp_path: Path) -> None:
    given = {"LUX_DATA_DIR": str(tmp_path), "ISSUER_URL": "http://localhost:3000/oidc/"}
    assert load_settings(given, dotenv=None).issuer_url == "http://localhost:3000/oidc"


def test_on_replit_its_first_domain_is_the_address_unless_another_is_given(tmp_path: Path) -> None:
    given = {"LUX_DATA_DIR": str(tmp_path), "REPLIT_DOMAINS": "lux.replit.example, other.example"}
    assert load_settings(given, dotenv=None).lux_public_url == "https://lux.replit.example"
    own = load_settings({**given, "LUX_PUBLIC_URL": "https://lux.example"}, dotenv=None)
    assert own.lux_public_url == "https://lux.example"
