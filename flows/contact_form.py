"""A contact form: make a customer, name who is responsible, confirm by e-mail, and answer with the customer's id.

The site's own server posts the form, as JSON or as a form (`name`, `email`, `message`, `topic`, `region`), and shows
the key that the block `webhook-secret/contact-form` holds in `X-API-Key`. The answer is 201 with `{"id", "owner"}`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from prefect import flow
from pydantic import ValidationError
from sqlalchemy import (
    Column,
    Date,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from flows.contact_message import ContactMessage, mailbox_of, owner_of
from flows.nodes import create_record, send_email, upsert_record
from flows.request_body import json_schema, unprocessable
from receiver import Context, Reply, respond, webhook

CONFIRMATIONS_A_DAY = 3
"""So many e-mails a day get to one mailbox: anybody can write anybody's address into a form."""

_TABLES = MetaData()

CUSTOMERS = Table(
    "contact_customers",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("identity", String(300), nullable=False, unique=True),  # the e-mail address, else the delivery
    Column("email", String(254)),
    Column("name", String(200)),
    Column("owner", String(254), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
MESSAGES = Table(
    "contact_messages",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("delivery_id", String(100), nullable=False, unique=True),
    Column("customer_id", Integer, ForeignKey("contact_customers.id"), nullable=False),
    Column("topic", String(100)),
    Column("region", String(100)),
    Column("message", Text),
    Column("received_at", DateTime(timezone=True), nullable=False),
)
CONFIRMATIONS = Table(
    "contact_confirmations",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("mailbox", String(254), nullable=False),
    Column("day", Date, nullable=False),
    Column("place", Integer, nullable=False),
    Column("delivery_id", String(100), nullable=False),
    Column("sent_at", DateTime(timezone=True)),
    UniqueConstraint("mailbox", "day", "place"),
)

# Nothing of what was typed into the form: else it could send anybody's words to anybody.
_SUBJECT = "We have got your message"
_TEXT = (
    "Thank you for writing to us. Somebody will answer you soon.\n\nIf it was not you who wrote, ignore this e-mail.\n"
)


@webhook(
    "contact-form",
    mode="sync",
    verification={"scheme": "api-key", "secret": "block:webhook-secret/contact-form"},
    schema=json_schema(ContactMessage),
)
@flow(log_prints=True)
async def contact_form(context: Context) -> Reply:
    """Make a customer of who filled in the form, answer, and confirm by e-mail when there is an address.

    A customer is known by the e-mail address and keeps the name and the owner of the first form; without an address
    each form makes one. A run that is retried, and a delivery that is replayed, store and send nothing twice.
    """
    try:
        form = ContactMessage.model_validate(context.data)
    except ValidationError as error:
        return unprocessable(error)
    customer = await record(form, context)
    reply = Reply(status=201, body={"id": customer["id"], "owner": customer["owner"]})
    respond(reply.status, reply.body)  # nobody waits for a mail server
    if form.email:
        await confirm(form.email, context)
    return reply


async def record(form: ContactMessage, context: Context) -> dict[str, Any]:
    """Store the customer and the message; the customer as our database has it."""
    customer = await create_record(
        CUSTOMERS,
        {
            "identity": form.email or f"delivery:{context.delivery_id}",
            "email": form.email,
            "name": form.name,
            "owner": owner_of(form),
            "created_at": context.received_at,
        },
        unique=["identity"],
    )
    message = {
        "delivery_id": context.delivery_id,
        "customer_id": customer["id"],
        "topic": form.topic,
        "region": form.region,
        "message": form.message,
        "received_at": context.received_at,
    }
    await create_record(MESSAGES, message, unique=["delivery_id"])
    return customer


async def confirm(email: str, context: Context) -> bool:
    """Send the confirmation, unless the mailbox has had its e-mails of the day; whether it was sent now.

    The day has numbered places, each taken once: two forms at the same moment cannot both be the last one.
    """
    for number in range(1, CONFIRMATIONS_A_DAY + 1):
        place = {"mailbox": mailbox_of(email), "day": context.received_at.astimezone(UTC).date(), "place": number}
        taken = await create_record(CONFIRMATIONS, {**place, "delivery_id": context.delivery_id}, unique=list(place))
        if taken["delivery_id"] == context.delivery_id:
            break
    else:
        print(f"no confirmation: the mailbox has had {CONFIRMATIONS_A_DAY} today")  # noqa: T201 (log_prints)
        return False
    if taken["sent_at"]:
        return False
    await send_email(email, _SUBJECT, _TEXT)
    sent = {**place, "delivery_id": context.delivery_id, "sent_at": datetime.now(UTC)}
    await upsert_record(CONFIRMATIONS, sent, key=list(place))
    return True
