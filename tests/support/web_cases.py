"""Requests to the web page."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.common.by import By

from sernet_edge.runtime.outputs.web import Web

Serve = Callable[..., Web]
"""The type of the fixture `serve`."""


def request(web: Web, path: str = "/", method: str = "GET", body: str = "", **headers: str) -> Any:
    """Send a request over a new connection; the response has `content` and `text`."""
    connection = http.client.HTTPConnection("127.0.0.1", port(web), timeout=60)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(connection):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.content = response.read()  # type: ignore[attr-defined]
        response.text = response.content.decode(errors="replace")  # type: ignore[attr-defined]
    return response


def port(web: Web) -> int:
    return urlsplit(web.url).port or 0


def text(browser: webdriver.Chrome, name: str) -> str:
    return browser.find_element(By.ID, name).text


def complaints(browser: webdriver.Chrome) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return found
