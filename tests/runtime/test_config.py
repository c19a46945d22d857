"""Flags, the environment and a TOML file: their precedence, and errors with their origin."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest
from support import Run

from sernet_edge.runtime import SernetError
from sernet_edge.runtime.listen.command import listen
from sernet_edge.runtime.outputs.web_access import DEFAULT_ADDRESS

PREFIX = "SERNET_EDGE_LISTEN_"
SAMPLE = Path(__file__).parents[2] / "docs" / "demo" / "two_moods.wav"


def environment(**variables: object) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
    return clean | {name: str(value) for name, value in variables.items()}


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_flag_overrides_the_environment_then_the_file_then_the_default(
    sernet_edge: Run, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.toml", "[listen]\nhop = 4\nsmoothing = 0.4\nthreads = 4\n")
    shown = sernet_edge(
        *("listen", "--config", path, "--hop", 2, "--show-config"),
        env=environment(SERNET_EDGE_LISTEN_HOP=3, SERNET_EDGE_LISTEN_SMOOTHING=0.3),
    ).stdout
    settings = tomllib.loads(shown)["listen"]
    assert (settings["hop"], settings["smoothing"], settings["threads"]) == (2, 0.3, 4)
    assert settings["no-timing"] is False
    lines = dict(line.split(" = ", 1) for line in shown.splitlines() if " = " in line)
    assert lines["hop"] == "2.0  # command line"
    assert lines["smoothing"] == "0.3  # SERNET_EDGE_LISTEN_SMOOTHING"
    assert lines["threads"] == f"4  # {path}"
    assert lines["no-timing"] == "false  # default"
    assert "# device is not set" in shown.splitlines()


def test_the_output_of_show_config_is_a_file_with_the_same_settings(
    in_process: Run, tmp_path: Path
) -> None:
    options = ("--hop", 0.25, "--device", 'a "USB" \\ mic', "--no-timing")
    first = in_process("listen", *options, "--show-config", env=environment()).stdout
    path = write(tmp_path / "a.toml", first)
    second = in_process("listen", "--config", path, "--show-config", env=environment()).stdout
    assert tomllib.loads(second) == tomllib.loads(first) != {}


def test_the_settings_of_a_file_are_used(in_process: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "a.toml", "[listen]\nhop = 1.536\ndevice = 'not for a recording'\n")
    result = in_process(
        *("listen", "--config", path, "--input", "docs/demo/two_moods.wav"),
        env=environment(),
        cwd=Path(__file__).parents[2],
    )
    assert result.returncode == 0
    assert "every 1.536 s" in result.stderr


def test_a_user_s_own_file_is_found_by_itself(sernet_edge: Run, tmp_path: Path) -> None:
    write(tmp_path / ".config/sernet-edge/config.toml", "[listen]\nhop = 5\n")
    write(tmp_path / "xdg/sernet-edge/config.toml", "[listen]\nhop = 6\n")
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": ""}
    assert "hop = 5.0" in sernet_edge("listen", "--show-config", env=environment(**home)).stdout
    home["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    assert "hop = 6.0" in sernet_edge("listen", "--show-config", env=environment(**home)).stdout
    named = environment(**home, SERNET_EDGE_LISTEN_CONFIG="/dev/null")
    assert "# hop is not set" in sernet_edge("listen", "--show-config", env=named).stdout


@pytest.mark.parametrize(
    ("text", "web", "json"),
    [
        ("web = true\njson = true", DEFAULT_ADDRESS, "-"),
        ("web = false\njson = false", None, None),
        ("web = '8080'\njson = 'a.json'", "8080", "a.json"),
    ],
)
def test_a_flag_that_needs_no_value_is_true_in_a_file(
    text: str, web: str | None, json: str | None, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.toml", f"[listen]\n{text}\n")
    with listen.make_context("listen", ["--config", str(path)]) as context:
        assert (context.params["web"], context.params["json"]) == (web, json)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[listen]\nhop = 'x'", 'hop: "x" is not a number'),
        ("[listen]\nhop = true", "hop: true is not a number"),
        ("[listen]\nhop = nan", "hop: nan is not finite."),
        ("[listen]\nhop = 0", "hop: 0.0 is not in the range 0<x<=3600."),
        ("[listen]\nthreads = 1.5", "threads: 1.5 is not a whole number"),
        ("[listen]\nthreads = [1, 2]", "threads: [1, 2] is not a whole number"),
        ("[listen]\nno-timing = 1", "no-timing: 1 is not true or false"),
        ("[listen]\ndevice = 3", "device: 3 is not text in quotes"),
        ("[listen]\nhopp = 3", "unknown key 'hopp'. Did you mean hop?"),
        ("[listen]\nno_timing = true", "unknown key 'no_timing'. Did you mean no-timing?"),
        ("[listen]\nconfig = 'b.toml'", "unknown key 'config'."),
        ("[listen.device]\nname = 'x'", "device: a table is not text in quotes"),
        ("hop = 3", "unknown key 'hop' (put options below a line [listen])"),
        ("[lisen]\nhop = 3", "unknown key 'lisen' (put options below a line [listen])"),
        ("listen = 3", "unknown key 'listen' (put options below a line [listen])"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(text: str, complaint: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.toml", text)
    with pytest.raises(SernetError) as caught:
        listen.make_context("listen", ["--config", str(path)])
    assert str(caught.value) == f"{path}: {complaint}"


@pytest.mark.parametrize(
    "content", [b"[listen\n", b"hop", b"[listen]\nhop = 1\nhop = 2\n", b"\xff\xfe", b"\0"]
)
def test_a_damaged_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(SernetError, match="the configuration .*/a.toml is not TOML: "):
        listen.make_context("listen", ["--config", str(tmp_path / "a.toml")])


@pytest.mark.parametrize("value", ["emodb", "yes", "on"])
def test_text_without_quotes_is_refused_with_what_to_do(value: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(f"[listen]\nmodel = {value}\n")
    with pytest.raises(SernetError, match=r"not TOML: .*line 2.*\(text stands in quotes; a switch"):
        listen.make_context("listen", ["--config", str(tmp_path / "a.toml")])


@pytest.mark.parametrize(("options", "name"), [([], "voices"), (["--model", "emodb"], "emodb")])
def test_show_config_calls_a_shipped_model_by_its_name(
    options: list[str], name: str, in_process: Run
) -> None:
    shown = in_process("listen", *options, "--show-config", env=environment()).stdout
    assert f'\nmodel = "{name}"  # ' in shown


@pytest.mark.parametrize(
    ("option", "value", "kind"), [("--hop", "0,5", "number"), ("--channel", "left", "integer")]
)
def test_a_flag_s_wrong_number_is_refused_in_plain_words(
    option: str, value: str, kind: str, in_process: Run
) -> None:
    done = in_process("listen", option, value)
    assert done.returncode == 2
    assert f"Invalid value for '{option}': '{value}' is not a valid {kind}.\n" in done.stderr


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf[listen]\r\nhop = 0.5\r\n")
    with listen.make_context("listen", ["--config", str(tmp_path / "a.toml")]) as context:
        assert context.params["hop"] == 0.5


@pytest.mark.parametrize("code", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_named_with_what_to_do(code: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[listen]\nhop = 0.5\n", encoding=code)
    with pytest.raises(SernetError, match="a.toml is not TOML: it is UTF-16.*; save it as UTF-8"):
        listen.make_context("listen", ["--config", str(tmp_path / "a.toml")])


def test_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes("[listen]\ndevice = 'Gerät'\n".encode("latin-1"))
    with pytest.raises(SernetError, match="line 2 is not UTF-8; save it as UTF-8"):
        listen.make_context("listen", ["--config", str(tmp_path / "a.toml")])


def test_a_file_that_cannot_be_read_is_named(in_process: Run, tmp_path: Path) -> None:
    for name, reason in (("none.toml", "No such file or directory"), ("", "Is a directory")):
        result = in_process("listen", "--config", tmp_path / name, env=environment())
        assert result.returncode == 1
        path = tmp_path / name
        assert result.stderr == f"sernet-edge: cannot read the configuration {path}: {reason}\n"


def test_a_wrong_variable_is_named(in_process: Run) -> None:
    result = in_process("listen", env=environment(SERNET_EDGE_LISTEN_HOP="soon"))
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].endswith("(from SERNET_EDGE_LISTEN_HOP)")
    result = in_process("listen", env=environment(SERNET_EDGE_LISTEN_HOPP=1))
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == (
        "Error: No option belongs to the environment variable SERNET_EDGE_LISTEN_HOPP. "
        "Did you mean SERNET_EDGE_LISTEN_HOP?"
    )


@pytest.mark.parametrize("option", listen.params, ids=lambda option: str(option.name))
def test_an_option_s_parameter_has_the_name_of_its_flag(option: object) -> None:
    # The names in the environment and in the file are derived from it.
    assert getattr(option, "opts", None) == [f"--{option.name.replace('_', '-')}"]  # type: ignore[attr-defined]


def test_a_secret_is_not_shown(in_process: Run) -> None:
    secret = "s3cret-s3cret-s3cret"
    result = in_process(
        *("listen", "--web", "127.0.0.1:0", "--show-config"),
        env=environment(SERNET_EDGE_LISTEN_WEB_TOKEN=secret),
    )
    assert result.returncode == 0
    assert secret not in result.stdout + result.stderr
    assert "# web-token is set, and not shown  # SERNET_EDGE_LISTEN_WEB_TOKEN" in result.stdout


PASSWORDS = (
    "hunter2",
    "hunter2/x",
    "x/hunter2",
    "#hunter2",
    "hunter2#?x",
    "a:hunter2",
    "a@hunter2",
)
PASSWORDS += ("%hunter2", "hunter2 x", "[hunter2]", "hunter2\u2100", "'hunter2\"", "\\hunter2")


@pytest.mark.parametrize(
    ("scheme", "place", "passwords"),
    [
        ("mqtt", "flag", PASSWORDS),
        ("http", "flag", PASSWORDS[1:3]),
        ("mqtt", "environment", PASSWORDS[1:3]),
        ("mqtts", "file", PASSWORDS[1:3]),
        ("mqtt", "doctor", PASSWORDS[1:3]),
        ("mqtt", "argument", PASSWORDS[1:3]),
        ("mqtt", "web", PASSWORDS[1:3]),
    ],
)
def test_no_part_of_an_address_with_a_login_is_shown(
    scheme: str, place: str, passwords: tuple[str, ...], in_process: Run, tmp_path: Path
) -> None:
    for password in passwords:
        url = f"{scheme}://user-of-it:{password}@broker-of-it:1883/topic-of-it"
        variables, options = environment(), ["listen"]
        if place in ("flag", "doctor"):
            options = ["listen" if place == "flag" else "doctor", "--mqtt", url]
        elif place == "web":
            options += ["--web", url.partition("://")[2]]
        elif place == "argument":
            options += [url]
        elif place == "environment":
            variables = environment(SERNET_EDGE_LISTEN_MQTT=url)
        else:
            text = f"[listen]\nmqtt = {json.dumps(url)}\n"
            options += ["--config", str(write(tmp_path / "a.toml", text))]
        result = in_process(*options, env=variables)
        assert result.returncode in (1, 2)
        told = result.stdout + result.stderr
        assert told and "Traceback" not in told
        for part in ("hunter2", "user-of-it", "broker-of-it", "topic-of-it"):
            assert part not in told, (password, told)
        if place not in ("argument", "web") and scheme != "http":
            assert "--mqtt-password says where to put it" in told


@pytest.mark.parametrize(
    "text",
    [
        "mqtt-password = 5550123",
        "mqtt-password = [5550123]",
        "web-token = 5550123",
        "mqtt = ['mqtt://a:5550123@host']",
        "device = ['rtsp://a:5550123@host']",
        "hop = 'mqtt://a:5550123@host'",
        "'mqtt://a:5550123@host' = 1",
        "mqtt-password = 5550123x",
    ],
)
def test_a_secret_of_the_wrong_type_is_not_shown(
    text: str, in_process: Run, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.toml", f"[listen]\n{text}\n")
    result = in_process("listen", "--config", path, env=environment())
    assert result.returncode == 1
    assert result.stderr.startswith("sernet-edge: ") and "a.toml" in result.stderr
    assert "5550123" not in result.stdout + result.stderr


def test_an_address_with_a_user_is_not_shown(in_process: Run) -> None:
    result = in_process(
        "listen", "--mqtt", "mqtt://key-of-mine@host", "--show-config", env=environment()
    )
    assert result.returncode == 0
    assert "# mqtt is set, and not shown  # command line" in result.stdout
    assert "key-of-mine" not in result.stdout + result.stderr


def test_a_token_that_the_user_chose_does_not_reach_the_journal(sernet_edge: Run) -> None:
    token = "correct-horse-battery"
    result = sernet_edge(
        *("listen", "--input", SAMPLE, "--web", "127.0.0.1:0", "--web-token", token),
        env=environment(),
    )
    assert result.returncode == 0
    assert "asks for the token that you chose" in result.stderr
    assert token not in result.stdout + result.stderr
