"""Fuzzes one of the readers of files: readers.py TARGET [libFuzzer's options]

TARGET is contract, model, table, config, records or wav. A reader may refuse an input with its
documented error. Any other error is a crash: libFuzzer writes the input to a file.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from pathlib import Path

import click

if __name__ == "__main__":  # tests run the targets without the fuzzer
    import atheris

    _instrumented = atheris.instrument_imports(include=["sernet_edge"])
else:
    _instrumented = nullcontext()

with _instrumented:
    from sernet_edge.firmware_export.reader import read_network
    from sernet_edge.runtime.audio.recordings import open_recording
    from sernet_edge.runtime.contract import Contract
    from sernet_edge.runtime.errors import SernetError
    from sernet_edge.runtime.event_folder import EventFolder
    from sernet_edge.runtime.listen.command import listen
    from sernet_edge.runtime.listen.config import ConfiguredCommand
    from sernet_edge.runtime.modelfile import ModelFile
    from sernet_edge.runtime.models import DEFAULT_MODEL
    from sernet_edge.train.corpora import table

_FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))
_SHIPPED = ModelFile.read(DEFAULT_MODEL).data


def contract(data: bytes) -> None:
    """Read a contract's JSON; a valid one must stay equal when written and read again."""
    read = Contract.from_json(data)
    assert Contract.from_json(read.to_json()) == read


def model(data: bytes) -> None:
    """Read the fuzzer's bytes as a .tflite file, alone and written over part of the shipped one."""
    at = int.from_bytes(data[:3], "little") % len(_SHIPPED)
    mixed = _SHIPPED[:at] + data[3:] + _SHIPPED[at + len(data) - 3 :]
    for whole in (mixed, data):
        file = ModelFile("fuzzed", whole)
        for step in (lambda file: file.contract, read_network):
            with suppress(SernetError):
                step(file)


def csv_table(data: bytes) -> None:
    """Read a table of recordings."""
    path = _FOLDER / "table.csv"
    path.write_bytes(data)
    table.read(path)


def configuration(data: bytes) -> None:
    """Read a configuration of `listen`, without opening microphone or outputs."""
    path = _FOLDER / "config.toml"
    path.write_bytes(data)
    assert isinstance(listen, ConfiguredCommand)
    with suppress(click.ClickException, click.exceptions.Exit):
        listen.make_context("listen", ["--config", str(path)])


def records(data: bytes) -> None:
    """Read the records of clips from `--record`, as the web page and `teach` do."""
    path = _FOLDER / "records" / "event-000001-anger.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    path.with_suffix(".wav").write_bytes(data)
    for recording in EventFolder(path.parent).recordings():
        _ = recording.mark


def wav(data: bytes) -> None:
    """Read at most one second of a recording of any kind."""
    path = _FOLDER / "sound.wav"
    path.write_bytes(b"RIFF" + data if len(data) % 2 else data)
    with closing(open_recording(path)) as source:
        for _, _block in zip(range(10), source.blocks(), strict=False):
            pass


TARGETS: dict[str, Callable[[bytes], None]] = {
    "contract": contract,
    "model": model,
    "table": csv_table,
    "config": configuration,
    "records": records,
    "wav": wav,
}


def read(target: str, data: bytes) -> None:
    """Pass an input to a target's reader. It may refuse it; other errors are crashes."""
    with suppress(SernetError):
        TARGETS[target](data)


def main() -> None:
    """Fuzz the first argument's target."""
    target = sys.argv.pop(1)
    atheris.Setup(sys.argv, lambda data: read(target, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
