import asyncio
from dataclasses import dataclass

import pytest

from receiver.contract.errors import DefinitionError
from receiver.webhooks.catalog import Catalog, Routes


@dataclass(frozen=True)
class Hook:
    key: str
    path: str | None = None


ORDERS = Hook("orders", "shops/{shop_id}/orders/{order_id}")
ROUTES = Routes([Hook("hello"), ORDERS, Hook("named", "crm/contacts")])


def test_a_webhook_is_found_by_its_key():
    found = ROUTES.find("hello")
    assert found and found.webhook.key == "hello" and found.params == {}


def test_a_custom_path_replaces_the_key():
    assert ROUTES.find("named") is None
    found = ROUTES.find("crm/contacts")
    assert found and found.webhook.key == "named"


def test_path_parameters_are_decoded_after_the_path_was_split():
    found = ROUTES.find("shops/a%2Fb/orders/%C3%A9")
    assert found and found.webhook is ORDERS
    assert found.params == {"shop_id": "a/b", "order_id": "é"}


@pytest.mark.parametrize(
    "path", ["", "hello/", "Hello", "shops//orders/1", "shops/1/orders", "crm/contacts/1", "../hello"]
)
def test_near_paths_are_not_taken_for_a_webhook(path: str):
    assert ROUTES.find(path) is None


def test_a_percent_escape_that_is_no_utf8_does_not_fail():
    found = ROUTES.find("shops/%ff/orders/1")
    assert found and found.params["shop_id"] == "\ufffd"


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("new", "crm/contacts"),
        ("new", "shops/{x}/orders/{y}"),
        ("new", "shops/1/orders/{y}"),
        ("new", "{anything}"),
        ("new", "hello"),
    ],
)
def test_definitions_that_compete_for_a_request_are_refused(key: str, path: str):
    with pytest.raises(DefinitionError, match="clashes with"):
        ROUTES.refuse_clash(key, path)


def test_a_definition_does_not_clash_with_its_own_earlier_self_or_with_other_lengths():
    ROUTES.refuse_clash("orders", "shops/{shop_id}/orders/{order_id}")
    ROUTES.refuse_clash("new", "shops/{shop_id}/orders")


class Rows:
    """What a database would hold."""

    def __init__(self) -> None:
        self.number, self.hooks, self.loads = 0, [Hook("hello")], 0

    async def version(self) -> int:
        return self.number

    async def load(self) -> list[Hook]:
        self.loads += 1
        await asyncio.sleep(0)
        return list(self.hooks)


async def test_a_miss_reads_the_catalog_again_before_it_is_a_miss():
    rows = Rows()
    catalog = Catalog(rows.version, rows.load)
    assert await catalog.find("hello")
    rows.hooks.append(Hook("late"))
    rows.number += 1
    assert await catalog.find("late")


async def test_an_unchanged_catalog_is_not_loaded_again():
    rows = Rows()
    catalog = Catalog(rows.version, rows.load)
    await catalog.find("nothing")
    await catalog.find("nothing either")
    assert rows.loads == 1


async def test_everyone_who_asks_at_once_for_what_is_new_finds_it():
    rows = Rows()
    catalog = Catalog(rows.version, rows.load)
    await catalog.refresh()
    rows.hooks.append(Hook("late"))
    rows.number += 1
    # The first reads the database for the others too.
    assert all(await asyncio.gather(*(catalog.find("late") for _ in range(5))))
    assert rows.loads == 2
