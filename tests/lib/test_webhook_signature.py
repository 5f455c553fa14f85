"""The signature of webhooks, against the example that libraries of Standard Webhooks are tested with."""

from __future__ import annotations

from base64 import b64decode

from lib.webhook_signature import is_signed, make_message_id, make_secret, sign

SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "B" * 43 + "="
BODY = b'{"test": 2432232314}'
AT = 1614265330


def test_it_makes_the_signature_of_the_known_example() -> None:
    headers = sign([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", AT, BODY)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_a_receiver_with_either_secret_believes_it_while_the_secret_is_changed() -> None:
    headers = sign([SECRET, OTHER], "msg_1", AT, BODY)
    assert is_signed(SECRET, headers, BODY, now=AT)
    assert is_signed(OTHER, headers, BODY, now=AT + 200)


def test_a_changed_body_an_old_timestamp_and_another_secret_are_not_believed() -> None:
    headers = sign([SECRET], "msg_1", AT, BODY)
    assert not is_signed(SECRET, headers, BODY + b" ", now=AT)
    assert not is_signed(SECRET, headers, BODY, now=AT + 301)
    assert not is_signed(OTHER, headers, BODY, now=AT)
    assert not is_signed(SECRET, {**headers, "webhook-id": "msg_2"}, BODY, now=AT)
    assert not is_signed(SECRET, {}, BODY, now=AT)
    assert not is_signed(SECRET, {**headers, "webhook-signature": "v1,überschrieben"}, BODY, now=AT)


def test_secrets_and_ids_are_new_each_time() -> None:
    assert len(b64decode(make_secret().removeprefix("whsec_"))) == 32
    assert make_secret() != make_secret()
    assert make_message_id() != make_message_id()
