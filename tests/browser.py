"""A headless Chromium for tests that read pages as people do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SCREENSHOTS = Path("build") / "screenshots"  # kept by CI
PATIENCE = 60_000  # milliseconds until a page shows something, on a busy machine


@contextmanager
def opened_page(width: int = 1300, height: int = 900) -> Iterator[Any]:
    """A page of a browser, of so many pixels. Skips where there is none, except on CI, which must have one."""
    browser = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if browser is None:
        missing(f"browser ({' or '.join(BROWSERS)})")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright")
    with sync_playwright() as driver:
        # Root, as on CI, has no sandbox; the pages are this machine's own.
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        try:
            yield chromium.new_page(viewport={"width": width, "height": height})
        finally:
            chromium.close()


def missing(what: str) -> None:
    """Skips, except on CI, which must have what these tests need."""
    if os.environ.get("CI"):
        pytest.fail(f"CI has no {what}")
    pytest.skip(f"no {what}")


def comes_to_show(page: Any, text: str) -> bool:
    """Waits until the page shows a text; playwright's TimeoutError names it if it never does."""
    page.wait_for_function("text => document.body.innerText.includes(text)", arg=text, timeout=PATIENCE)
    return True


def count_of(elements: Any, expected: int) -> int:
    """How many elements a page shows, as soon as it shows so many as are expected."""
    elements.nth(expected - 1).wait_for(state="attached", timeout=PATIENCE)
    found: int = elements.count()
    return found


def keep_picture(page: Any, name: str) -> None:
    """A screenshot of what is in sight."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name.lower().replace(' ', '-')}.png")
