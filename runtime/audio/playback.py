"""Plays a recording through the default loudspeaker."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.audio import portaudio
from sernet_edge.runtime.audio.sources import to_int16
from sernet_edge.runtime.errors import AudioError


class Player:
    """Plays one recording at a time, in the background."""

    def __init__(self) -> None:
        """Play nothing yet."""
        self._stream: Any = None
        self._left = np.zeros(0, np.int16)

    def start(self, samples: NDArray[np.int16], rate_hz: int) -> None:
        """Begin to play.

        Args:
            samples: int16 (n,).
            rate_hz: Their rate. They are resampled if the loudspeaker does not support it.

        Raises:
            AudioError: There is no loudspeaker, or it cannot be opened.
        """
        self.stop()
        module = portaudio.sounddevice()
        try:
            with portaudio.quiet_stderr():
                own_hz = round(module.query_devices(kind="output")["default_samplerate"])
                used_hz = rate_hz if _takes(module, rate_hz) else own_hz
                self._left = _resampled(samples, rate_hz, used_hz)
                self._stream = module.RawOutputStream(
                    samplerate=used_hz,
                    channels=1,
                    dtype="int16",
                    latency="high",
                    callback=self._fill,
                )
                self._stream.start()
        except module.PortAudioError as error:
            self._stream = None
            raise AudioError(f"nothing can be played: {error.args[0]}") from error

    @property
    def plays(self) -> bool:
        """Whether a recording is playing."""
        return self._stream is not None and bool(self._stream.active)

    def stop(self) -> None:
        """Be silent."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _fill(self, out: Any, frames: int, when: Any, status: Any) -> None:
        """Give PortAudio's thread the next samples."""
        part, self._left = self._left[:frames], self._left[frames:]
        out[:] = part.astype("<i2").tobytes().ljust(len(out), b"\0")
        if not len(self._left):
            raise portaudio.sounddevice().CallbackStop


def _takes(module: Any, rate_hz: int) -> bool:
    try:
        module.check_output_settings(channels=1, dtype="int16", samplerate=rate_hz)
    except module.PortAudioError:
        return False
    return True


def _resampled(samples: NDArray[np.int16], from_hz: int, to_hz: int) -> NDArray[np.int16]:
    if from_hz == to_hz:
        return samples
    try:
        import soxr
    except ImportError as error:
        raise AudioError(
            f"the loudspeaker does not take {from_hz} Hz, and resampling needs the Python package "
            "soxr",
            "pip install soxr",
        ) from error
    return to_int16(soxr.resample(samples.astype(np.float64), from_hz, to_hz))
