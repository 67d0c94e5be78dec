"""The claims ledger holds every claim of the paper, and every check that carries one, with a link that arrives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, Page

from implicit_lib.checks import CHECK_MIME
from implicit_lib.claims import CLAIMS
from tests.conftest import visit
from tests.notebooks.hygiene import NOTEBOOKS, code


@pytest.fixture(scope="module")
def ledger(browser: Browser, site_url: str) -> Iterator[Page]:
    with visit(browser, f"{site_url}/book/claims.html") as visited:
        yield visited.page


def stored_records() -> list[dict[str, Any]]:
    """The records of all checks in the committed notebooks that carry a claim."""
    outputs = (o for path in NOTEBOOKS for cell in code(nbformat.read(path, as_version=4)) for o in cell.outputs)
    records = (output.get("data", {}).get(CHECK_MIME) for output in outputs)
    return [record for record in records if record and record["claim"]]


def test_has_a_row_for_every_claim(ledger: Page) -> None:
    names = ledger.locator("table.ledger tbody td:first-child code").all_inner_texts()
    assert names == list(CLAIMS)


def test_every_check_that_carries_a_claim_is_in_its_row(ledger: Page) -> None:
    for record in stored_records():
        name = ledger.locator(f"code .pre:text-is('{record['claim']}')")
        row = ledger.locator("table.ledger tbody tr").filter(has=name)
        for part in (record["name"], record["statement"], record["falsified_by"]):
            assert part in " ".join(row.inner_text().split()), (record["claim"], part)


def test_what_is_not_checked_says_so(ledger: Page) -> None:
    checked = {record["claim"] for record in stored_records()}
    assert ledger.get_by_text("Not yet checked.").count() == len(set(CLAIMS) - checked)


def test_every_link_arrives_at_its_verdict(ledger: Page) -> None:
    links = ledger.locator("table.ledger a").evaluate_all(
        "(links) => links.map(({ href }) => decodeURI(href).split('#'))"
    )
    assert links
    for page in sorted({page for page, _ in links}):
        ledger.goto(page, wait_until="domcontentloaded")
        for verdict in (verdict for of, verdict in links if of == page):
            assert ledger.locator(f"p.verdict#{verdict}").count() == 1, (page, verdict)
