"""Credentials and connections as Prefect blocks, one service a file.

`prefect block register -m blocks` makes them appear in Prefect's UI; `python -m blocks.bootstrap` does so too, and
makes the secrets of the example workflows.
"""

from blocks.apprise_channel import AppriseChannel
from blocks.chat_robot import ChatRobot
from blocks.http_service import HttpService
from blocks.records_database import RecordsDatabase
from blocks.smtp import Smtp
from blocks.webhook_secret import WebhookSecret
from blocks.webhooks_receiver import WebhooksReceiver

__all__ = [
    "AppriseChannel",
    "ChatRobot",
    "HttpService",
    "RecordsDatabase",
    "Smtp",
    "WebhookSecret",
    "WebhooksReceiver",
]
