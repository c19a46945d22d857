"""The doctor: its findings when listening works, and when something is missing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from mqtt_cases import Mosquitto
from output_cases import free_port
from support import Run

pytestmark = pytest.mark.programs

DEMO = Path(__file__).parents[2] / "docs/demo/two_moods.wav"


def examine(prelude: str, *options: object, **variables: str) -> tuple[int, dict[str, str], str]:
    """Return the exit code, the states by check, and the output, of a changed interpreter."""
    arguments = ["doctor", "--json", *map(str, options)]
    code = f"{prelude}\nfrom sernet_edge.cli import main\nmain({arguments!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **variables},
    )
    assert "Traceback" not in done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {item["check"]: item["state"] for item in found}, done.stdout


def test_a_machine_that_can_listen_is_healthy() -> None:
    code, states, told = examine("", "--input", DEMO)
    assert code == 0
    checks = ["python", "processor", "numpy", "interpreter", "settings", "model", "trust", "use"]
    checks += ["licence", "headroom"]
    assert list(states)[:10] == checks
    assert {states[check] for check in checks[:6]} == {"ok"}
    assert "results measured" in told


def test_a_person_reads_lines(sernet_edge: Run) -> None:
    result = sernet_edge("doctor", "--input", DEMO)
    assert result.returncode == 0, result.stdout
    assert result.stdout.startswith("ok    python        3.")


@pytest.mark.parametrize(
    ("prelude", "check", "todo"),
    [
        (
            "import platform; platform.machine = lambda: 'armv6l'",
            "processor",
            "take a Pi Zero 2 W, a Pi 2 or a later one",
        ),
        (
            "from sernet_edge.runtime.listen import doctor; doctor._PYTHONS = ((3, 98), (3, 99))",
            "python",
            "make an environment with Python 3.98, 3.99",
        ),
        ("import sys; sys.modules['numpy'] = None", "numpy", "pip install numpy"),
        (
            "import sys; sys.modules.update(tflite_runtime=None, ai_edge_litert=None)",
            "interpreter",
            "pip install tflite-runtime (Python 3.11) or pip install ai-edge-litert",
        ),
        (
            "import ctypes.util; ctypes.util.find_library = lambda name: None",
            "portaudio",
            "apt install libportaudio2",
        ),
        (
            "import sys; sys.modules['sounddevice'] = None",
            "portaudio",
            "pip install sounddevice",
        ),
    ],
)
def test_the_error_names_what_is_missing_and_what_to_do(
    prelude: str, check: str, todo: str
) -> None:
    code, states, told = examine(prelude)
    assert code == 1
    assert states[check] == "fail"
    finding = next(item for item in map(json.loads, told.splitlines()) if item["check"] == check)
    assert todo in finding["todo"]
    if check != "portaudio":
        assert list(states)[-1] == check  # later checks need it


def test_a_wrong_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[listen]\nhop = 'x'\n")
    code, states, told = examine("", "--config", tmp_path / "a.toml")
    assert (code, list(states.items())[-1]) == (1, ("settings", "fail"))
    assert 'hop: \\"x\\" is not a number' in told


def test_a_missing_model_file_is_named(tmp_path: Path) -> None:
    code, states, told = examine("", "--model", tmp_path / "none.tflite")
    assert (code, states["settings"]) == (1, "fail")
    assert "none.tflite: No such file or directory" in told


def test_a_wrong_option_is_wrong_usage(sernet_edge: Run) -> None:
    result = sernet_edge("doctor", "--hop", 0)
    assert result.returncode == 2
    assert result.stderr.startswith("Usage: sernet-edge listen ")
    assert "'--hop'" in result.stderr


def test_a_missing_extra_that_an_option_needs_fails() -> None:
    prelude = (
        "import importlib.util as util; find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'paho' else find(name, *rest)"
    )
    code, states, _ = examine(prelude, "--input", DEMO)
    assert (code, states["mqtt"]) == (0, "note")
    code, states, told = examine(prelude, "--input", DEMO, "--mqtt", "mqtt://localhost")
    assert (code, states["mqtt"]) == (1, "fail")
    assert "pip install 'sernet-edge[mqtt]'" in told


def lines(sernet_edge: Run, *options: object) -> tuple[int, dict[str, str]]:
    """Return the exit code, and the text of each check."""
    done = sernet_edge("doctor", "--input", DEMO, *options)
    assert done.stderr == ""
    told = done.stdout.replace("\n                    ->", " ->").splitlines()
    return done.returncode, {line[6:18].strip(): f"{line[:4].strip()} {line[20:]}" for line in told}


def test_the_doctor_logs_in_to_the_broker(sernet_edge: Run, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    create = ["mosquitto_passwd", "-c", "-b", str(passwords), "kitchen", "right"]
    subprocess.run(create, check=True)
    passwords.chmod(0o644)
    broker = Mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}", "user root")
    broker.start()
    url = f"mqtt://kitchen@127.0.0.1:{broker.port}"
    name = f"the MQTT broker 127.0.0.1:{broker.port}"
    try:
        code, told = lines(sernet_edge, "--mqtt", url, "--mqtt-password", "right")
        assert (code, told["mqtt"]) == (0, f"ok connected to {name} with the login")
        code, told = lines(sernet_edge, "--mqtt", url, "--mqtt-password", "secret")
        assert code == 1 and told["mqtt"].startswith(f"FAIL {name} refuses: Not authorized")
        assert "secret" not in str(told)
        code, told = lines(sernet_edge, "--mqtt", f"mqtt://127.0.0.1:{broker.port}")
        assert code == 1 and "it wants a user: --mqtt mqtt://USER@HOST" in told["mqtt"]
    finally:
        broker.stop()
    code, told = lines(sernet_edge, "--mqtt", url)
    assert code == 1 and told["mqtt"].startswith(f"FAIL cannot reach {name}: Connection refused")


@pytest.mark.slow
def test_a_broker_that_never_answers_fails(sernet_edge: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        code, told = lines(sernet_edge, "--mqtt", url)
    assert code == 1 and "it accepts connections and does not answer" in told["mqtt"]


def test_the_web_page_s_port_is_tried(sernet_edge: Run) -> None:
    number = free_port()
    code, told = lines(sernet_edge, "--web", number)
    assert code == 0
    assert told["web"].startswith(f"ok port {number} is free: http://127.0.0.1:{number}/; ")
    with socket.create_server(("127.0.0.1", number)):
        code, told = lines(sernet_edge, "--web", number)
    assert code == 1 and f"port {number}: Address already in use -> end what uses" in told["web"]
    token = "correct-horse-battery"
    code, told = lines(sernet_edge, "--web", "0.0.0.0:0", "--web-token", token)
    assert code == 0 and "the page asks for your token" in told["web"]
    assert token not in str(told)


def test_files_and_folders_are_checked_and_left_as_they_were(
    sernet_edge: Run, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text("a,b\n1,2\n")
    where = {
        "--csv": tmp_path / "a.csv",
        "--json": tmp_path / "a.jsonl",
        "--record": tmp_path / "r",
    }
    code, told = lines(sernet_edge, *(item for pair in where.items() for item in pair))
    assert code == 0
    assert told["csv"].startswith(f"ok {tmp_path}/a.csv can be written; free: ")
    assert told["json"].startswith(f"ok {tmp_path}/a.jsonl can be written; free: ")
    assert told["record"].startswith(f"ok recordings can be kept in {tmp_path}/r; free: ")
    assert sorted(tmp_path.iterdir()) == [other]

    code, told = lines(sernet_edge, "--csv", other, "--json", tmp_path, "--record", other / "r")
    assert code == 1
    assert told["csv"].startswith(f"FAIL {other} has other columns than this model's results")
    assert told["json"].startswith(f"FAIL cannot write {tmp_path}: it is a folder")
    assert told["record"].startswith(f"FAIL cannot write to the folder {other}: Not a directory")
    assert other.read_text() == "a,b\n1,2\n"

    code, told = lines(sernet_edge, "--csv", tmp_path / "none" / "a.csv", "--json", other)
    assert code == 1
    assert f"the folder {tmp_path}/none: No such file or directory" in told["csv"]
    assert "holds something else than JSON lines" in told["json"]


def test_a_disk_with_little_room_is_reported(tmp_path: Path) -> None:
    options = ("--input", DEMO, "--csv", tmp_path / "a.csv", "--record", tmp_path)
    for free, csv, record in (
        (999_999, "fail", "fail"),
        (10**8, "ok", "note"),
        (10**9, "ok", "ok"),
    ):
        disk = (
            "import shutil, collections\n"
            f"shutil.disk_usage = lambda path: collections.namedtuple('u', 'free')({free})"
        )
        code, states, _ = examine(disk, *options)
        assert (code, states["csv"], states["record"]) == (int(csv == "fail"), csv, record)


def test_a_machine_that_is_too_slow_fails() -> None:
    # Each run takes half a second, and there are 31 runs in a second.
    slow = (
        "import time; from sernet_edge.runtime.interpreter import Model; run = Model.run\n"
        "Model.run = lambda *arguments: time.sleep(0.5) or run(*arguments)\n"
        "import sernet_edge.runtime.listen.doctor as doctor; doctor._TRIAL_S = 3.2"
    )
    code, states, told = examine(slow, "--input", DEMO, "--hop", 0.032)
    assert (code, states["headroom"]) == (1, "fail")
    assert "give a longer --hop" in told


def test_a_machine_that_is_too_slow_for_the_voice_gate_fails() -> None:
    slow = (
        "import time\nfrom sernet_edge.runtime import gate\n"
        "from sernet_edge.runtime.listen import doctor\n"
        "gate._silero = lambda: None; doctor._TRIAL_S = 3.2\n"
        "gate.SpeechGate.push = lambda *arguments: time.sleep(1)"
    )
    code, states, told = examine(slow, "--input", DEMO, "--gate", "on")
    assert (code, states["headroom"]) == (1, "fail")
    assert "or --gate off" in told
    _, states, told = examine(slow, "--input", DEMO)  # a recording is not gated by itself
    assert "without the voice gate" in told
