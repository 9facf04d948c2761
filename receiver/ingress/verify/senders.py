"""Senders whose signature is an HMAC over bytes of the request: one row each. A new one is a row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from receiver.ingress.verify.base import Scheme, SwitchOff
from receiver.ingress.verify.handshakes import (
    Greeting,
    dropbox_challenge,
    head_probe,
    slack_challenge,
    woocommerce_ping,
    zoom_validation,
)
from receiver.ingress.verify.presets import Preset, scheme_of

MIB = 1024 * 1024
_TOLERANCE = frozenset({"tolerance"})
_Fields = Mapping[str, Any]


def _standard(start: str) -> _Fields:
    """Standard Webhooks v1, under the header names that begin with `start`."""
    return {
        "header": f"{start}-signature",
        "separator": " ",
        "prefix": "v1,",
        "encoding": "base64",
        "key": "whsec",
        "timestamp_header": f"{start}-timestamp",
        "signed": f"{{header:{start}-id}}.{{timestamp}}.{{body}}",
    }


def _stamped(header: str, time: str, prefix: str, separator: str = ",", signed: str = "{timestamp}.{body}") -> _Fields:
    """One header with timestamp and signature: `t=1700000000,v1=5f2e...`."""
    return {
        "header": header,
        "separator": separator,
        "prefix": prefix,
        "timestamp_prefix": time,
        "signed": signed,
        "tolerance_applies": "past",
    }


PRESETS: tuple[Preset, ...] = (
    # code and projects
    Preset(
        name="github",
        about="GitHub",
        to_enter="the webhook's secret",
        setup="Settings, Webhooks: content type application/json. `ping` is a delivery like any other.",
        signature={"header": "X-Hub-Signature-256", "prefix": "sha256="},
        event_id="{{$context.headers.x-github-delivery}}",
        max_body=25 * MIB,
        answer_deadline=9,
        content_types=("application/json", "application/x-www-form-urlencoded"),
    ),
    Preset(
        name="gitea",
        about="Gitea",
        to_enter="the webhook's secret",
        signature={"header": "X-Gitea-Signature"},
        event_id="{{$context.headers.x-gitea-delivery}}",
    ),
    Preset(
        name="forgejo",
        about="Forgejo, Codeberg",
        to_enter="the webhook's secret",
        signature={"header": ["X-Forgejo-Signature", "X-Gitea-Signature"]},
        event_id="{{$context.headers.x-gitea-delivery}}",
    ),
    Preset(
        name="gogs",
        about="Gogs",
        to_enter="the webhook's secret",
        signature={"header": "X-Gogs-Signature"},
        event_id="{{$context.headers.x-gogs-delivery}}",
    ),
    Preset(
        name="bitbucket",
        about="Bitbucket Cloud",
        to_enter="the webhook's secret",
        signature={"header": "X-Hub-Signature", "prefix": "sha256="},
        event_id="{{$context.headers.x-request-uuid}}",
    ),
    Preset(
        name="bitbucket-server",
        about="Bitbucket Server and Data Center",
        to_enter="the webhook's secret",
        signature={"header": "X-Hub-Signature", "prefix": "sha256="},
        event_id="{{$context.headers.x-request-id}}",
    ),
    Preset(
        name="jira",
        about="Jira, webhooks made by an administrator",
        to_enter="the webhook's secret",
        signature={"header": "X-Hub-Signature", "prefix": "sha256="},
        event_id="{{$context.headers.x-atlassian-webhook-identifier}}",
    ),
    Preset(
        name="linear",
        about="Linear",
        to_enter="the webhook's signing secret",
        signature={
            "header": "Linear-Signature",
            "timestamp_field": "webhookTimestamp",
            "timestamp_unit": "ms",
            "tolerance": 60,
        },
        event_id="{{$context.headers.linear-delivery}}",
        adjustable=_TOLERANCE,
        answer_deadline=4,
    ),
    # shops and payments
    Preset(
        name="stripe",
        about="Stripe",
        to_enter="the endpoint's signing secret, with its `whsec_`",
        signature=_stamped("Stripe-Signature", "t=", "v1="),
        event_id="{{$context.data.id}}",
        adjustable=_TOLERANCE,
    ),
    Preset(
        name="shopify",
        about="Shopify",
        to_enter="the app's client secret, or the key shown under Notifications",
        signature={"header": ["X-Shopify-Hmac-Sha256", "Shopify-Hmac-Sha256"], "encoding": "base64"},
        event_id="{{$context.headers.x-shopify-webhook-id}}",
        kind_header="x-shopify-topic",
        answer_deadline=4,
        switch_off=SwitchOff(
            in_a_row=8,
            then="removes the subscription where the Admin API made it",
            source="https://shopify.dev/docs/apps/build/webhooks/troubleshoot",
        ),
    ),
    Preset(
        name="woocommerce",
        about="WooCommerce",
        to_enter="the webhook's secret",
        setup="The secret must not be left empty.",
        signature={"header": "X-WC-Webhook-Signature", "encoding": "base64"},
        handshake=Greeting(about="the form `webhook_id=N`, unsigned", answer=woocommerce_ping, signed=False),
        switch_off=SwitchOff(
            in_a_row=5,
            then="disables the webhook",
            source="https://woocommerce.com/document/webhooks/",
        ),
    ),
    Preset(
        name="square",
        about="Square",
        to_enter="the subscription's signature key",
        setup="The URL is signed as it is entered there: set WEBHOOKS_PUBLIC_URL, or the option notification_url.",
        signature={"header": "X-Square-HmacSha256-Signature", "encoding": "base64", "signed": "{url}{body}"},
        event_id="{{$context.data.event_id}}",
        adjustable=frozenset({"notification_url"}),
        answer_deadline=9,
    ),
    Preset(
        name="paddle",
        about="Paddle Billing",
        to_enter="the notification destination's secret key",
        signature={**_stamped("Paddle-Signature", "ts=", "h1=", ";", "{timestamp}:{body}"), "tolerance": 5},
        event_id="{{$context.data.event_id}}",
        adjustable=_TOLERANCE,
        answer_deadline=4,
    ),
    Preset(
        name="adyen-header",
        about="Adyen webhooks that are signed in the header HmacSignature (platforms, balance accounts, management)",
        to_enter="the webhook's HMAC key, in hexadecimal",
        signature={"header": "HmacSignature", "encoding": "base64", "key": "hex"},
        answer_deadline=9,
    ),
    Preset(
        name="zoho-payments",
        about="Zoho Payments",
        to_enter="the webhook's signing key",
        signature={**_stamped("X-Zoho-Webhook-Signature", "t=", "v="), "timestamp_unit": "ms"},
        adjustable=_TOLERANCE,
        answer_deadline=14,
    ),
    Preset(
        name="erpnext",
        about="ERPNext and every Frappe application",
        to_enter="the webhook's secret",
        setup="Webhook, Enable Security. Add a header Content-Type: application/json there.",
        signature={"header": "X-Frappe-Webhook-Signature", "encoding": "base64"},
        answer_deadline=4,
    ),
    Preset(
        name="salesforce-marketing-cloud",
        about="Salesforce Marketing Cloud, Event Notification Service",
        to_enter="the callback's signature key",
        setup="The key is shown once, when the callback is made. The callback is verified by hand: its verification "
        "key is in the body of the refused request.",
        signature={"header": "X-SFMC-ENS-Signature", "encoding": "base64"},
    ),
    # people and messages
    Preset(
        name="slack",
        about="Slack",
        to_enter="the app's signing secret",
        signature={
            "header": "X-Slack-Signature",
            "prefix": "v0=",
            "timestamp_header": "X-Slack-Request-Timestamp",
            "signed": "v0:{timestamp}:{body}",
        },
        event_id="{{$context.data.event_id}}",
        adjustable=_TOLERANCE,
        # Slack's older verification token still comes in every body; receivers elsewhere may believe it.
        body_credentials=frozenset({"token"}),
        handshake=Greeting(about="`url_verification`", answer=slack_challenge),
        answer_deadline=2.5,
        content_types=("application/json", "application/x-www-form-urlencoded"),
        switch_off=SwitchOff(
            share=0.95,
            then="disables the app's event subscriptions",
            source="https://api.slack.com/events/app_rate_limited",
        ),
    ),
    Preset(
        name="zoom",
        about="Zoom",
        to_enter="the app's secret token",
        setup="Feature, Token: the secret token, not the older verification token.",
        signature={
            "header": "X-Zm-Signature",
            "prefix": "v0=",
            "timestamp_header": "X-Zm-Request-Timestamp",
            "signed": "v0:{timestamp}:{body}",
        },
        adjustable=_TOLERANCE,
        handshake=Greeting(about="`endpoint.url_validation`", answer=zoom_validation),
        answer_deadline=2.5,
    ),
    Preset(
        name="line",
        about="LINE Messaging API",
        to_enter="the channel secret",
        signature={"header": "X-Line-Signature", "encoding": "base64"},
        event_id="{{$context.data.webhookEventId}}",
        split="{{$context.data.events}}",
    ),
    Preset(
        name="intercom",
        about="Intercom",
        to_enter="the app's client secret",
        signature={"header": "X-Hub-Signature", "prefix": "sha1=", "algorithm": "sha1"},
        event_id="{{$context.data.id}}",
        handshake=Greeting(about="HEAD", answer=head_probe, signed=False, methods=frozenset({"HEAD"})),
        answer_deadline=4,
    ),
    Preset(
        name="typeform",
        about="Typeform",
        to_enter="the webhook's secret",
        signature={"header": "Typeform-Signature", "prefix": "sha256=", "encoding": "base64"},
        event_id="{{$context.data.event_id}}",
        answer_deadline=25,
    ),
    Preset(
        name="calendly",
        about="Calendly",
        to_enter="the subscription's signing key",
        signature={**_stamped("Calendly-Webhook-Signature", "t=", "v1="), "tolerance": 180},
        adjustable=_TOLERANCE,
    ),
    # files
    Preset(
        name="dropbox",
        about="Dropbox",
        to_enter="the app secret",
        signature={"header": "X-Dropbox-Signature"},
        handshake=Greeting(
            about="GET with `challenge`", answer=dropbox_challenge, signed=False, methods=frozenset({"GET"})
        ),
        answer_deadline=9,
    ),
    # Standard Webhooks, and who sends them
    Preset(
        name="standard-webhooks",
        about="senders of Standard Webhooks v1",
        to_enter="the signing secret, with or without `whsec_`",
        signature=_standard("webhook"),
        event_id="{{$context.headers.webhook-id}}",
        adjustable=_TOLERANCE,
    ),
    Preset(
        name="svix",
        about="Svix and who sends through it: Clerk, Resend",
        to_enter="the signing secret, with or without `whsec_`",
        signature=_standard("svix"),
        event_id="{{$context.headers.svix-id}}",
        adjustable=_TOLERANCE,
    ),
    Preset(
        name="openai",
        about="OpenAI",
        to_enter="the webhook's signing secret, with or without `whsec_`",
        signature=_standard("webhook"),
        event_id="{{$context.headers.webhook-id}}",
        adjustable=_TOLERANCE,
    ),
)

SCHEMES: tuple[type[Scheme], ...] = tuple(scheme_of(preset) for preset in PRESETS)
