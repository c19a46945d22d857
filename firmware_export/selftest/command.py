"""`sernet-edge selftest`: compares a board's results with this computer's, and counts cycles."""

from __future__ import annotations

import statistics
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from sernet_edge import __version__
from sernet_edge.firmware_export.golden import golden_outputs
from sernet_edge.firmware_export.golden_pcm import golden_pcm
from sernet_edge.firmware_export.identity import model_checksum
from sernet_edge.firmware_export.selftest.board import BoardLink, BoardResult, Hello, open_port
from sernet_edge.firmware_export.selftest.board_run import BoardRun
from sernet_edge.firmware_export.selftest.decisions import ExpectedDecisions
from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.frontend import FeatureStream, FrontEnd
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.options import MODEL_PATH, Integer, Number, finite
from sernet_edge.runtime.teach.head_block import head_block

# A feature that rounds differently moves scores by up to 0.007 (docs/design/frontend.md), so the
# board and Python may order two labels differently if their scores are this close.
_TIE = 0.01


@click.command()
@click.argument("model_path", metavar="MODEL", type=MODEL_PATH)
@click.option("--port", required=True, help="The board's serial port, such as /dev/ttyACM0.")
@click.option(
    "--input",
    "input_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Recording to send to the board.  [default: the export's golden audio]",
)
@click.option(
    "--baud",
    type=Integer(300, 12_000_000),
    default=115_200,
    show_default=True,
    metavar="BITS",
    help="Speed of the line, bits a second; ports of a board's own USB ignore it.",
)
@click.option(
    "--timeout",
    "patience_s",
    type=Number(0, 3600, min_open=True),
    callback=finite,
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Silence after which the board counts as gone.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="Write the results, for `sernet-edge bench --board-run`.",
)
@click.option(
    "--teach",
    is_flag=True,
    help="Send the head of MODEL, which was taught from the board's model, to the board first.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def selftest(
    model_path: Path,
    port: str,
    input_path: Path | None,
    baud: int,
    patience_s: float,
    out: Path | None,
    teach: bool,
    force: bool,
) -> None:
    """Compare a board that runs MODEL, a .tflite, with this computer.

    The board must run the self-test of `sernet-edge export MODEL --out DIR`. This command sends it
    audio over the serial line, and compares its features, scores and labels with Python's. It also
    reports the board's cycles, if the core has a cycle counter.
    """
    if out is not None and out.exists() and not force:
        raise SernetError(f"{out} exists already", hint="choose another name or add --force")
    model = Model(ModelFile.read(model_path))
    if not model.is_int8:
        raise SernetError(
            f"{model_path} is a float model, and firmware runs int8",
            "quantise it with `sernet-edge convert`",
        )
    samples, audio = _audio(input_path, model.contract)
    with open_port(port, baud, patience_s) as board:
        hello = board.hello()
        if teach:
            _check_base(hello, model, port)
            board.teach(head_block(model.file))
        else:
            _check_same_model(hello, model, port)
        comparison = Comparison(model, hello)
        board.reset()
        with click.progressbar(
            length=len(samples), label="listening", file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as bar:
            for start in range(0, len(samples), hello.chunk_samples):
                chunk = samples[start : start + hello.chunk_samples]
                comparison.push(chunk, board)
                bar.update(len(chunk))
        run = comparison.board_run(model_path.name, audio, len(samples), board.repeated)
    click.echo(_text(run))
    if out is not None:
        run.write(out)
        click.echo(f"wrote {out}")
    if not run.passed:
        raise SernetError(
            "the board does not compute what this computer does",
            "compile with the bundle's own sources and without fast-math, check RAM and stack, "
            "and run the self-test of docs/guides/firmware.md",
        )


@dataclass
class Comparison:
    """A board's results beside Python's for the same audio.

    Attributes:
        model: The model that the board runs.
        hello: The board's description of itself.
    """

    model: Model
    hello: Hello
    _results: list[BoardResult] = field(default_factory=list)
    _features_differing: int = 0
    _largest_difference: int = 0
    _scores_differing: int = 0
    _labels_differing: int = 0
    _decisions_differing: int = 0
    _frames: int = 0
    _smoothed: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Start a stream beside the board's."""
        self._front_end = FrontEnd(self.model.contract)
        self._stream = FeatureStream(self._front_end)
        self._ring: deque[Any] = deque(maxlen=self.hello.window_frames)
        self._board_ring: deque[NDArray[np.int8]] = deque(maxlen=self.hello.window_frames)
        self._decisions: ExpectedDecisions | None = None

    def push(self, chunk: NDArray[np.int16], board: BoardLink) -> None:
        """Send the next samples, int16 (n,), to both, and compare the results if one is due."""
        theirs = board.push(chunk)
        if theirs is not None:
            if len(theirs) != self.hello.feature_count:
                raise _contradiction(f"it sent {len(theirs)} features of a frame")
            self._board_ring.append(theirs)
        new_rows = self._stream.push(chunk)  # one at most, as the chunk is short
        if not len(new_rows):
            return
        self._ring.extend(new_rows)
        self._frames += len(new_rows)
        beyond_first = self._frames - self.hello.window_frames
        is_due = beyond_first >= 0 and beyond_first % self.hello.hop_frames == 0
        # With shared rows poll after every frame: the board stores few rows, so its network must
        # take each row at once.
        if not is_due and not self.hello.shares_rows:
            return
        result = board.poll(self.hello.label_count)
        if (result is not None) != is_due or (result and result.frames != self._frames):
            raise SernetError(
                f"the board has no result where one is due, after {self._frames} frames",
                "its firmware is damaged or not what `sernet-edge export` wrote: export again",
            )
        if result is not None:
            self._compare(result, self._board_features(board))
            if self.hello.decides:
                self._compare_decision(result, board)

    def _board_features(self, board: BoardLink) -> NDArray[np.int8]:
        """Return the board's features of the window, int8 (window_frames, feature_count)."""
        if not self.hello.shares_rows:
            return board.features(self.hello.window_frames, self.hello.feature_count)
        if len(self._board_ring) != self.hello.window_frames:
            raise _contradiction(f"it sent features of {len(self._board_ring)} frames of a window")
        return np.stack(self._board_ring)

    def _compare(self, result: BoardResult, theirs: NDArray[np.int8]) -> None:
        self._results.append(result)
        ours = self.model.quantise(self._front_end.window_features(np.stack(self._ring)))
        difference = np.abs(theirs.astype(np.int16) - ours)
        self._features_differing += int(np.count_nonzero(difference))
        self._largest_difference = max(self._largest_difference, int(difference.max()))

        expected = self.model.run_int8(theirs)
        if not np.array_equal(expected, result.scores_int8):
            # On some processors the interpreter's fast kernels differ from the reference kernels;
            # the reference kernels count.
            expected = golden_outputs(self.model.file, theirs[None])[0]
        self._scores_differing += int(np.count_nonzero(expected != result.scores_int8))

        if difference.any():
            expected = self.model.run_int8(ours)
        model = self.model
        new = (expected.astype(np.float64) - model.output_zero_point) * model.output_scale
        if self._smoothed is not None:
            weight = self.hello.smoothing
            new = weight * self._smoothed + (1 - weight) * new
        self._smoothed = new
        valid = result.label < len(new)
        self._labels_differing += not valid or bool(new[result.label] < new.max() - _TIE)

    def _compare_decision(self, result: BoardResult, board: BoardLink) -> None:
        settings, drifts, decision = board.decision()
        if self._decisions is None:
            self._decisions = ExpectedDecisions(self.model, self.hello.hop_frames, settings)
        expected = self._decisions.see(result.frames, result.scores_int8, drifts)
        self._decisions_differing += decision != expected

    def board_run(self, model: str, audio: str, samples: int, repeated: int) -> BoardRun:
        """Return the result of the self-test.

        Args:
            model: The model's name.
            audio: The name of the audio.
            samples: Number of samples sent.
            repeated: How often a frame was sent again.
        """
        contract, results = self.model.contract, self._results
        cycles = [r.network_cycles for r in results] if self.hello.counts_cycles else []
        if self.hello.shares_rows and len(cycles) > 1:
            del cycles[0]  # this result needed all rows of a window, the others those of a hop
        frames_a_second = 1 / contract.frame_step_s
        return BoardRun(
            model=model,
            contract_id=contract.id,
            flatbuffer_sha256=self.model.file.sha256,
            board=self.hello.board,
            clock_hz=self.hello.clock_hz,
            audio=audio,
            audio_s=round(samples / contract.sample_rate_hz, 3),
            windows=len(results),
            cycles_per_inference=round(statistics.median(cycles)) if cycles else None,
            cycles_per_inference_range=(min(cycles), max(cycles)) if cycles else None,
            frontend_cycles_per_second=(
                round(results[-1].frontend_cycles / results[-1].frames * frames_a_second)
                if cycles
                else None
            ),
            features=len(results) * self.hello.window_frames * self.hello.feature_count,
            features_differing=self._features_differing,
            features_largest_difference=self._largest_difference,
            scores=len(results) * self.hello.label_count,
            scores_differing=self._scores_differing,
            labels_differing=self._labels_differing,
            decisions_differing=self._decisions_differing if self.hello.decides else None,
            frames_repeated=repeated,
            sernet_edge=__version__,
        )


def _contradiction(what: str) -> SernetError:
    return SernetError(
        f"the firmware contradicts its own contract: {what}",
        "export it again with this version of sernet-edge, and flash it",
    )


def _audio(path: Path | None, contract: Contract) -> tuple[NDArray[np.int16], str]:
    """Return the samples to send and their name."""
    if path is None:
        golden = golden_pcm(contract)
        # With shared rows the first result takes more work, so send a second window.
        return (np.tile(golden, 2) if contract.stride_frames else golden), "golden audio"
    samples = read_recording(path, contract.sample_rate_hz, "give a recording of speech")
    # `listen` also fills up a recording shorter than a window.
    missing = max(0, contract.window_samples - len(samples))
    return np.concatenate([samples, np.zeros(missing, np.int16)]), path.name


def _check_base(hello: Hello, model: Model, port: str) -> None:
    """Refuse a board that does not run the model from which `model` was taught."""
    base = _base(model)
    if base is None:
        raise SernetError(
            f"{model.name} was not taught, so there is nothing to send",
            "name a file of `sernet-edge teach`, or leave out --teach",
        )
    if (hello.contract_id, hello.model_checksum) != base:
        raise SernetError(
            f"the board at {port} ({hello.board}) does not run the model that {model.name} was "
            f"taught from: its contract is {hello.contract_id}, the old model's {base[0]}",
            "teach the model that the board runs",
        )
    _check_sizes(hello, model, port)


def _base(model: Model) -> tuple[str, int] | None:
    """Return contract and checksum of the model from which `model` was taught, if it was."""
    taught = model.contract.provenance.get("taught", {})
    if "base_contract" not in taught:
        return None
    return taught["base_contract"], int(taught["base_sha256"][:16], 16)


def _check_same_model(hello: Hello, model: Model, port: str) -> None:
    contract, checksum = model.contract, model_checksum(model.file)
    if (hello.contract_id, hello.model_checksum) != (contract.id, checksum):
        if hello.contract_id != contract.id:
            difference = f"its contract is {hello.contract_id}, the file's {contract.id}"
        else:
            difference = (
                f"the contract is the same, but its weights' checksum is "
                f"{hello.model_checksum:016x}, the file's {checksum:016x}"
            )
        hint = (
            "send its head to the board first: add --teach"
            if (hello.contract_id, hello.model_checksum) == _base(model)
            else f"flash what `sernet-edge export {model.name} --out DIR` writes, or give the "
            "model that the board was made from"
        )
        raise SernetError(
            f"the board at {port} ({hello.board}) runs another model than {model.name}: "
            + difference,
            hint,
        )
    _check_sizes(hello, model, port)


def _check_sizes(hello: Hello, model: Model, port: str) -> None:
    contract = model.contract
    expected = (contract.window_frames, len(contract.labels))
    if (hello.window_frames, hello.label_count) != expected or not hello.chunk_samples:
        raise SernetError(
            f"the firmware at {port} contradicts its own contract", "export and flash it again"
        )


def _text(run: BoardRun) -> str:
    clock = f"{run.clock_hz / 1e6:g} MHz" if run.clock_hz else "its clock not told"
    features = f"{run.features:,} compared, "
    if run.features_differing == 0:
        features += "all equal"
    elif run.features_largest_difference == 1:
        features += f"{run.features_differing:,} differ by 1, none by more"
    else:
        features += (
            f"{run.features_differing:,} differ, by up to {run.features_largest_difference}: "
            "1 is allowed"
        )
    scores = (
        "all equal to the bit" if not run.scores_differing else f"{run.scores_differing} DIFFER"
    )
    lines = [
        ("board", f"{run.board}, {clock}"),
        ("model", f"{run.model}, contract {run.contract_id}"),
        ("audio", f"{run.audio}, {run.audio_s:.1f} s, windows: {run.windows}"),
        ("features", features),
        ("scores", f"{run.scores:,} compared, {scores}"),
        ("labels", f"{run.windows - run.labels_differing} of {run.windows} as on this computer"),
        ("cycles", _cycles(run)),
    ]
    if run.decisions_differing is not None:
        same = run.windows - run.decisions_differing
        lines.insert(-1, ("decisions", f"{same} of {run.windows} as `listen` decides"))
    if run.frames_repeated:
        lines.append(("line", f"{run.frames_repeated} requests had to be sent again"))
    lines.append(("result", "passed" if run.passed else "FAILED"))
    return "\n".join(f"{name:9} {text}" for name, text in lines)


def _cycles(run: BoardRun) -> str:
    if run.cycles_per_inference is None or run.frontend_cycles_per_second is None:
        return "not counted: the board has no cycle counter"
    text = (
        f"{run.cycles_per_inference:,} a result, "
        f"front end {run.frontend_cycles_per_second:,} a second of audio"
    )
    if run.clock_hz:
        text += f"; {run.cycles_per_inference / run.clock_hz:.3f} s a result"
    return text
