"""A guided session on the web page: who can answer, and a clip recorded from a browser."""

from __future__ import annotations

import io
import itertools
import json
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from output_cases import CONTRACT, SESSION, Told, eventually
from selenium import webdriver
from selenium.webdriver.common.by import By
from web_cases import complaints, request, text

from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.outputs.web import Web
from sernet_edge.runtime.outputs.web_access import Address
from sernet_edge.runtime.outputs.web_guided import GuidedPages
from sernet_edge.runtime.teach.guide import KEEP, RECORD, Guide
from sernet_edge.runtime.teach.guided_folder import GuidedFolder
from sernet_edge.runtime.teach.web_face import WebFace

SPEECH = Path(__file__).parents[2] / "docs/demo/two_moods.wav"
TOKEN = "correct-horse-battery"


@pytest.fixture
def pages() -> GuidedPages:
    return GuidedPages()


def serve(pages: GuidedPages, token: str | None = None) -> Web:
    address = Address("127.0.0.1", 0)
    return Web(address, token, SESSION, Told(), timing=True, guided=pages)


def post(web: Web, question: object, key: object, **headers: str) -> int:
    body = json.dumps({"question": question, "key": key})
    status: int = request(web, "/answer", "POST", body, **headers).status
    return status


def test_only_the_current_question_can_be_answered(pages: GuidedPages) -> None:
    with closing(serve(pages)) as web:
        face = WebFace(pages, web.put)
        face.offer((RECORD,))
        assert face.answer() is None
        assert post(web, 1, "") == 204
        face.offer((KEEP,))
        assert face.answer() is None  # the answer belongs to the question before
        assert [post(web, 1, ""), post(web, 3, ""), post(web, 2, 5)] == [409] * 3
        assert request(web, "/answer", "POST", "nonsense").status == 400
        assert post(web, 2, "r") == 204
        assert face.answer() == "r" and face.answer() is None


def test_no_other_page_can_answer_or_play_the_clip(pages: GuidedPages) -> None:
    with closing(serve(pages)) as web:
        face = WebFace(pages, web.put)
        face.offer((RECORD,))
        assert request(web, "/clip.wav").status == 404
        sound = np.arange(1000, dtype=np.int16)
        face.start(sound, 16_000)
        for headers in ({"Sec_Fetch_Site": "cross-site"}, {"Origin": "http://evil.example"}):
            assert post(web, 1, "", **headers) == 403
            assert request(web, "/clip.wav", **headers).status == 403
        assert face.answer() is None
        with wave.open(io.BytesIO(request(web, "/clip.wav").content)) as file:
            assert np.array_equal(np.frombuffer(file.readframes(1000), "<i2"), sound)
    with closing(serve(pages, TOKEN)) as web:
        assert [post(web, 1, ""), request(web, "/clip.wav").status] == [401, 401]


def test_the_session_does_not_wait_for_a_page_that_does_not_report_the_end_of_a_clip(
    pages: GuidedPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sernet_edge.runtime.teach.web_face._PATIENCE_S", 0.1)
    face = WebFace(pages, lambda state: None)
    face.start(np.zeros(1600, np.int16), 16_000)
    assert face.plays
    eventually(lambda: not face.plays, "the end of the clip")


def microphone(speech: NDArray[np.int16]) -> Iterator[NDArray[np.int16]]:
    """Speech in blocks of 50 ms, about in real time."""
    for start in itertools.cycle(range(16_000, len(speech) - 16_000, 800)):
        time.sleep(0.04)
        yield speech[start : start + 800]


def press(browser: webdriver.Chrome, name: str) -> None:
    """Press a button when it appears; in one step, since other buttons may replace it."""
    code = """const named = [...document.querySelectorAll("#choices button")]
        .find((button) => button.textContent === arguments[0]);
        named?.click();
        return named !== undefined;"""
    eventually(lambda: browser.execute_script(code, name), name)  # type: ignore[no-untyped-call]


def test_a_clip_is_recorded_from_a_browser(
    pages: GuidedPages, tmp_path: Path, browser: webdriver.Chrome
) -> None:
    folder = GuidedFolder(tmp_path / "clips", CONTRACT)
    with closing(serve(pages)) as web:
        face = WebFace(pages, web.put)
        blocks = microphone(read_recording(SPEECH, 16_000))
        guide = Guide(folder, CONTRACT, blocks, face, face)
        session = threading.Thread(target=guide.run, daemon=True)
        session.start()
        browser.get(web.url)
        press(browser, "Record")
        assert text(browser, "emotion").lower() == "anger"
        level = browser.find_element(By.ID, "level")
        eventually(lambda: level.get_attribute("aria-valuenow") != "-60", "a level")
        time.sleep(1)
        press(browser, "Stop recording")
        press(browser, "Keep it")
        eventually(lambda: text(browser, "progress") == "clip 2 of 28", "the next")
        assert "kept" in text(browser, "told")
        press(browser, "End")
        session.join(60)
        face.end("The clips are kept.")
        eventually(lambda: text(browser, "status") == "ended", "the end")
        assert "The clips are kept." in text(browser, "told")
    assert folder.counts() == {label: int(label == "anger") for label in CONTRACT.labels}
    assert complaints(browser) == []
