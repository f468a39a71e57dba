"""A report links to its runs in MLflow where it knows the address, and says their keys where it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from analysis.report.addresses import RunAddresses
from analysis.report.document.assembly import report
from analysis.report.renderers.html import html
from tests.analysis.findings import found
from tests.analysis.studies import simulated_runs
from tests.browser import opened_page

AT = RunAddresses("http://127.0.0.1:5000", "7")
FINDINGS = found("s", simulated_runs(np.random.default_rng(3), seeds=9, datasets=("a", "b"), margins=[1.0]))


def test_an_address_finds_a_run_by_its_key_and_by_nothing_else() -> None:
    address = urlsplit(AT.of("k&y"))
    assert (address.netloc, address.query) == ("127.0.0.1:5000", "")
    place, _, options = address.fragment.partition("?")
    assert place == "/experiments/7/runs"
    assert parse_qs(options)["searchFilter"] == ['tags.key = "k&y"']


def test_an_address_has_no_user_no_password_and_no_other_kind() -> None:
    address = "https://me:secret@host:1/mlflow/?token=x#y"  # pragma: allowlist secret
    assert RunAddresses(address, "1").base == "https://host:1/mlflow"
    for other in ("sqlite:///mlflow.db", "javascript:alert(1)", "databricks"):
        with pytest.raises(ValueError, match="http or https"):
            RunAddresses(other, "1")


def test_each_run_that_a_seed_chose_is_a_link_where_mlflow_is_known() -> None:
    page = html(report(replace(FINDINGS, shown_at=AT)))
    links = {
        unescape(key): unescape(address) for address, key in re.findall(r'<a href="(http://127[^"]+)">([^<]+)<', page)
    }
    chosen = [key for comparison in FINDINGS.comparisons for key in comparison.tuned.runs["key"]]
    assert links == {key: AT.of(key) for key in chosen}
    assert "in MLflow at http://127.0.0.1:5000, which must be running" in page
    plain = html(report(FINDINGS))
    assert "127.0.0.1" not in plain
    assert all(key in plain for key in chosen)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    path = tmp_path / "report.html"
    path.write_text(html(report(replace(FINDINGS, shown_at=AT))))
    with opened_page() as page:
        page.goto(f"file://{path}")
        yield page


@pytest.mark.browser
def test_a_dot_says_its_two_runs_with_their_settings_and_links_to_them(page: Any) -> None:
    dot = page.locator(".seeds circle").nth(2)
    dot.focus()
    said = page.locator(".said")
    assert said.inner_text() == dot.locator("title").text_content()
    (comparison, _) = FINDINGS.comparisons
    keys = [str(comparison.tuned.runs.set_index(["seed", "loss"]).loc[(2, arm), "key"]) for arm in comparison.arms]
    assert [link.get_attribute("href") for link in said.locator("a").all()] == [AT.of(key) for key in keys]
    for arm in comparison.arms:
        assert re.search(rf"{arm} \d+\.\d+%, {comparison.tuned.condition(arm, 2)}, run ", said.inner_text())
    dot.click()
    page.locator(".seeds circle").nth(5).hover()
    assert said.inner_text() == dot.locator("title").text_content(), "a dot that was clicked stays"
