"""Recordings on the web page: only readers of the page can play and mark them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from output_cases import CONTRACT, SESSION, eventually, result
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select
from web_cases import Serve, complaints, request, text

from sernet_edge.runtime import Event
from sernet_edge.runtime.event_folder import EventFolder, Mark
from sernet_edge.runtime.listen.recorder import EventRecorder
from sernet_edge.runtime.outputs.session import Session
from sernet_edge.runtime.outputs.web import Web

TOKEN = "correct-horse-battery"


@pytest.fixture
def recorder(tmp_path: Path) -> EventRecorder:
    made = EventRecorder(tmp_path / "kept", 100_000_000, CONTRACT)
    record(made, 1, "anger")
    return made


@pytest.fixture
def session(recorder: EventRecorder) -> Session:
    return dataclasses.replace(SESSION, recordings=recorder.folder)


def record(recorder: EventRecorder, number: int, label: str) -> None:
    """Record an event of 2 s."""
    end_s = 10.0 * number
    sound = np.random.default_rng(number).normal(0, 500, 160_000).astype(np.int16)
    start = Event("start", number, label, end_s - 4, None, 0.8)
    recorder.push(sound, [start, Event("end", number, label, end_s - 4, end_s - 2, 0.9)], end_s)


def marks(folder: EventFolder) -> list[Mark | None]:
    return [recording.mark() for recording in folder.recordings()]


def put(web: Web, name: str, mark: object, **headers: str) -> int:
    body = mark if isinstance(mark, str) else json.dumps(mark)
    status: int = request(web, f"/recordings/{name}/mark", "PUT", body, **headers).status
    return status


def test_recordings_are_listed_played_and_marked(
    serve: Serve, session: Session, recorder: EventRecorder
) -> None:
    web = serve(session=session)
    record(recorder, 2, "fear")
    answer = json.loads(request(web, "/recordings").text)
    assert answer["folder"] == str(recorder.folder.path)
    listed = answer["recordings"]
    assert [(one["label"], one["lasted_s"], one["mark"]) for one in listed] == [
        ("fear", 2.0, None),
        ("anger", 2.0, None),
    ]
    for one, recording in zip(listed, recorder.folder.recordings(), strict=True):
        sound = request(web, f"/recordings/{one['name']}.wav")
        assert sound.getheader("content-type") == "audio/wav"
        assert sound.getheader("cache-control") == "no-store"
        assert sound.content == recording.path.read_bytes()
    assert put(web, listed[0]["name"], {"verdict": "wrong", "label": "sadness"}) == 200
    assert put(web, listed[1]["name"], {"verdict": "right"}) == 200
    assert marks(recorder.folder) == [Mark("wrong", "sadness"), Mark("right", "anger")]
    assert put(web, listed[1]["name"], None) == 200
    assert marks(recorder.folder) == [Mark("wrong", "sadness"), None]
    listed = json.loads(request(web, "/recordings").text)["recordings"]
    assert listed[0]["mark"] == {"verdict": "wrong", "label": "sadness"}


@pytest.mark.parametrize(
    "mark",
    [
        {"verdict": "splendid"},
        {"verdict": "wrong"},
        {"verdict": "wrong", "label": "anger"},
        {"verdict": "wrong", "label": "hunger"},
        {"verdict": "wrong", "label": ["fear"]},
        {"label": "fear"},
        [],
        "",
        "{",
        '"' + "x" * 5000 + '"',
    ],
)
def test_an_invalid_mark_is_refused(
    mark: object, serve: Serve, session: Session, recorder: EventRecorder
) -> None:
    web = serve(session=session)
    (recording,) = recorder.folder.recordings()
    assert put(web, recording.name, mark) == 400
    assert marks(recorder.folder) == [None]


def test_a_mark_that_cannot_be_written_says_why(
    serve: Serve, session: Session, recorder: EventRecorder
) -> None:
    web = serve(session=session)
    (recording,) = recorder.folder.recordings()
    place = recording.path.with_suffix(".mark.json")
    place.mkdir()
    for mark, complaint in (({"verdict": "right"}, "cannot write"), (None, "cannot remove")):
        body = json.dumps(mark)
        answer = request(web, f"/recordings/{recording.name}/mark", "PUT", body)
        assert (answer.status, answer.text.startswith(f"{complaint} {place}: ")) == (500, True)


def test_no_other_page_can_play_or_mark_recordings(
    serve: Serve, session: Session, recorder: EventRecorder
) -> None:
    web = serve(session=session)
    (recording,) = recorder.folder.recordings()
    paths = ("/recordings", f"/recordings/{recording.name}.wav")
    for headers in ({"Sec_Fetch_Site": "cross-site"}, {"Origin": "http://evil.example"}):
        assert [request(web, path, **headers).status for path in paths] == [403, 403]
        assert put(web, recording.name, {"verdict": "right"}, **headers) == 403
    assert marks(recorder.folder) == [None]


def test_recordings_need_the_token_as_the_page_does(
    serve: Serve, session: Session, recorder: EventRecorder
) -> None:
    web = serve("0.0.0.0:0", TOKEN, session)
    (recording,) = recorder.folder.recordings()
    paths = ("/recordings", f"/recordings/{recording.name}.wav", "/recordings.js")
    assert [request(web, path).status for path in paths] == [401] * 3
    assert put(web, recording.name, {"verdict": "right"}) == 401
    assert marks(recorder.folder) == [None]
    known = {"Authorization": f"Bearer {TOKEN}"}
    assert [request(web, path, **known).status for path in paths] == [200] * 3
    assert put(web, recording.name, {"verdict": "right"}, **known) == 200
    assert marks(recorder.folder) == [Mark("right", "anger")]


def test_only_recordings_are_served(serve: Serve, session: Session, tmp_path: Path) -> None:
    web = serve(session=session)
    (tmp_path / "secret.wav").write_bytes(b"secret")
    (tmp_path / "kept/secret.wav").write_bytes(b"secret")
    for name in ("secret", "../secret", "%2e%2e%2fsecret", "..%2Fsecret", "%00"):
        assert request(web, f"/recordings/{name}.wav").status == 404
        assert put(web, name, {"verdict": "right"}) == 404


def test_without_recording_the_server_has_no_recordings(serve: Serve) -> None:
    assert request(serve(), "/recordings").status == 404


def test_a_full_disk_is_reported(
    serve: Serve, session: Session, recorder: EventRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = serve(session=session)
    (recording,) = recorder.folder.recordings()

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sernet_edge.runtime.files.tempfile.mkstemp", full)
    answer = request(web, f"/recordings/{recording.name}/mark", "PUT", '{"verdict": "right"}')
    assert answer.status == 500 and "No space left on device" in answer.text


def rows(browser: webdriver.Chrome) -> list[str]:
    return [row.text for row in browser.find_elements(By.CSS_SELECTOR, "#recordings .heard")]


def test_a_person_plays_and_marks_recordings_on_the_page(
    serve: Serve, session: Session, recorder: EventRecorder, browser: webdriver.Chrome
) -> None:
    web = serve(session=session)
    web.write(result())
    browser.get(web.url)
    eventually(lambda: rows(browser) == ["anger"], "the recording")
    # An event that ends while the page is open.
    record(recorder, 2, "fear")
    web.write(Event("end", 2, "fear", 16.0, 18.0, 0.9))
    eventually(lambda: rows(browser) == ["fear", "anger"], "the new recording")
    assert f"--from-marks {recorder.folder.path}" in text(browser, "recordings-use")

    fear, anger = browser.find_elements(By.CSS_SELECTOR, "#recordings li")
    play, right, nobody = anger.find_elements(By.TAG_NAME, "button")
    play.click()
    eventually(lambda: play.text == "Stop", "it plays")
    play.click()
    eventually(lambda: play.text == "Play", "it stops")
    right.click()
    eventually(lambda: marks(recorder.folder) == [None, Mark("right", "anger")], "right")
    eventually(lambda: right.get_attribute("aria-pressed") == "true", "pressed")
    nobody.click()
    eventually(lambda: marks(recorder.folder)[1] == Mark("nobody", "none"), "nobody spoke")
    eventually(lambda: right.get_attribute("aria-pressed") == "false", "no longer right")
    nobody.click()
    eventually(lambda: marks(recorder.folder) == [None, None], "taken back")
    choice = Select(fear.find_element(By.TAG_NAME, "select"))
    assert "Wrong, it was fear" not in [option.text for option in choice.options]
    choice.select_by_visible_text("Wrong, it was sadness")
    eventually(lambda: marks(recorder.folder)[0] == Mark("wrong", "sadness"), "wrong")
    eventually(lambda: "marked as sadness" in announcement(browser), "announced")

    browser.get(web.url)  # again
    eventually(lambda: rows(browser) == ["fear", "anger"], "the recordings")
    chosen = browser.find_element(By.CSS_SELECTOR, "#recordings select.chosen")
    assert Select(chosen).first_selected_option.text == "Wrong, it was sadness"
    assert complaints(browser) == []


def announcement(browser: webdriver.Chrome) -> str:
    found = browser.find_element(By.ID, "announcement").get_attribute("textContent")
    return found or ""


def test_the_page_shows_an_error_when_marking_fails(
    serve: Serve, session: Session, recorder: EventRecorder, browser: webdriver.Chrome
) -> None:
    web = serve(session=session)
    browser.get(web.url)
    eventually(lambda: rows(browser) == ["anger"], "the recording")
    recorder.folder.forget()
    browser.find_elements(By.CSS_SELECTOR, "#recordings .marks button")[0].click()
    eventually(lambda: "no such recording" in text(browser, "recordings-error"), "said")
    complaints(browser)  # of the 404, on purpose


def test_without_recording_the_page_has_no_recordings(
    serve: Serve, browser: webdriver.Chrome
) -> None:
    web = serve()
    web.write(result())
    browser.get(web.url)
    eventually(lambda: text(browser, "emotion") == "anger", "the history")
    assert not browser.find_element(By.ID, "recordings-card").is_displayed()
    assert complaints(browser) == []


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_recordings_fit_any_width(
    width: int, serve: Serve, session: Session, browser: webdriver.Chrome
) -> None:
    web = serve(session=session)
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)  # type: ignore[no-untyped-call]
    try:
        browser.get(web.url)
        eventually(lambda: rows(browser) == ["anger"], "the recording")
        code = "return document.documentElement.scrollWidth"
        assert browser.execute_script(code) <= width  # type: ignore[no-untyped-call]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})  # type: ignore[no-untyped-call]
