"""The service: its unit, its installation, and its messages to systemd."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import Run

from sernet_edge.runtime.listen import service
from sernet_edge.runtime.listen.command import listen

pytestmark = pytest.mark.programs

NEEDS_SYSTEMD = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not installed (apt install systemd)"
)


def settings(text: str) -> dict[str, dict[str, str]]:
    """The unit's sections; if a setting occurs twice, the first."""
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    once = re.sub(r"^SystemCallFilter=~", "Without=", text, flags=re.MULTILINE)
    parser.read_string(once)
    return {name: dict(parser[name]) for name in parser.sections()}


def test_the_unit_has_a_watchdog_and_is_always_restarted() -> None:
    unit = settings(service.unit())
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    expected = {"Type": "notify", "Restart": "always", "NotifyAccess": "main"}
    assert expected.items() <= unit["Service"].items()
    assert int(unit["Service"]["WatchdogSec"]) > 10
    assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_the_unit_is_hardened_and_can_still_record() -> None:
    unit = settings(service.unit())["Service"]
    expected = {
        "DynamicUser": "yes",
        "SupplementaryGroups": "audio",
        "DevicePolicy": "closed",
        "DeviceAllow": "char-alsa rw",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "StateDirectory": "sernet-edge",
        "SystemCallFilter": "@system-service",
        "Without": "@privileged @resources",
    }
    assert expected.items() <= unit.items()
    # That would hide the sound card.
    assert "PrivateDevices" not in unit
    # sounddevice generates code for its callbacks at run time.
    assert "MemoryDenyWriteExecute" not in unit


def test_the_unit_runs_this_installation_on_the_system_s_configuration() -> None:
    unit = settings(service.unit())["Service"]
    assert unit["ExecStart"].split() == [
        *(sys.executable, "-I", "-m", "sernet_edge"),
        *("listen", "--quiet", "--config", "/etc/sernet-edge/config.toml"),
    ]


def test_a_strange_path_is_written_as_systemd_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", '/opt/my env/50%/$HOME/a"b/python')
    line = settings(service.unit())["Service"]["ExecStart"]
    assert line.startswith('"/opt/my env/50%%/$$HOME/a\\"b/python" -I -m')


@NEEDS_SYSTEMD
def test_systemd_finds_no_error_and_little_exposure_in_the_unit(tmp_path: Path) -> None:
    path = tmp_path / "sernet-edge.service"
    path.write_text(service.unit())
    verified = subprocess.run(
        ["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=15", path],
        capture_output=True,
        text=True,
        timeout=60,
    )
    # docs/guides/pi.md quotes it; the threshold 15 is an exposure of 1.5 of 10.
    assert "Overall exposure level for sernet-edge.service: 1.5 OK" in judged.stdout
    assert judged.returncode == 0


def test_print_gives_the_unit(sernet_edge: Run) -> None:
    result = sernet_edge("service", "print")
    assert result.returncode == 0
    assert result.stdout == service.unit()


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A root user in a simulated system; returns the arguments of systemctl."""
    told: list[str] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "executable", "/opt/sernet-edge/bin/python")
    monkeypatch.setattr(service, "__file__", "/opt/sernet-edge/service.py")
    monkeypatch.setattr(service, "UNIT_FILE", tmp_path / "sernet-edge.service")
    monkeypatch.setattr(service, "SYSTEM_FILE", tmp_path / "etc" / "config.toml")
    monkeypatch.setattr(service, "_systemctl", lambda *arguments: told.append(" ".join(arguments)))
    return told


def test_install_writes_unit_and_configuration_and_starts(
    system: list[str], tmp_path: Path
) -> None:
    result = CliRunner().invoke(service.service, ["install"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "sernet-edge.service").read_text() == service.unit()
    assert system == ["daemon-reload", "enable sernet-edge", "restart sernet-edge"]
    config = tmp_path / "etc" / "config.toml"
    assert config.stat().st_mode & 0o777 == 0o644


def test_install_keeps_a_configuration_and_uninstall_too(system: list[str], tmp_path: Path) -> None:
    config = tmp_path / "etc" / "config.toml"
    config.parent.mkdir()
    config.write_text("[listen]\nhop = 2\n")
    CliRunner().invoke(service.service, ["install"])
    result = CliRunner().invoke(service.service, ["uninstall"])
    assert result.exit_code == 0, result.output
    assert system[-2:] == ["disable --now sernet-edge", "daemon-reload"]
    assert not (tmp_path / "sernet-edge.service").exists()
    assert config.read_text() == "[listen]\nhop = 2\n"
    assert "is not installed" in str(CliRunner().invoke(service.service, ["uninstall"]).exception)


def test_the_first_configuration_is_valid(system: list[str]) -> None:
    CliRunner().invoke(service.service, ["install"])
    text = service.SYSTEM_FILE.read_text()
    service.SYSTEM_FILE.write_text(text.replace("# device", "device"))
    context = listen.make_context("listen", ["--config", str(service.SYSTEM_FILE)])
    assert context.params["device"] == "USB"


def test_without_root_the_error_shows_the_command(
    system: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    told = str(CliRunner().invoke(service.service, ["install"]).exception)
    assert "takes root's rights (sudo /opt/sernet-edge/bin/python -m sernet_edge service" in told
    assert system == []


def test_an_installation_in_a_home_folder_is_refused(
    system: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", "/home/pi/venv/bin/python")
    told = str(CliRunner().invoke(service.service, ["install"]).exception)
    assert "/home/pi/venv/bin/python lies in one (install into /opt/sernet-edge" in told
    assert not (tmp_path / "sernet-edge.service").exists()


@pytest.mark.parametrize("place", ["/tmp", "/var/tmp", "/home", "/root", "/run/user"])
def test_the_refused_folders_are_those_that_the_unit_hides(
    place: str, system: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", f"{place}/x/bin/python")
    told = str(CliRunner().invoke(service.service, ["install"]).exception)
    assert f"{place}/x/bin/python" in told
    assert "(install into /opt/sernet-edge; docs/guides/pi.md says how)" in told
    assert system == [] and not service.UNIT_FILE.exists()
    # If the unit changes, the refused folders change with it.
    changed = service._TEMPLATE.read_text().replace("ProtectHome=yes", "ProtectHome=no")
    template = service.UNIT_FILE.with_name("template")
    template.write_text(changed.replace("PrivateTmp=yes", "PrivateTmp=no"))
    monkeypatch.setattr(service, "_TEMPLATE", template)
    monkeypatch.setattr(service, "_closed_folder", lambda path: "")
    assert CliRunner().invoke(service.service, ["install"]).exception is None


def test_a_link_into_a_hidden_place_is_refused(
    system: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(service, "_TEMPORARY", (str(tmp_path / "hidden"),))
    monkeypatch.setattr(
        service, "_closed_folder", lambda path: ""
    )  # pytest's own folders are closed
    (tmp_path / "hidden").mkdir()
    (tmp_path / "opt").symlink_to(tmp_path / "hidden")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "opt" / "python"))
    told = str(CliRunner().invoke(service.service, ["install"]).exception)
    assert f"does not see {tmp_path}/hidden/python in yours" in told


def test_a_folder_that_only_its_owner_may_enter_is_refused(
    system: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(service, "_hidden_place", lambda path: "")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "opt" / "bin" / "python"))
    (tmp_path / "opt" / "bin").mkdir(parents=True)
    (tmp_path / "opt").chmod(0o750)
    stat = Path.stat  # pytest's folders are readable for their owner only
    monkeypatch.setattr(Path, "stat", lambda one: stat(one if tmp_path in one.parents else "/"))
    told = str(CliRunner().invoke(service.service, ["install"]).exception)
    assert f"who may not look into {tmp_path}/opt, where" in told
    assert f"sudo chmod o+rx {tmp_path}/opt" in told


@pytest.mark.parametrize("key", ["model", "csv", "json", "record", "input"])
def test_a_file_that_the_service_cannot_see_is_refused(key: str, system: list[str]) -> None:
    service.SYSTEM_FILE.parent.mkdir()
    service.SYSTEM_FILE.write_text(f'[listen]\n{key} = "/home/pi/a"\n')
    told = str(CliRunner().invoke(service.service, ["install"]).exception)
    assert f"{key}: the service does not see /home/pi/a" in told and system == []
    service.SYSTEM_FILE.write_text(f'[listen]\n{key} = "a"\n')
    assert CliRunner().invoke(service.service, ["install"]).exception is None


class Manager:
    """systemd's end of the notification socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(60)

    def next(self) -> list[str]:
        return self._socket.recv(4096).decode().splitlines()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["a path", "an abstract name"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Manager, str]]:
    if request.param == "a path":
        address = told = str(tmp_path / "notify")
    else:
        address, told = f"\0sernet-test-{os.getpid()}", f"@sernet-test-{os.getpid()}"
    running = Manager(address)
    yield running, told
    running.close()


def test_systemd_is_told_of_start_life_and_end(manager: tuple[Manager, str]) -> None:
    listener, address = manager
    process = subprocess.Popen(
        [sys.executable, "-m", "sernet_edge", "listen", "--input", "-", "--quiet"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "100000"},
    )
    assert process.stdin and process.stderr
    second = bytes(32_000)
    process.stdin.write(second)
    process.stdin.flush()
    assert listener.next() == ["READY=1", "STATUS=listening to standard input"]
    for _ in range(3):
        assert listener.next() == ["WATCHDOG=1"]
        time.sleep(0.1)  # until the next signal is due
        process.stdin.write(second)
        process.stdin.flush()
    process.send_signal(signal.SIGTERM)
    while (told := listener.next()) == ["WATCHDOG=1"]:
        pass
    assert told == ["STOPPING=1"]
    assert process.wait(timeout=60) == 0
    process.stdin.close()
    process.stderr.close()


def test_the_watchdog_of_another_process_gets_no_signal(tmp_path: Path) -> None:
    # systemd names the process in a variable, which that process's children inherit.
    listener = Manager(str(tmp_path / "notify"))
    code = (
        "from sernet_edge.runtime.listen.systemd import ServiceManager\n"
        "manager = ServiceManager(); manager.alive(); manager.stopping()"
    )
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
    for pid, expected in (("1", ["STOPPING=1"]), (None, ["WATCHDOG=1"])):
        owner = {"WATCHDOG_PID": pid} if pid else {}
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | environment | owner, check=True
        )
        assert listener.next() == expected
    listener.close()


def test_listening_goes_on_if_the_manager_is_gone(sernet_edge: Run, tmp_path: Path) -> None:
    result = sernet_edge(
        *("listen", "--input", Path(__file__).parents[2] / "docs/demo/two_moods.wav", "--quiet"),
        env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "nobody"), "WATCHDOG_USEC": "1"},
    )
    assert result.returncode == 0
