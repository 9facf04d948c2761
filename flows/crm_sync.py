"""Contacts and deals of a CRM, kept in step in our database: events in any order, repeated, in batches.

The sender signs the body with the secret of the block `webhook-secret/crm-sync`: HMAC with SHA-256, in hex, in the
header `X-Signature-256: sha256=...`. A request is one event or a list of them, in the shape of HubSpot's events or of
Salesforce's records:

    [{"eventId": 1, "subscriptionType": "contact.propertyChange", "objectId": 512, "propertyName": "email",
      "propertyValue": "ada@example.com", "occurredAt": 1772352000000}]

The table `crm_fields` has a row for each field of each record. The view of a contact with columns is a query:

    SELECT external_id, max(value) FILTER (WHERE field = 'email') AS email
    FROM crm_fields WHERE kind = 'contact' GROUP BY external_id
    HAVING coalesce(max(value) FILTER (WHERE field = '$deleted'), 'false') <> 'true'
"""

from __future__ import annotations

from prefect import flow
from sqlalchemy import BigInteger, Column, MetaData, String, Table, Text

from flows.crm_event import KEY, rows_of
from flows.nodes import upsert_records
from receiver import Batch, DeliveriesFailed, webhook

CRM_FIELDS = Table(
    "crm_fields",
    MetaData(),
    Column("source", String(50), primary_key=True),
    Column("kind", String(50), primary_key=True),
    Column("external_id", String(100), primary_key=True),
    Column("field", String(200), primary_key=True),
    Column("value", Text),
    Column("version", BigInteger, nullable=False),
)


@webhook(
    "crm-sync",
    split="{{$context.data}}",
    batch={"max_size": 100, "max_wait": "2s"},
    ordering_key="{{$context.data.objectId | default(null)}}",
    deduplicate={"key": "{{$context.data.eventId | default(null)}}"},
    parameters={"batch": "{{$context}}"},
    verification={
        "scheme": "hmac",
        "secret": "block:webhook-secret/crm-sync",
        "header": "X-Signature-256",
        "prefix": "sha256=",
    },
)
@flow(log_prints=True)
async def crm_sync(batch: Batch) -> None:
    """Store what the events tell, each field as new as it is; an event that cannot be read fails alone."""
    rows, unreadable = [], []
    for context in batch:
        try:
            rows += rows_of(context.data)
        except ValueError as error:
            unreadable.append(context)
            problem = str(error).splitlines()[0]
            print(f"delivery {context.delivery_id} is no event of a contact or a deal: {problem}")  # noqa: T201 (log_prints)
    await upsert_records(CRM_FIELDS, rows, key=KEY, version="version")
    if unreadable:
        raise DeliveriesFailed(unreadable)
