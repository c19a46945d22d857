"""Fixtures for the tests of the web page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from output_cases import SESSION, Told

from sernet_edge.runtime.outputs.session import Session
from sernet_edge.runtime.outputs.web import Web
from sernet_edge.runtime.outputs.web_access import Address

if TYPE_CHECKING:
    from selenium import webdriver
    from web_cases import Serve


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serve the page; close it at the end."""
    # Every record of a test must be sent.
    monkeypatch.setattr("sernet_edge.runtime.outputs.web._MIN_INTERVAL_S", 0.0)
    monkeypatch.setattr("sernet_edge.runtime.outputs.web_app._WRONG_TOKEN_S", 0.0)
    opened: list[Web] = []

    def on(
        address: str = "127.0.0.1:0", token: str | None = None, session: Session = SESSION
    ) -> Web:
        opened.append(Web(Address.from_text(address), token, session, Told(), timing=True))
        return opened[-1]

    yield on
    for web in opened:
        web.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """A headless Chromium that connects only to this machine."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert program and driver, "the Debian packages chromium and chromium-driver are needed"
    options.binary_location = program
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--no-first-run", "--disable-quic", "--window-size=1080,900",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options, Service(driver))
    yield chrome
    chrome.quit()
