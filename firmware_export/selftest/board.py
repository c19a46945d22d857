"""Talks over a serial line to a board that runs csrc/sernet_serial.c.

docs/guides/selftest.md describes the protocol: each request and each answer is a frame with a
checksum. The computer sends the next request only when it has the answer, or has given up waiting.
So both sides need a buffer of only one frame, and the computer repeats a request that got lost.
"""

from __future__ import annotations

import errno
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.firmware_export.csource import c_constant
from sernet_edge.runtime.errors import SernetError

PROTOCOL_VERSION = c_constant("sernet_serial.h", "SERNET_SERIAL_VERSION")

MAX_PAYLOAD_BYTES = c_constant("sernet_serial.h", "SERNET_SERIAL_PAYLOAD")
_FRAME_BYTES = (
    c_constant("sernet_serial.h", "SERNET_SERIAL_HEADER")
    + MAX_PAYLOAD_BYTES
    + c_constant("sernet_serial.h", "SERNET_SERIAL_CHECKSUM")
)
_MARK = b"SE"
_NEEDS_AUDIO, _RESULT, _BUSY = 0, 1, 2
_COUNTS_CYCLES, _SHARES_ROWS, _DECIDES = 1, 2, 4

_HELLO = struct.Struct("<BBHQQIIIIIf")
_RESULT_HEAD = struct.Struct("<QHQQ")
_DECISION_HEAD = struct.Struct("<dddddHBBB")
_EVENT = struct.Struct("<BHIddd")

# An answer takes the time on the line and the time of eight parts of the network's work. After this
# much more silence the computer sends the request again.
_ANSWER_S = 1.0


@dataclass(frozen=True)
class Hello:
    """Description of a board's firmware, sent by the board.

    Attributes:
        board: The board's name.
        clock_hz: The core's clock; None: unknown.
        counts_cycles: Whether the board has a cycle counter.
        shares_rows: Whether the firmware shares rows between windows.
        decides: Whether the firmware sends the decisions of `sernet_decide`.
        contract_id: 16 hex digits.
        model_checksum: See `firmware_export.identity`.
        chunk_samples: The most samples in one request.
        window_frames: Frames in a window.
        hop_frames: Frames from one result to the next.
        feature_count: Features in a frame.
        label_count: Scores in a result.
        smoothing: Weight of the earlier scores.
    """

    board: str
    clock_hz: int | None
    counts_cycles: bool
    shares_rows: bool
    decides: bool
    contract_id: str
    model_checksum: int
    chunk_samples: int
    window_frames: int
    hop_frames: int
    feature_count: int
    label_count: int
    smoothing: float


@dataclass(frozen=True)
class BoardResult:
    """A board's result for one window.

    Attributes:
        frames: Frames of the stream up to the window's end.
        label: Index of the highest smoothed score.
        network_cycles: The network's cycles since the last result.
        frontend_cycles: The front end's cycles since the stream's start.
        scores_int8: The network's scores for this window, int8 (labels,).
        scores: Smoothed scores, float32 (labels,).
    """

    frames: int
    label: int
    network_cycles: int
    frontend_cycles: int
    scores_int8: NDArray[np.int8]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class DecisionSettings:
    """A board's settings of decisions; see sernet_decide.h.

    Attributes:
        smoothing: Weight of the earlier scores.
        unsure_below: A result with a lower top smoothed score is unsure.
        evidence_s: How long an emotion must lead before an event starts.
        release_s: How long the emotion must not lead before the event ends.
        refractory_s: How long after an event no event of its label starts.
    """

    smoothing: float
    unsure_below: float
    evidence_s: float
    release_s: float
    refractory_s: float


@dataclass(frozen=True)
class BoardEvent:
    """The start or the end of an emotion that lasts.

    Attributes:
        kind: "start" or "end".
        label: Index of its label.
        number: The event's number, from 1.
        start_s: The emotion's onset in the stream.
        end_s: The end of the last result in which the emotion led; 0 at the start.
        peak: The highest smoothed score of its label so far.
    """

    kind: str
    label: int
    number: int
    start_s: float
    end_s: float
    peak: float


@dataclass(frozen=True)
class Decision:
    """The decision on one result.

    Attributes:
        label: Index of the highest smoothed score.
        sure: Whether the result is sure.
        events: Events that start or end with this result.
    """

    label: int
    sure: bool
    events: tuple[BoardEvent, ...]


class BoardLink:
    """The requests of a self-test to a board, one method each; each waits for the answer.

    Attributes:
        repeated: How often the link has sent a request again.
    """

    def __init__(self, line: Any, patience_s: float) -> None:
        """Use an open port; see `open_port`.

        Args:
            line: A `serial.Serial`.
            patience_s: Silence after which the board counts as gone.
        """
        self.repeated = 0
        self._line = line
        self._patience_s = patience_s
        # A byte takes ten bits with start and stop bit; the time of a request and an answer.
        self._answer_s = _ANSWER_S + 2 * _FRAME_BYTES * 10 / line.baudrate
        self._number = 0
        self._pending = bytearray()
        self._heard_bytes = 0

    def hello(self) -> Hello:
        """Return the firmware's description of itself.

        Raises:
            SernetError: Nothing answers, another program answers, or the protocol's version
                differs.
        """
        # If an earlier program left a frame half sent, zeros complete it; otherwise the board would
        # take this request for the rest of that frame.
        self._write(bytes(_FRAME_BYTES))
        try:
            payload = self._request(b"H")
        except TimeoutError as error:
            raise self._no_hello() from error
        if not payload or payload[0] != PROTOCOL_VERSION:
            raise SernetError(
                f"the firmware at {self._line.name} speaks version {payload[0] if payload else '?'}"
                f" of the self-test's protocol, this program {PROTOCOL_VERSION}",
                "export the firmware again with this version of sernet-edge, and flash it",
            )
        if len(payload) < _HELLO.size:
            raise self._nonsense("its hello is too short")
        (
            _,
            abilities,
            chunk,
            contract_id,
            checksum,
            clock,
            window,
            hop,
            features,
            labels,
            smoothing,
        ) = _HELLO.unpack_from(payload)
        name = payload[_HELLO.size :].decode("utf-8", "replace")
        return Hello(
            board="".join(c if c.isprintable() else "?" for c in name) or "unnamed",
            clock_hz=clock or None,
            counts_cycles=bool(abilities & _COUNTS_CYCLES),
            shares_rows=bool(abilities & _SHARES_ROWS),
            decides=bool(abilities & _DECIDES),
            contract_id=f"{contract_id:016x}",
            model_checksum=checksum,
            chunk_samples=chunk,
            window_frames=window,
            hop_frames=hop,
            feature_count=features,
            label_count=labels,
            smoothing=smoothing,
        )

    def reset(self) -> None:
        """Start a new stream."""
        self._ask(b"R")

    def teach(self, block: bytes) -> None:
        """Send the block of a head, as `sernet-edge teach --head` writes it; the board keeps it.

        Raises:
            SernetError: The head belongs to another model, or the firmware was compiled without
                SERNET_HEAD.
        """
        most = MAX_PAYLOAD_BYTES - 4
        try:
            for start in range(0, len(block), most):
                self._ask(b"T", struct.pack("<I", start) + block[start : start + most])
            self._ask(b"T", struct.pack("<I", len(block)))
        except SernetError as error:
            raise SernetError(
                f"{error.message}: it did not take the head",
                "compile it with SERNET_HEAD defined, and send a head that was taught from its "
                "model",
            ) from error

    def push(self, samples: NDArray[np.int16]) -> NDArray[np.int8] | None:
        """Send int16 samples (n,), at most `Hello.chunk_samples`.

        Returns:
            If the board shares rows and the samples complete a frame: its features, int8
            (feature_count,). Otherwise None.
        """
        answer = self._ask(b"A", samples.astype("<i2").tobytes())
        if len(answer) < 2 or int.from_bytes(answer[:2], "little") != len(samples):
            raise self._nonsense("it did not take the audio")
        return np.frombuffer(answer, np.int8, offset=2) if len(answer) > 2 else None

    def poll(self, label_count: int) -> BoardResult | None:
        """Let the board do the network's work; return the result, or None if no result is due.

        Args:
            label_count: The model's number of labels.
        """
        while (answer := self._ask(b"P"))[:1] == bytes([_BUSY]):
            pass
        if answer == bytes([_NEEDS_AUDIO]):
            return None
        if answer[:1] != bytes([_RESULT]) or len(answer) != 1 + _RESULT_HEAD.size + 5 * label_count:
            raise self._nonsense(f"its result has {len(answer)} bytes")
        scores_at = 1 + _RESULT_HEAD.size
        frames, label, network_cycles, frontend_cycles = _RESULT_HEAD.unpack_from(answer, 1)
        return BoardResult(
            frames,
            label,
            network_cycles,
            frontend_cycles,
            np.frombuffer(answer, np.int8, label_count, scores_at),
            np.frombuffer(answer, "<f4", label_count, scores_at + label_count),
        )

    def decision(self) -> tuple[DecisionSettings, bool, Decision]:
        """Return the decision of the last result.

        Returns:
            The board's settings, whether the window is above the drift limit, and the decision.
        """
        answer = self._ask(b"D")
        if len(answer) < _DECISION_HEAD.size:
            raise self._nonsense(f"its decision has {len(answer)} bytes")
        *settings, label, sure, drifts, count = _DECISION_HEAD.unpack_from(answer)
        if len(answer) != _DECISION_HEAD.size + count * _EVENT.size:
            raise self._nonsense(f"its decision has {len(answer)} bytes")
        events = tuple(
            BoardEvent({1: "start", 2: "end"}.get(kind, f"kind {kind}"), *others)
            for kind, *others in _EVENT.iter_unpack(answer[_DECISION_HEAD.size :])
        )
        return DecisionSettings(*settings), bool(drifts), Decision(label, bool(sure), events)

    def features(self, window_frames: int, feature_count: int) -> NDArray[np.int8]:
        """Return the last result's features, int8 (window_frames, feature_count)."""
        size = window_frames * feature_count
        parts = []
        for start in range(0, size, MAX_PAYLOAD_BYTES):
            count = min(MAX_PAYLOAD_BYTES, size - start)
            parts.append(self._ask(b"F", struct.pack("<IH", start, count)))
            if len(parts[-1]) != count:
                raise self._nonsense("it sent too few features")
        return np.frombuffer(b"".join(parts), np.int8).reshape(window_frames, feature_count)

    # The line

    def _ask(self, kind: bytes, payload: bytes = b"") -> bytes:
        try:
            return self._request(kind, payload)
        except TimeoutError as error:
            raise SernetError(
                f"the board at {self._line.name} stopped answering: "
                f"nothing valid came for {self._patience_s:g} s",
                "reset the board and try again; a slow one needs a larger --timeout",
            ) from error

    def _request(self, kind: bytes, payload: bytes = b"") -> bytes:
        """Send a request until the board answers; return the answer's payload.

        Raises:
            TimeoutError: No valid answer came in time.
            SernetError: The port fails, or the board answers with an error.
        """
        self._number = (self._number + 1) % 256
        frame = _frame(kind, self._number, payload)
        deadline = time.monotonic() + self._patience_s
        self._write(frame)
        while True:
            wait_until = min(deadline, time.monotonic() + self._answer_s)
            answer = self._read_answer(kind.lower(), wait_until)
            if answer is not None:
                return answer
            if time.monotonic() >= deadline:
                raise TimeoutError
            self.repeated += 1
            # If a length was damaged, the board waits for the rest of a frame: zeros complete it.
            self._write(bytes(_FRAME_BYTES) + frame)

    def _read_answer(self, kind: bytes, wait_until: float) -> bytes | None:
        """Return the payload of the answer to the last request; None if it comes too late."""
        self._line.timeout = 0.1
        while True:
            for found, number, payload in self._frames():
                if number != self._number:
                    continue  # a late answer to an earlier request
                if found == kind:
                    return payload
                if found == b"e" and len(payload) == 4:
                    code = int.from_bytes(payload, "little", signed=True)
                    raise SernetError(
                        f"the board at {self._line.name} answers with the error {code} to a "
                        f"request {kind.upper().decode()}",
                        "sernet_engine.h in the exported folder says what it means",
                    )
            if time.monotonic() >= wait_until:
                self._pending.clear()
                return None
            with self._failing():
                data = self._line.read(max(1, self._line.in_waiting))
            self._heard_bytes += len(data)
            self._pending += data

    def _frames(self) -> Iterator[tuple[bytes, int, bytes]]:
        """Take the complete frames out of the received bytes: (type, number, payload)."""
        pending = self._pending
        while True:
            start = pending.find(_MARK)
            if start < 0:
                del pending[: len(pending) - pending.endswith(_MARK[:1])]
                return
            del pending[:start]
            if len(pending) < 6:
                return
            length = int.from_bytes(pending[4:6], "little")
            end = 6 + length
            if length <= MAX_PAYLOAD_BYTES:
                if len(pending) < end + 4:
                    return
                if zlib.crc32(pending[2:end]) == int.from_bytes(pending[end : end + 4], "little"):
                    frame = bytes(pending[2:3]), pending[3], bytes(pending[6:end])
                    del pending[: end + 4]
                    yield frame
                    continue
            # The frame is damaged, or the two bytes were no mark: search after the first byte.
            del pending[:1]

    def _write(self, data: bytes) -> None:
        with self._failing():
            self._line.write(data)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        import serial

        try:
            yield
        except serial.SerialTimeoutException as error:
            raise SernetError(
                f"the board at {self._line.name} takes no more bytes",
                "check flow control and cable, reset the board and try again",
            ) from error
        except OSError as error:
            raise SernetError(
                f"the port {self._line.name} failed: {error.strerror or error}",
                "was the board unplugged?",
            ) from error

    def _nonsense(self, what: str) -> SernetError:
        return SernetError(
            f"the firmware at {self._line.name} does not answer as it should: {what}",
            "export it again with this version of sernet-edge, and flash it",
        )

    def _no_hello(self) -> SernetError:
        name, seconds = self._line.name, f"{self._patience_s:g} s"
        if self._heard_bytes:
            return SernetError(
                f"{name} sends bytes, but none that the self-test's firmware would "
                f"({self._heard_bytes} in {seconds})",
                "flash the program with sernet_serial_step that docs/guides/selftest.md describes, "
                "or give the line's own --baud",
            )
        return SernetError(
            f"nothing answers at {name} for {seconds}",
            "is it the board's port, is the self-test's firmware flashed and started, "
            "is --baud the board's?" + _others(name),
        )


@contextmanager
def open_port(name: str, baud: int, patience_s: float) -> Iterator[BoardLink]:
    """Open a serial port for a `with` block.

    Args:
        name: Such as /dev/ttyACM0 or COM3.
        baud: Bits a second; ports of a board's own USB ignore it.
        patience_s: See `BoardLink`.

    Raises:
        SernetError: The port does not exist, is in use, or the user may not open it.
    """
    import serial

    try:
        line = serial.Serial(name, baud, timeout=0.1, write_timeout=patience_s, exclusive=True)
    except (OSError, ValueError, OverflowError) as error:
        raise _cannot_open(name, baud, error) from error
    try:
        yield BoardLink(line, patience_s)
    finally:
        line.close()


def _cannot_open(name: str, baud: int, error: Exception) -> SernetError:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOENT or "FileNotFoundError" in str(error):
        return SernetError(f"there is no port {name}", "plug the board in" + _others(name))
    if number in (errno.EACCES, errno.EPERM):
        return SernetError(
            f"you may not use the port {name}: permission denied",
            "sudo usermod -aG dialout $USER (uucp on Arch), log out and in again; "
            "on Windows close what uses it",
        )
    if number in (errno.EBUSY, errno.EAGAIN):
        return SernetError(
            f"another program uses the port {name}", "close its serial monitor or terminal"
        )
    if isinstance(error, (ValueError, OverflowError)):
        return SernetError(f"{name} does not do {baud} bits a second: {error}")
    return SernetError(
        f"{name} cannot be used as a serial port: {error}", "name another" + _others(name)
    )


def _others(name: str) -> str:
    """Return the end of a hint: the other ports of this computer."""
    from serial.tools import list_ports

    others = [port.device for port in list_ports.comports() if port.device != name]
    return f"; ports here: {', '.join(others)}" if others else ""


def _frame(kind: bytes, number: int, payload: bytes) -> bytes:
    body = kind + bytes([number]) + len(payload).to_bytes(2, "little") + payload
    return _MARK + body + zlib.crc32(body).to_bytes(4, "little")
