"""Get a list that another system gives page by page."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import httpx

from blocks import HttpService
from blocks.errors import Failed, InvalidInput, TryAgain
from flows.nodes._http_calls import Conditions, address, find, perform
from flows.nodes._mask import masked_text
from flows.nodes._node import RETRY_DELAYS, node
from flows.nodes.http_request import DEFAULT_TIMEOUT, SUCCESS, conditions
from flows.nodes.http_request import plan as request_for

By = Literal["link", "next_url", "cursor", "page", "offset"]
Path = str | Sequence[str]
"""Where something is in an answer: `paging.next.after`, or a list of keys where one has a dot; empty for the whole."""

MAX_PAGES, MAX_ITEMS, MAX_PAGE_BYTES = 10_000, 1_000_000, 10 * 1024 * 1024


def plan(
    by: By, url: httpx.URL, answer: Mapping[str, Any], *, got: int, field: Path = "", parameter: str = ""
) -> httpx.URL | None:
    """The address of the next page, None after the last. `got` is how many items the answer held.

    >>> plan("page", httpx.URL("https://crm.example.com/deals"), {}, got=50, parameter="page")
    URL('https://crm.example.com/deals?page=2')
    >>> answer = {"json": {"paging": {"next": {"after": "c7"}}}}
    >>> plan("cursor", httpx.URL("https://crm.example.com/deals"), answer, got=50, field="paging.next.after",
    ...      parameter="after")
    URL('https://crm.example.com/deals?after=c7')
    """
    if by in {"page", "offset"}:
        here = url.params.get(parameter, "1" if by == "page" else "0")
        if not here.isdecimal():
            raise InvalidInput(f"query: {parameter} is {here[:40]!r}, not a number")
        return url.copy_set_param(parameter, int(here) + (1 if by == "page" else got)) if got else None
    if by == "link":
        link = httpx.Response(200, headers={"Link": answer["headers"].get("link", "")}).links.get("next", {})
        value = link.get("url")
    else:
        value = at(answer["json"], field)
    if value is None or value in ("", False):
        return None
    if not isinstance(value, str | int):
        raise Failed(f"the answer's {field!r} is no {'cursor' if by == 'cursor' else 'address'}")
    if by == "cursor":
        return url.copy_set_param(parameter, str(value))
    return _same_origin(url, str(value))


@node("{url} page by page", timeout=3600)
async def http_pages(
    url: str,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    *,
    items: Path = "",
    by: By = "link",
    field: Path = "",
    parameter: str = "",
    service: str | HttpService | None = None,
    max_pages: int = 100,
    max_items: int = 10_000,
) -> dict[str, Any]:
    """Get a list that another system gives page by page, whole or not at all.

    ```python
    deals = await http_pages("/deals", items="results", by="cursor", field="paging.next.after", parameter="after")
    ```

    Args:
        url: As for `http_request`; each page is a GET.
        headers: Of each request.
        query: Of the first page; `page` and `offset` count from what it says.
        items: Where the list is in an answer, as `data.results`, or a list of keys; empty where the answer is the list.
        by: How the next page is found: `link` (the header Link with rel="next"), `next_url` (it is in `field`),
            `cursor` (`field` goes into the query as `parameter`), `page` (`parameter` counts pages from 1) or `offset`
            (`parameter` counts items from 0). The last two end at an empty page.
        field: Where the cursor or the next address is in an answer.
        parameter: The name in the query.
        service: As for `http_request`.
        max_pages: More are an error, so that a list is never cut unseen; at most 10,000.
        max_items: The same for items; at most 1,000,000.

    Returns:
        `{"items": [...], "pages": 3}`.

    Raises:
        InvalidInput: What is asked for cannot be done.
        NotConfigured: As for `http_request`.
        Failed: A page could not be got (each is tried four times), holds no list, leads to another system or in a
            circle, or there are more than allowed.
    """
    _check(by, field, parameter, max_pages, max_items)
    block = await find(service)
    terms = conditions(
        "GET",
        seconds=block.timeout if block else DEFAULT_TIMEOUT,
        expect=SUCCESS,
        repeatable=True,
        follow_redirects=False,
        max_bytes=MAX_PAGE_BYTES,
    )
    following: httpx.URL | None = request_for("GET", address(block, url), query=query).url
    found: list[Any] = []
    seen: set[str] = set()
    while following is not None:
        here = following
        if str(here) in seen:
            raise Failed(f"page {len(seen)} leads back to {masked_text(str(here))}")
        if len(seen) >= max_pages:
            raise Failed(f"there are more than {max_pages} pages: ask for less, or raise max_pages")
        seen.add(str(here))
        answer = await _page(len(seen), here, headers, block, terms)
        page = at(answer["json"], items)
        if not isinstance(page, list):
            raise Failed(f"page {len(seen)} has no list at items={items!r}")
        found += page
        if len(found) > max_items:
            raise Failed(f"there are more than {max_items} items: ask for less, or raise max_items")
        following = plan(by, here, answer, got=len(page), field=field, parameter=parameter)
    return {"items": found, "pages": len(seen)}


def at(document: Any, path: Path) -> Any:
    """What is there in the document, None where nothing is.

    >>> at({"paging": {"next": "x"}, "@odata.next": "y"}, "paging.next"), at({"@odata.next": "y"}, ["@odata.next"])
    ('x', 'y')
    """
    keys = [key for key in path.split(".") if key] if isinstance(path, str) else path
    for key in keys:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


async def _page(
    number: int, url: httpx.URL, headers: Mapping[str, str] | None, block: HttpService | None, terms: Conditions
) -> dict[str, Any]:
    """One page, with its own retries: were the task retried, it would begin again at the first page."""
    for delay in (*RETRY_DELAYS, None):
        try:
            return await perform(request_for("GET", str(url), headers), block, terms)
        except TryAgain as error:
            if delay is None:
                raise Failed(f"page {number}: {error}") from error
            await asyncio.sleep(error.after or delay)
    raise AssertionError("the last try returns or raises")


def _check(by: str, field: Path, parameter: str, max_pages: int, max_items: int) -> None:
    if by not in get_args(By):
        raise InvalidInput(f"by: {by!r} is none of {', '.join(get_args(By))}")
    if by in {"next_url", "cursor"} and not field:
        raise InvalidInput(f"by={by!r} needs field: where the answer holds it")
    if by in {"cursor", "page", "offset"} and not parameter:
        raise InvalidInput(f"by={by!r} needs parameter: its name in the query")
    if not (0 < max_pages <= MAX_PAGES and 0 < max_items <= MAX_ITEMS):
        raise InvalidInput(f"max_pages is at most {MAX_PAGES}, max_items at most {MAX_ITEMS}, and both are over 0")


def _same_origin(url: httpx.URL, following: str) -> httpx.URL:
    """Credentials go with every page, so none may lead elsewhere."""
    try:
        joined = url.join(following)
    except httpx.InvalidURL as error:
        raise Failed(f"the next page's address cannot be used: {error}") from error
    if (joined.scheme, joined.host, joined.port) != (url.scheme, url.host, url.port):
        raise Failed(f"the next page is at {joined.scheme}://{joined.host}, not at {url.scheme}://{url.host}")
    return joined
