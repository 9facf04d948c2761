"""What can go wrong with the database.

WebhooksError
├── StoreUnavailable    for the moment nothing can be stored or read: 503, and try again
└── StoreUnusable       the database cannot be opened as it is set up: the message says what to change
"""

from receiver.contract.errors import WebhooksError


class StoreUnavailable(WebhooksError):
    """Nothing can be stored or read now: the disk is full, the connection is lost, or too much is waiting already."""


class StoreUnusable(WebhooksError):
    """The database cannot be opened as it is set up; the message holds the next step and no password."""
