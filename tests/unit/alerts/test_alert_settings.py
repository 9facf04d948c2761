"""What settings of warnings may be; none of them is repeated when it is wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest

from receiver.contract.errors import WebhooksError
from receiver.settings import load_settings

SMTP = "smtps://bot:s3cret@mail.example.com"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SMTP_URL": "mail.s3cret.com", "EMAIL_TO": "a@b.c"}, "ALERT_SMTP_URL is written smtp://"),
        ({"SMTP_URL": "smtp://bot:s3cret@host:99999", "EMAIL_TO": "a@b.c"}, "ALERT_SMTP_URL is written smtp://"),
        ({"SMTP_URL": SMTP}, "ALERT_EMAIL_TO is missing"),
        ({"EMAIL_TO": "ops@example.com"}, "is set without WEBHOOKS_ALERT_SMTP_URL"),
        ({"SMTP_URL": SMTP, "EMAIL_TO": "s3cret\n@example.com"}, "ALERT_EMAIL_TO is one to 20 addresses"),
        (
            {"SMTP_URL": SMTP, "EMAIL_TO": "a@b.c", "EMAIL_FROM": "me\r\nBcc: x@s3cret"},
            "ALERT_EMAIL_FROM is an address",
        ),
        ({"URL": "http://chat.example.com/s3cret"}, "ALERT_URL is an address that begins with https"),
        ({"URL": "https:///s3cret"}, "ALERT_URL is an address"),
        ({"URL_SECRET": "whsec_czNjcmV0czNjcmV0czNjcmV0"}, "set without WEBHOOKS_ALERT_URL"),
        ({"URL": "https://chat.example.com/", "URL_SECRET": "s3cret"}, "ALERT_URL_SECRET is whsec_"),
        ({"SILENCE": "sometimes"}, "ALERT_SILENCE is auto or off"),
        ({"SILENCE": "orders=2 fortnights"}, "ALERT_SILENCE '2 fortnights' is no duration"),
    ],
)
def test_what_cannot_be_used_is_refused_at_start(
    variables: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
):
    for name, value in variables.items():
        monkeypatch.setenv(f"WEBHOOKS_ALERT_{name}", value)
    with pytest.raises(WebhooksError, match=words) as refused:
        load_settings()
    assert "s3cret" not in str(refused.value) and "czNj" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "learned", "own"),
    [
        ("auto", True, {}),
        ("off", False, {}),
        ("orders=2h, reports=off", True, {"orders": timedelta(hours=2), "reports": None}),
        ("off,orders=1d", False, {"orders": timedelta(days=1)}),
    ],
)
def test_silence_is_learned_or_set(
    text: str, learned: bool, own: dict[str, timedelta | None], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WEBHOOKS_ALERT_SILENCE", text)
    alerts = load_settings().alerts
    assert (alerts.learns_silence, alerts.silence) == (learned, own)
