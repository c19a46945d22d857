"""Replays the Containerfile in a Debian made by debootstrap, and tests the result.

python tests/container/replay.py FOLDER

This needs root, but neither a container engine nor a registry of images. FOLDER keeps the Debian
for the next run. The Debian replaces the Python image, which has the same Debian version. The last
stage then runs as docs/guides/container.md says: as its user without any capability, with a
read-only root and a volume. It must give the same records as the program here, hear a microphone,
and be able to write only to its volume.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import string
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from containerfile import Stage, is_sent, stages

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "docs" / "demo" / "two_moods.wav"

_BASE = re.compile(r"docker\.io/library/python:3\.11-slim-bookworm")
"""The image that the Debian replaces; both have Python 3.11."""

_START = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

# The build uses the network with this computer's settings.
_NETWORK = re.compile(r"(PIP_|SSL_|REQUESTS_|.*_proxy$)", re.IGNORECASE)
_NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt")

# A simulated microphone: PortAudio gets the file's samples as fast as it reads them.
_ASOUND = """
pcm.!default { type plug slave.pcm speaking }
pcm.speaking { type file slave.pcm null file /dev/null infile /audio/speech.raw format raw }
"""

_ENTER = """
root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
"""

_ENTER_BUILD = _ENTER + 'exec chroot "$root" "$@"'

_ENTER_RUN = (
    _ENTER
    + """
folder=$1; user=$2; shift 2
for place in /tmp /data; do
    mount -t tmpfs -o "mode=700,uid=$user,gid=$user" tmpfs "$root$place"
done
mkdir -p "$root/audio"
mount --bind -o ro "$folder" "$root/audio"
: > "$root/etc/asound.conf"
mount --bind "$folder/asound.conf" "$root/etc/asound.conf"
mount -o remount,bind,ro "$root"
exec chroot "$root" setpriv --reuid "$user" --regid "$user" --groups 29 \
    --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""
)


def main() -> None:
    """Replay the Containerfile and check the result; exit with 1 if a check fails."""
    if os.geteuid() != 0:
        sys.exit("a Debian can be made and entered by root only")
    if len(sys.argv) != 2:
        sys.exit("usage: replay.py FOLDER")
    if shutil.which("debootstrap") is None:
        sys.exit("there is no debootstrap: install it")
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    base = _debian(folder)
    made: dict[str, Path] = {}
    last = Stage("", "")
    for number, last in enumerate(stages((ROOT / "Containerfile").read_text())):
        if not _BASE.fullmatch(last.base):
            sys.exit(f"{last.base} is not the image that this Debian stands in for")
        print(f"stage {number}: {last.name or 'the image'}", flush=True)
        root = folder / f"stage{number}"
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["cp", "-a", base, root], check=True)
        environment = _replay(last, root, made)
        made[last.name] = root
    _check(last, made[last.name], environment, folder / "audio")


def _debian(folder: Path) -> Path:
    """Return a Debian 12 with Python; the first call makes it."""
    root, done = folder / "base", folder / "base-made"
    if not done.exists():
        print(f"making a Debian 12 in {root}: some minutes, once", flush=True)
        shutil.rmtree(root, ignore_errors=True)
        packages = "python3,python3-venv,ca-certificates"
        command = ["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", root]
        with (folder / "debootstrap.log").open("w") as log:
            if subprocess.run(command, check=False, stdout=log).returncode:
                sys.exit(f"debootstrap failed: see {log.name}")
        done.touch()
    return root


def _replay(stage: Stage, root: Path, made: Mapping[str, Path]) -> dict[str, str]:
    """Run a stage's instructions in `root`; return its environment."""
    environment, folder = dict(_START), "/"
    for name, argument in stage.instructions:
        if name == "ENV":
            for setting in shlex.split(argument):
                variable, _, value = setting.partition("=")
                environment[variable] = string.Template(value).substitute(environment)
        elif name == "WORKDIR":
            folder = argument
            (root / folder[1:]).mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            _copy(argument, root, folder, made)
        elif name == "RUN":
            _build(root, folder, environment, argument)
    return environment


def _copy(argument: str, root: Path, folder: str, made: Mapping[str, Path]) -> None:
    *options, source, target = shlex.split(argument)
    place = root / str(Path(folder) / target)[1:]
    if options:
        (stage,) = (option.removeprefix("--from=") for option in options)
        subprocess.run(["cp", "-a", made[stage] / source[1:], place], check=True)
        return
    ignore = (ROOT / ".dockerignore").read_text()
    listed = subprocess.check_output(["git", "-C", ROOT, "ls-files"], text=True).splitlines()
    for name in (name for name in listed if is_sent(Path(name), ignore)):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, place / name)


def _build(root: Path, folder: str, environment: Mapping[str, str], command: str) -> None:
    kept = {}
    for path in map(Path, _NETWORK_FILES):
        inside = root / str(path)[1:]
        if path.exists():
            kept[inside] = inside.read_bytes() if inside.exists() else None
            inside.parent.mkdir(parents=True, exist_ok=True)
            inside.write_bytes(path.read_bytes())
    network = {name: value for name, value in os.environ.items() if _NETWORK.match(name)}
    # This computer's wheels are not in the image.
    network.pop("PIP_FIND_LINKS", None)
    script = f"cd {shlex.quote(folder)} && {command}"
    _enter(_ENTER_BUILD, root, ["/bin/sh", "-ec", script], {**network, **environment})
    for inside, content in kept.items():
        inside.unlink() if content is None else inside.write_bytes(content)


def _enter(
    script: str, root: Path, command: Sequence[object], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command in `root`; its mounts and processes end with the command."""
    words = ["unshare", "--mount", "--pid", "--fork", "sh", "-ec", script, "sh", root, *command]
    done = subprocess.run(
        list(map(str, words)), env=dict(environment), capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{shlex.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done


def _check(stage: Stage, root: Path, environment: Mapping[str, str], audio: Path) -> None:
    """Use the built image as docs/guides/container.md says."""
    audio.mkdir(exist_ok=True)
    shutil.copy(SAMPLE, audio / "speech.wav")
    (audio / "speech.raw").write_bytes(SAMPLE.read_bytes()[44:])
    (audio / "asound.conf").write_text(_ASOUND)
    entry, user = json.loads(stage.last("ENTRYPOINT")), stage.last("USER")

    def inside(*command: str) -> str:
        script = f"cd {stage.last('WORKDIR')} && exec {shlex.join(command)}"
        return _enter(_ENTER_RUN, root, [audio, user, "sh", "-ec", script], environment).stdout

    print(inside(*entry, "--version").splitlines()[0])
    options = ("listen", "--json", "--no-timing", "--input")
    here = [sys.executable, "-m", "sernet_edge", *options, str(SAMPLE)]
    expected = subprocess.run(here, check=True, capture_output=True, text=True).stdout
    if inside(*entry, *options, "/audio/speech.wav") != expected:
        sys.exit("the image gives other records than the program here")
    print(f"the same {len(expected.splitlines())} records as here")
    places = ["", "/etc", "/opt/sernet-edge", "/usr/bin", "/tmp", "/data"]
    attempts = "; ".join(f"touch {place}/x 2>/dev/null && echo {place}" for place in places)
    told = inside("sh", "-c", f"id -u; {attempts}").split()
    if told != [user, "/tmp", "/data"]:
        sys.exit(f"it is not confined to its volume: {told}")
    print(f"user {user}: the root is read-only, /data and /tmp can be written to")
    listen = shlex.join([*entry, *json.loads(stage.last("CMD")), "--json"])
    heard = inside("sh", "-c", f"{listen} | head -n 3")
    results = [record for record in map(json.loads, heard.splitlines()) if "scores" in record]
    if not results:
        sys.exit("it hears no microphone")
    print(f"a microphone is heard: {results[0]['time_s']} s")
    size = subprocess.check_output(["du", "-sm", root / "opt"], text=True).split()[0]
    print(f"/opt/sernet-edge takes {size} MB")


if __name__ == "__main__":
    main()
