"""The nodes: what a workflow does, each a Prefect task with retries, a timeout and a readable name.

One node a file, in two parts: `plan(...)` decides without I/O, the task performs what was planned.
"""

from blocks.errors import Failed, InvalidInput, NotConfigured, ServiceError, TryAgain, UnknownColumn, UnknownTable
from flows.nodes._approval import approval
from flows.nodes.change_records import change_records, create, delete, update, upsert
from flows.nodes.create_record import create_record
from flows.nodes.create_records import create_records
from flows.nodes.delete_record import delete_record
from flows.nodes.delete_records import delete_records
from flows.nodes.http_pages import http_pages
from flows.nodes.http_request import http_request
from flows.nodes.javascript import javascript
from flows.nodes.notify import notify
from flows.nodes.query_records import query_records
from flows.nodes.send_email import send_email
from flows.nodes.start_deployment import start_deployment
from flows.nodes.summarize_records import summarize_records
from flows.nodes.transform import transform
from flows.nodes.update_record import update_record
from flows.nodes.update_records import update_records
from flows.nodes.upsert_record import upsert_record
from flows.nodes.upsert_records import upsert_records
from flows.nodes.upsert_with_lines import upsert_with_lines
from flows.nodes.validate import validate
from flows.nodes.when import when

__all__ = [
    "Failed",
    "InvalidInput",
    "NotConfigured",
    "ServiceError",
    "TryAgain",
    "UnknownColumn",
    "UnknownTable",
    "approval",
    "change_records",
    "create",
    "create_record",
    "create_records",
    "delete",
    "delete_record",
    "delete_records",
    "http_pages",
    "http_request",
    "javascript",
    "notify",
    "query_records",
    "send_email",
    "start_deployment",
    "summarize_records",
    "transform",
    "update",
    "update_record",
    "update_records",
    "upsert",
    "upsert_record",
    "upsert_records",
    "upsert_with_lines",
    "validate",
    "when",
]
