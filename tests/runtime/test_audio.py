"""WAV files of every kind, raw PCM, downmixing and resampling."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import struct
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings, strategies
from numpy.typing import NDArray

from sernet_edge.runtime import AudioError
from sernet_edge.runtime.audio.pcm import RawSource
from sernet_edge.runtime.audio.recordings import open_recording, read_recording
from sernet_edge.runtime.audio.sources import Frames, Incident, Source, check_channel, mono

SPEECH = np.random.default_rng(2).normal(0, 5000, 20_000).astype(np.int16)

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
AMBISONIC = bytes.fromhex("010000002107d3118644c8c1ca000000")


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def fmt(
    tag: int, bits: int, rate: int = 16_000, channels: int = 1, extra: bytes = b"", size: int = 0
) -> bytes:
    frame = channels * (size or (bits + 7) // 8)
    return chunk(
        b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits) + extra
    )


def riff(*chunks: bytes) -> bytes:
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def wav(samples: NDArray[np.int16], rate: int = 16_000, channels: int = 1) -> bytes:
    return riff(fmt(PCM, 16, rate, channels), chunk(b"data", samples.astype("<i2").tobytes()))


@pytest.fixture
def heard(tmp_path: Path) -> Callable[[bytes], NDArray[np.int16]]:
    """Reads a WAV file with these bytes as int16 at 16 kHz."""

    def read(content: bytes) -> NDArray[np.int16]:
        path = tmp_path / "a.wav"
        path.write_bytes(content)
        source = open_recording(path)
        try:
            return hear(source)
        finally:
            source.close()

    return read


Heard = Callable[[bytes], NDArray[np.int16]]


def hear(source: Source) -> NDArray[np.int16]:
    return np.concatenate([np.zeros(0, np.int16), *mono(source, 16_000)])


class Blocks:
    """A source with prepared blocks."""

    def __init__(self, blocks: list[Frames | Incident], rate_hz: int) -> None:
        self.name, self.rate_hz, self.channels = "blocks", rate_hz, 1
        self.overflows, self.lag_s, self.notes = 0, 0.0, list[str]()
        self.live = self.ticks = False
        self._blocks = blocks

    def blocks(self) -> Iterator[Frames | Incident]:
        yield from self._blocks

    def close(self) -> None:
        pass


def test_16_bits_at_the_model_s_rate_pass_untouched(heard: Heard) -> None:
    np.testing.assert_array_equal(heard(wav(SPEECH)), SPEECH)


def test_every_int16_value_passes_untouched(heard: Heard) -> None:
    values = np.arange(-32768, 32768).astype(np.int16)
    np.testing.assert_array_equal(heard(wav(values)), values)


def test_files_of_python_s_wave_module_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(SPEECH.astype("<i2").tobytes())
    source = open_recording(path)
    np.testing.assert_array_equal(hear(source), SPEECH)
    source.close()


@pytest.mark.parametrize("dtype", ["u1", "<i2", "<i4", "<f4", "<f8"])
def test_files_of_scipy_are_read(dtype: str, tmp_path: Path) -> None:
    wavfile = pytest.importorskip("scipy.io.wavfile")
    scaled: NDArray[np.generic] = {
        "u1": (SPEECH // 256 + 128).astype("u1"),
        "<i2": SPEECH,
        "<i4": SPEECH.astype("<i4") << 16,
        "<f4": (SPEECH / 32768).astype("<f4"),
        "<f8": SPEECH / 32768,
    }[dtype]
    wavfile.write(tmp_path / "a.wav", 16_000, scaled)
    source = open_recording(tmp_path / "a.wav")
    expected = SPEECH // 256 * 256 if dtype == "u1" else SPEECH
    np.testing.assert_array_equal(hear(source), expected)
    source.close()


def test_8_bits_are_unsigned(heard: Heard) -> None:
    content = riff(fmt(PCM, 8), chunk(b"data", bytes([0, 127, 128, 129, 255])))
    assert heard(content).tolist() == [-32768, -256, 0, 256, 32512]


def test_24_bits_are_rounded_half_to_even_and_saturated(heard: Heard) -> None:
    values = [0, 256, 128, 384, -128, -384, 0x7FFFFF, -0x800000, 300]
    data = b"".join(struct.pack("<i", value)[:3] for value in values)
    found = heard(riff(fmt(PCM, 24), chunk(b"data", data)))
    assert found.tolist() == [0, 1, 0, 2, 0, -2, 32767, -32768, 1]


def test_32_bits_are_rounded(heard: Heard) -> None:
    data = struct.pack("<5i", 0x7FFFFFFF, -0x80000000, 65536, 98304, 32767)
    found = heard(riff(fmt(PCM, 32), chunk(b"data", data)))
    assert found.tolist() == [32767, -32768, 1, 2, 0]


@pytest.mark.parametrize(("bits", "code"), [(32, "f"), (64, "d")])
def test_floats_beyond_full_scale_are_clipped(bits: int, code: str, heard: Heard) -> None:
    data = struct.pack(f"<6{code}", 0.0, 0.5, -1.0, 1.0, 7.0, -7.0)
    found = heard(riff(fmt(FLOAT, bits, extra=b"\0\0"), chunk(b"data", data)))
    assert found.tolist() == [0, 16384, -32768, 32767, 32767, -32768]


@pytest.mark.parametrize(
    ("floats", "scale"),
    [
        ([0.0, 0.5, -1e30], 2**31),
        (SPEECH, 2**15),
        (SPEECH * 256.0, 2**23),
        (SPEECH * 65536.0, 2**31),
        (np.tile([2.0, -3.0, 0.0], 100), 2**15),  # silence with dither, as integers have it
    ],
    ids=["one is damaged", "16 bits", "24 bits", "32 bits", "hardly any sound"],
)
def test_floats_of_another_full_scale_are_refused_with_how_to_scale_them(
    floats: Any, scale: int, heard: Heard
) -> None:
    data = np.asarray(floats, "<f4").tobytes()
    with pytest.raises(AudioError, match=rf"a\.wav holds float.*far beyond.*volume=1/{scale} "):
        heard(riff(fmt(FLOAT, 32), chunk(b"data", data)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_floats_that_are_not_finite_are_refused(value: float, heard: Heard) -> None:
    data = struct.pack("<3f", 0.0, value, 0.0)
    with pytest.raises(AudioError, match=r"a\.wav holds samples that are NaN or infinite"):
        heard(riff(fmt(FLOAT, 32), chunk(b"data", data)))


@pytest.mark.parametrize(("tag", "bits"), [(PCM, 16), (FLOAT, 32)])
def test_the_extensible_format_is_read(tag: int, bits: int, heard: Heard) -> None:
    extra = struct.pack("<HHIH", 22, bits, 4, tag) + GUID_TAIL
    samples = SPEECH.astype("<i2") if tag == PCM else (SPEECH / 32768).astype("<f4")
    content = riff(fmt(EXTENSIBLE, bits, extra=extra), chunk(b"data", samples.tobytes()))
    np.testing.assert_array_equal(heard(content), SPEECH)


def test_24_bits_in_containers_of_32_are_read(heard: Heard) -> None:
    extra = struct.pack("<HHIH", 22, 24, 4, PCM) + GUID_TAIL
    data = (SPEECH.astype("<i4") << 16).tobytes()
    content = riff(fmt(EXTENSIBLE, 32, extra=extra), chunk(b"data", data))
    np.testing.assert_array_equal(heard(content), SPEECH)


def test_chunks_of_odd_size_and_unknown_names_are_skipped(heard: Heard) -> None:
    content = riff(
        chunk(b"LIST", b"INFOISFT\x03\0\0\0abc"),
        chunk(b"bext", bytes(601)),
        fmt(PCM, 16, extra=b"\0\0"),
        chunk(b"fact", bytes(4)),
        chunk(b"junk", b"x"),
        chunk(b"data", SPEECH.tobytes()),
        chunk(b"LIST", b"not audio"),
    )
    np.testing.assert_array_equal(heard(content), SPEECH)


def test_samples_before_their_format_are_read(heard: Heard) -> None:
    content = riff(chunk(b"data", SPEECH.tobytes()), chunk(b"LIST", b"odd"), fmt(PCM, 16))
    np.testing.assert_array_equal(heard(content), SPEECH)


@pytest.mark.parametrize(
    ("riff_size", "data_size"),
    [(0xFFFFFFFF, 0xFFFFFFFF), (0, 0), (0x7FFFF024, 0x7FFFF000), (0x80000024, 0x80000000)],
    ids=["ffmpeg", "zeros", "sox", "arecord"],
)
def test_with_an_incomplete_header_all_samples_up_to_the_end_are_read(
    riff_size: int, data_size: int, heard: Heard
) -> None:
    content = bytearray(wav(SPEECH))
    content[4:8] = struct.pack("<I", riff_size)
    content[40:44] = struct.pack("<I", data_size)
    np.testing.assert_array_equal(heard(bytes(content)), SPEECH)


def test_a_complete_header_that_says_no_audio_is_believed(heard: Heard) -> None:
    content = riff(fmt(PCM, 16), chunk(b"data", b""), chunk(b"LIST", b"INFO" * 50))
    assert heard(content).tolist() == []


@pytest.mark.parametrize("audio", [SPEECH, np.zeros(500, np.int16)], ids=["speech", "silence"])
def test_samples_after_a_size_of_0_are_read_even_if_the_header_is_complete(
    audio: NDArray[np.int16], heard: Heard
) -> None:
    content = bytearray(wav(audio))
    content[40:44] = bytes(4)
    np.testing.assert_array_equal(heard(bytes(content)), audio)


def test_a_second_chunk_of_samples_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    samples = chunk(b"data", SPEECH.tobytes())
    path.write_bytes(riff(fmt(PCM, 16), samples, chunk(b"LIST", b"odd"), samples))
    source = open_recording(path)
    np.testing.assert_array_equal(hear(source), SPEECH)
    assert source.notes == [f"{path} has a second 'data' chunk: its 40000 bytes were not read"]
    source.close()


def test_a_wav_from_a_pipe_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = riff(chunk(b"LIST", b"odd"), fmt(PCM, 16), chunk(b"data", SPEECH.tobytes()))
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    source = open_recording(pipe)
    np.testing.assert_array_equal(hear(source), SPEECH)
    writer.join()
    source.close()


def test_a_wav_that_ends_early_in_a_pipe_is_truncated(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(wav(SPEECH)[:-7],))
    writer.start()
    source = open_recording(pipe)
    with pytest.raises(AudioError, match="7 of its 40000 bytes of audio are missing"):
        hear(source)
    writer.join()
    source.close()


def test_a_truncated_wav_is_refused_when_it_is_opened(heard: Heard) -> None:
    with pytest.raises(AudioError, match=r"a\.wav is truncated: 101 of its 40000 bytes"):
        heard(wav(SPEECH)[:-101])


def test_an_incomplete_last_frame_is_dropped_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff(fmt(PCM, 16), chunk(b"data", SPEECH.tobytes() + b"\1")))
    source = open_recording(path)
    np.testing.assert_array_equal(hear(source), SPEECH)
    assert source.notes == [f"{path} ends in the middle of a sample: 1 of 2 bytes dropped"]
    source.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"RIFF", "not an audio file"),
        (bytes(100), "not an audio file"),
        (b"fLaC" + bytes(100), "a FLAC file, and cannot be read"),
        (b"RIFF\x04\0\0\0AVI " + bytes(100), "an AVI file, and cannot be read"),
        (b"RIFX" + wav(SPEECH)[4:], "RIFX"),
        (b"RF64" + bytes(100), "RF64"),
        (b"\0\0\0\x20ftypM4A " + bytes(100), "an MPEG-4 file, and cannot be read.*ffmpeg -i"),
        (riff(), "no 'data' chunk"),
        (riff(fmt(PCM, 16)), "no 'data' chunk"),
        (riff(chunk(b"data", bytes(100))), "no 'fmt' chunk"),
        (riff(chunk(b"fmt ", bytes(10))), "'fmt ' chunk is too short"),
        (riff(fmt(2, 4), chunk(b"data", b"")), r"0x0002 \(Microsoft ADPCM\)"),
        (riff(fmt(0x55, 0), chunk(b"data", b"")), r"0x0055 \(MP3\)"),
        (riff(fmt(0xABCD, 16), chunk(b"data", b"")), "0xABCD is not supported"),
        (riff(fmt(EXTENSIBLE, 16), chunk(b"data", b"")), "format tag 0xFFFE is not supported"),
        (
            # Ambisonic B-format, as mmreg.h's SUBTYPE_AMBISONIC_B_FORMAT_PCM.
            riff(fmt(EXTENSIBLE, 16, extra=bytes(8) + AMBISONIC), chunk(b"data", b"")),
            "sub-format 00000001-0721-11d3-8644-c8c1ca000000 is not supported",
        ),
        (
            riff(fmt(EXTENSIBLE, 16, extra=bytes(8) + b"\x55\0" + GUID_TAIL), chunk(b"data", b"")),
            r"0x0055 \(MP3\)",
        ),
        (wav(SPEECH, rate=0), "0 Hz"),
        (wav(SPEECH, rate=2_000_000_000), "2000000000 Hz"),
        (wav(SPEECH, channels=0), "0 channels"),
        (riff(fmt(PCM, 64), chunk(b"data", bytes(8))), "integer samples of 64 bits"),
        (riff(fmt(FLOAT, 16), chunk(b"data", bytes(8))), "float samples of 16 bits"),
    ],
)
def test_a_file_that_cannot_be_understood_is_named(
    content: bytes, message: str, heard: Heard
) -> None:
    with pytest.raises(AudioError, match=rf"a\.wav.*{message}"):
        heard(content)


@pytest.mark.parametrize("align", [0, 1, 3, 4, 6])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_bits_and_not_the_block_align_set_the_width_of_a_sample(
    channels: int, align: int, heard: Heard
) -> None:
    # libsndfile, sox and ffmpeg do the same.
    header = struct.pack("<HHIIHH", PCM, channels, 16_000, 7, channels * align, 16)
    content = riff(chunk(b"fmt ", header), chunk(b"data", SPEECH.tobytes()))
    np.testing.assert_array_equal(heard(content), heard(wav(SPEECH, channels=channels)))


@pytest.mark.parametrize("shift", [0, 8], ids=["in the lower three bytes", "in the upper three"])
@pytest.mark.parametrize("extra", [b"", struct.pack("<HHIH", 22, 24, 4, PCM) + GUID_TAIL])
def test_24_bits_in_four_bytes_are_recognised_by_the_samples(
    extra: bytes, shift: int, heard: Heard
) -> None:
    header = struct.pack("<HHIIHH", EXTENSIBLE if extra else PCM, 1, 16_000, 64_000, 4, 24)
    # The lower 8 bits are noise, and are rounded away.
    data = ((SPEECH.astype("<i4") << 8 | 0x55) << shift).tobytes()
    content = riff(chunk(b"fmt ", header + extra), chunk(b"data", data))
    np.testing.assert_array_equal(heard(content), SPEECH)


def test_24_bits_in_three_bytes_are_read_even_if_the_block_align_says_four(heard: Heard) -> None:
    header = struct.pack("<HHIIHH", PCM, 1, 16_000, 64_000, 4, 24)
    data = b"".join(struct.pack("<i", int(value) << 8)[:3] for value in SPEECH)
    content = riff(chunk(b"fmt ", header), chunk(b"data", data))
    np.testing.assert_array_equal(heard(content), SPEECH)


@pytest.mark.parametrize("name", [b"junk", b"LIST", b"zzzz"])
@pytest.mark.parametrize("size", [1, 5, 601])
def test_a_chunk_of_odd_size_may_lack_its_padding(name: bytes, size: int, heard: Heard) -> None:
    odd = name + struct.pack("<I", size) + b"x" * size
    for parts in ((odd, fmt(PCM, 16)), (fmt(PCM, 16), odd)):
        content = riff(*parts, chunk(b"data", SPEECH.tobytes()))
        np.testing.assert_array_equal(heard(content), SPEECH)


@pytest.mark.parametrize(
    ("kind", "subtype", "endian"),
    [
        *((kind, "PCM_16", "FILE") for kind in ("FLAC", "AIFF", "AU", "RF64", "W64", "CAF")),
        ("WAV", "PCM_16", "BIG"),
        ("AU", "PCM_16", "LITTLE"),
        *(("FLAC", "PCM_24", "FILE"), ("AIFF", "PCM_32", "FILE"), ("CAF", "FLOAT", "FILE")),
    ],
)
def test_other_lossless_containers_are_read_exactly(
    kind: str, subtype: str, endian: str, tmp_path: Path
) -> None:
    path = tmp_path / "its ending proves nothing.wav"
    soundfile.write(path, SPEECH / 32768, 16_000, subtype, endian, kind)
    np.testing.assert_array_equal(read_recording(path, 16_000), SPEECH)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        *(("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")),
        *(("WAV", "MS_ADPCM"), ("WAV", "ALAW"), ("WAV", "ULAW")),
    ],
)
def test_lossy_files_are_read_at_their_level_and_length(
    kind: str, subtype: str, tmp_path: Path
) -> None:
    tone = 8000 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    soundfile.write(tmp_path / "a", tone / 32768, 16_000, subtype, format=kind)
    found = read_recording(tmp_path / "a", 16_000)[2000:30_000].astype(np.float64)
    assert np.sqrt(np.square(found).mean()) == pytest.approx(8000 / np.sqrt(2), rel=0.03)
    spectrum = np.abs(np.fft.rfft(found))
    assert np.argmax(spectrum) == pytest.approx(440 * len(found) / 16_000, abs=1)


@pytest.mark.parametrize("where", ["alone", "behind a tag", "in a WAV"])
def test_mp3_of_variable_rate_is_read_to_its_end_even_if_it_does_not_state_its_length(
    where: str, tmp_path: Path
) -> None:
    # Noise takes many bytes a second, a tone few: an estimate from the first frame is wrong.
    noise = np.random.default_rng(1).normal(0, 0.2, 16_000)
    tone = np.sin(2 * np.pi * 440 * np.arange(96_000) / 16_000) / 4
    soundfile.write(tmp_path / "a.mp3", np.concatenate([noise, tone]), 16_000)
    content = (tmp_path / "a.mp3").read_bytes()
    # MPEG-2 layer 3: its first frame, of 64 kbit/s, states the number of frames.
    assert content.startswith(b"\xff\xf3\x88")
    content = content[64_000 * 72 // 16_000 :]
    if where == "behind a tag":
        content = b"ID3\3\0\0\0\0\2\0" + bytes(256) + content
    if where == "in a WAV":
        # MPEGLAYER3WAVEFORMAT has 12 bytes more. The number of samples in `fact` is too large.
        header = struct.pack("<HHIIHHHHIHHH", 0x55, 1, 16_000, 4_000, 1, 0, 12, 1, 2, 144, 1, 1393)
        fact = struct.pack("<I", 200_000)
        content = riff(chunk(b"fmt ", header), chunk(b"fact", fact), chunk(b"data", content))
    (tmp_path / "b").write_bytes(content)
    found = read_recording(tmp_path / "b", 16_000).astype(np.float64)
    assert len(found) == pytest.approx(112_000, rel=0.02)
    assert np.sqrt(np.square(found[20_000:110_000]).mean()) == pytest.approx(5793, rel=0.03)


@pytest.mark.parametrize("kind", ["FLAC", "AIFF", "AU", "RF64", "W64", "CAF"])
def test_a_truncated_file_of_another_kind_is_refused(kind: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "whole", SPEECH, 16_000, format=kind)
    content = (tmp_path / "whole").read_bytes()
    (tmp_path / "a").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(AudioError, match="truncated|malformed"):
        read_recording(tmp_path / "a", 16_000)


def test_a_name_that_is_not_utf_8_is_read(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe4rger.flac"))
    soundfile.write(tmp_path / "a.flac", SPEECH, 16_000)
    (tmp_path / "a.flac").rename(path)
    np.testing.assert_array_equal(read_recording(path, 16_000), SPEECH)


def test_a_wav_is_read_without_libsndfile_and_other_files_say_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", SPEECH, 16_000)
    soundfile.write(tmp_path / "a.flac", SPEECH, 16_000)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    np.testing.assert_array_equal(read_recording(tmp_path / "a.wav", 16_000), SPEECH)
    with pytest.raises(AudioError, match=r"package soundfile \(pip install soundfile\)"):
        read_recording(tmp_path / "a.flac", 16_000)


def test_a_recording_without_samples_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(SPEECH[:0]))
    with pytest.raises(AudioError, match="holds no audio"):
        read_recording(tmp_path / "a.wav", 16_000)


@settings(max_examples=200, deadline=None)
@given(data=strategies.data())
def test_a_damaged_wav_is_an_error_or_audio_and_nothing_else(
    data: strategies.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(riff(chunk(b"LIST", b"abc"), fmt(PCM, 16), chunk(b"data", bytes(64))))
    for _ in range(data.draw(strategies.integers(1, 4))):
        content[data.draw(strategies.integers(0, len(content) - 1))] = data.draw(
            strategies.integers(0, 255)
        )
    path = tmp_path_factory.getbasetemp() / "damaged.wav"
    path.write_bytes(content[: data.draw(strategies.integers(0, len(content)))])
    try:
        source = open_recording(path)
    except AudioError:
        return
    try:
        hear(source)
    except AudioError:
        pass
    finally:
        source.close()


def test_a_stereo_file_is_downmixed_by_the_mean(heard: Heard) -> None:
    frames = np.array([[100, 200], [-5, -6], [-5, -4], [32767, 32767], [1, 2]], np.int16)
    assert heard(wav(frames, channels=2)).tolist() == [150, -6, -4, 32767, 2]


def test_six_channels_are_downmixed_by_the_mean(heard: Heard) -> None:
    frames = np.random.default_rng(3).integers(-32768, 32768, (5000, 6)).astype(np.int16)
    expected = np.rint(frames.astype(np.int64).sum(axis=1) / 6)
    np.testing.assert_array_equal(heard(wav(frames, channels=6)), expected)


def test_one_channel_of_six_is_taken_as_it_is() -> None:
    frames = np.random.default_rng(3).integers(-32768, 32768, (5000, 6)).astype(np.int16)
    blocks = Blocks([frames], 16_000)
    for channel in range(6):
        (found,) = mono(blocks, 16_000, channel)
        np.testing.assert_array_equal(found, frames[:, channel])


def test_the_error_for_a_missing_channel_names_the_existing_ones() -> None:
    check_channel("a.wav", 6, 5)
    check_channel("a.wav", 1, None)
    with pytest.raises(AudioError, match=r"a\.wav has no channel 6 \(it has 6 channels, 0 to 5\)"):
        check_channel("a.wav", 6, 6)
    with pytest.raises(AudioError, match=r"has no channel 1 \(it has one channel, 0\)"):
        check_channel("a.wav", 1, 1)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_a_resampled_tone_is_the_tone_at_the_new_rate(rate: int, heard: Heard) -> None:
    def tone(hz: int) -> NDArray[np.float64]:
        found: NDArray[np.float64] = 8000 * np.sin(2 * np.pi * 1000 * np.arange(2 * hz) / hz)
        return found

    found = heard(wav(np.rint(tone(rate)).astype(np.int16), rate=rate))
    assert len(found) == 32_000
    # The edges ring, since the tone begins abruptly.
    np.testing.assert_allclose(found[2000:-2000], tone(16_000)[2000:-2000], atol=2)


def test_resampling_removes_frequencies_beyond_the_new_rate(heard: Heard) -> None:
    tone = 8000 * np.sin(2 * np.pi * 10_000 * np.arange(88_200) / 44_100)
    found = heard(wav(np.rint(tone).astype(np.int16), rate=44_100))
    assert np.abs(found[2000:-2000]).max() <= 2


@settings(max_examples=30, deadline=None)
@given(
    sizes=strategies.lists(strategies.integers(0, 3000), max_size=40),
    rate=strategies.sampled_from([8_000, 44_100]),
)
def test_resampling_does_not_depend_on_the_blocks(sizes: list[int], rate: int) -> None:
    stereo = SPEECH.reshape(-1, 2)
    edges = np.minimum(np.cumsum(sizes, dtype=int), len(stereo)).tolist()
    whole = hear(Blocks([stereo], rate))
    np.testing.assert_array_equal(hear(Blocks(np.split(stereo, edges), rate)), whole)


def test_resampling_does_not_mix_audio_across_a_gap() -> None:
    rng = np.random.default_rng(4)
    before, after = (rng.normal(0, 5000, (9000, 1)).astype(np.int16) for _ in "ab")
    gap = Incident("device-back", "it is back", "info", 2.0)
    items = list(mono(Blocks([before, gap, after], 44_100), 16_000))
    assert items[1] is gap
    behind = np.concatenate([item for item in items[2:] if not isinstance(item, Incident)])
    np.testing.assert_array_equal(behind, hear(Blocks([after], 44_100)))


def test_a_device_may_come_back_with_another_rate() -> None:
    class Changing(Blocks):
        def blocks(self) -> Iterator[Frames | Incident]:
            yield np.zeros((16_000, 1), np.int16)
            self.rate_hz = 48_000
            yield Incident("device-back", "it is back", "info", 2.0)
            yield np.zeros((48_000, 1), np.int16)

    items = list(mono(Changing([], 16_000), 16_000))
    assert [isinstance(item, Incident) for item in items[:2]] == [False, True]
    assert sum(len(item) for item in items[2:] if not isinstance(item, Incident)) == 16_000


def test_audio_that_the_system_cannot_read_is_named() -> None:
    class Broken(Blocks):
        def blocks(self) -> Iterator[Frames | Incident]:
            yield np.zeros((10, 1), np.int16)
            raise OSError(5, "Input/output error")

    items = mono(Broken([], 16_000), 16_000)
    next(items)
    with pytest.raises(AudioError, match="cannot read blocks any further: Input/output error"):
        next(items)


def test_a_missing_resampler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(AudioError, match=r"44100 Hz.*16000 Hz.*soxr.*pip install"):
        hear(Blocks([SPEECH.reshape(-1, 1)], 44_100))


class Dribble(io.BytesIO):
    """A pipe with three bytes in each read."""

    def read1(self, size: int | None = -1, /) -> bytes:
        return super().read1(3)


def test_raw_pcm_may_come_in_any_pieces() -> None:
    source = RawSource(Dribble(SPEECH[:300].tobytes()), 16_000, 2, "pipe")
    pairs = SPEECH[:300].reshape(-1, 2).astype(np.float64)
    np.testing.assert_array_equal(hear(source), np.rint(pairs.mean(axis=1)))
    assert source.notes == []


def test_raw_pcm_that_ends_within_a_sample_is_reported() -> None:
    source = RawSource(io.BytesIO(SPEECH[:10].tobytes() + b"\1\2\3"), 16_000, 2, "pipe")
    assert len(hear(source)) == 5
    assert source.notes == ["pipe ended in the middle of a sample: 3 of 4 bytes dropped"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("s16le", SPEECH.astype("<i2")),
        ("s16be", SPEECH.astype(">i2")),
        ("s32le", SPEECH.astype("<i4") << 16),
        ("f32le", (SPEECH / 32768).astype("<f4")),
        ("s24le", np.frombuffer((SPEECH.astype("<i4") << 8).tobytes(), np.uint8)),
        ("u8", (SPEECH // 256 + 128).astype(np.uint8)),
    ],
)
def test_raw_samples_of_each_format_are_the_same_sound(name: str, data: NDArray[Any]) -> None:
    if name == "s24le":
        data = data.reshape(-1, 4)[:, :3]
    source = RawSource(Dribble(data.tobytes()), 16_000, 1, "pipe", name)
    expected = SPEECH // 256 * 256 if name == "u8" else SPEECH
    np.testing.assert_array_equal(hear(source), expected)


CONTAINERS = {
    **{kind: kind for kind in ("FLAC", "AIFF", "AU", "RF64", "W64", "CAF", "MP3", "VOC")},
    "OGG": "Ogg",
    "NIST": "NIST Sphere",
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_container_where_raw_pcm_is_expected_is_refused_by_name(
    kind: str, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a", SPEECH, 16_000, format=kind)
    with pytest.raises(AudioError, match=f"pipe holds an? {CONTAINERS[kind]} file"):
        hear(RawSource(io.BytesIO((tmp_path / "a").read_bytes()), 16_000, 1, "pipe"))


def adts_frame(size: int) -> bytes:
    """Return a frame of AAC of `size` bytes: ISO/IEC 13818-7, MPEG-4 LC at 16 kHz, mono."""
    header = (0xFFF1 << 40) | (0x6040 << 24) | (size << 13) | 0x1FFC
    return header.to_bytes(7, "big") + bytes(size - 7)


def mp3_frame(header: str, size: int) -> bytes:
    return bytes.fromhex(header) + bytes(size - 4)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"".join(map(adts_frame, [71, 90, 1200, 84, 77])), "an AAC"),
        # MPEG-1 layer 3 at 44.1 kHz, 32 to 320 kbit/s: the start of a file of variable rate.
        (
            mp3_frame("FFFB1000", 104) + mp3_frame("FFFBE000", 1044) + mp3_frame("FFFB9200", 418),
            "an MP3",
        ),
        # MPEG-2 layer 3 at 16 kHz; layer 2 at 48 kHz; MPEG-2.5 layer 3 at 8 kHz.
        (mp3_frame("FFF34800", 144) * 3, "an MP3"),
        (mp3_frame("FFFDA400", 576) * 3, "an MP2"),
        (mp3_frame("FFE31800", 72) * 4, "an MP3"),
        ((b"G\x40\x11\x10" + bytes(184)) * 4, "an? MPEG transport stream"),
        (bytes.fromhex("0b778a198c402f84") + bytes(600), "an AC-3"),
        (b"wvpk\xd6\x3c\x01\x00\x10\x04" + bytes(600), "a WavPack"),
        (b".SoX" + bytes(600), "a SoX"),
        (bytes.fromhex("64a3010000007a46") + bytes(600), "an IRCAM"),
        (b"FORM\0\0\1\0MAUDMHDR" + bytes(600), "a MAUD"),
        (bz2.compress(SPEECH.tobytes()), "a bzip2"),
        (lzma.compress(SPEECH.tobytes()), "an xz"),
        (b"<!DOCTYPE html><title>404</title>" * 20, "an HTML"),
    ],
)
def test_containers_that_libsndfile_does_not_write_are_refused_by_name_on_a_pipe_too(
    content: bytes, kind: str
) -> None:
    with pytest.raises(AudioError, match=f"pipe holds {kind} file"):
        hear(RawSource(io.BytesIO(content), 16_000, 1, "pipe"))


@pytest.mark.parametrize("first", [0x4047, 0x4747, 0x770B, -1, -1025, -1281, -257, -28673, 0x4449])
def test_samples_that_look_like_the_start_of_a_container_are_samples(first: int) -> None:
    # -1025 is FF FB, the start of a frame of MP3.
    rng = np.random.default_rng(6)
    for rest in (SPEECH, np.full(4000, first, np.int16), rng.integers(-3, 3, 4000)):
        samples = np.concatenate([[first], rest]).astype("<i2")
        assert hear(RawSource(io.BytesIO(samples.tobytes()), 16_000, 1, "pipe")).size == len(
            samples
        )


def test_a_wav_where_raw_pcm_is_expected_is_refused() -> None:
    with pytest.raises(AudioError, match="pipe holds a WAV file"):
        hear(RawSource(io.BytesIO(wav(SPEECH)), 16_000, 1, "pipe"))
