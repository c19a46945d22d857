"""Recognises a file's container by its first bytes."""

from __future__ import annotations

HEAD_BYTES = 16
"""Bytes that show most containers; `needs_more` tells which files need more of them."""

LONG_HEAD_BYTES = 6_000
"""Bytes that hold three frames of MPEG audio; fewer frames can be a coincidence."""

WAV = "WAV"

AUDIO_SUFFIXES = (
    *(".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
    *(".aif", ".aiff", ".aifc", ".au", ".snd", ".caf"),
)
"""Endings, in lower case, of the files that `recordings.open_recording` reads."""

# The first bytes of a file, and the name of its container. A RIFF file's type follows its size.
_MAGIC = {
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b".snd": "AU",
    b"dns.": "AU",
    b"RF64": "RF64",
    b"BW64": "BW64",
    b"RIFX": "RIFX",
    b"riff\x2e\x91\xcf\x11": "W64",
    b"caff": "CAF",
    b"ID3": "MP3",
    b"wvpk": "WavPack",
    b"MAC ": "Monkey's Audio",
    b"TTA1": "True Audio",
    b"#!AMR": "AMR",
    b"DSD ": "DSF",
    b"FRM8": "DSDIFF",
    b"ADIF": "AAC",
    b"NIST_1A": "NIST Sphere",
    b"Creative Voice": "VOC",
    b"\x1a\x45\xdf\xa3": "Matroska or WebM",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "ASF or WMA",
    b"FLV\x01": "FLV",
    b"MThd": "MIDI",
    b".SoX": "SoX",
    b"XoS.": "SoX",
    b" paf": "PAF",
    b"fap ": "PAF",
    b"2BIT": "AVR",
    **{bytes([0x64, 0xA3, kind, 0]): "IRCAM" for kind in range(1, 5)},
    **{bytes([0, kind, 0xA3, 0x64]): "IRCAM" for kind in range(1, 5)},
    b"\x1f\x8b\x08": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"PK\x03\x04": "ZIP",
    b"Rar!": "RAR",
    b"\x89PNG": "PNG",
    b"%PDF": "PDF",
    # A server may send these instead of audio.
    b"<!DOCTYPE": "HTML",
    b"<!doctype": "HTML",
    b"<html": "HTML",
    b"<?xml": "XML",
}
_FORMS = {
    (b"RIFF", b"WAVE"): WAV,
    (b"RIFF", b"AVI "): "AVI",
    (b"FORM", b"AIFF"): "AIFF",
    (b"FORM", b"AIFC"): "AIFF-C",
    (b"FORM", b"8SVX"): "8SVX",
    (b"FORM", b"MAUD"): "MAUD",
}

_TS_PACKET_BYTES = 188
_TS_SYNC = 0x47

# Kilobits a second by the version (1 for MPEG-1; 2 for MPEG-2 and 2.5), the layer, and the four
# bits of the header.
_KBITS_A_SECOND = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG1_HZ = (44_100, 48_000, 32_000)


def container(head: bytes) -> str | None:
    """Return the name of the container that begins with `head`; None if it is not known.

    Args:
        head: The file's first `HEAD_BYTES`, or `LONG_HEAD_BYTES` if `needs_more` says so; a
            shorter file's bytes.
    """
    if name := _FORMS.get((head[:4], head[8:12])):
        return name
    if head[4:8] == b"ftyp":
        return "MPEG-4"
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    if head.startswith(b"\x0b\x77") and len(head) > 5 and head[5] >> 3 in (8, 16):
        return "AC-3"
    if _is_transport_stream(head):
        return "MPEG transport stream"
    if needs_more(head) and _is_chain(head):
        return "AAC" if _layer(head) == 0 else f"MP{_layer(head)}"
    return None


def with_article(kind: str) -> str:
    """Return the name of a container with its article."""
    spoken_with_a_vowel = ("A", "H", "IR", "MP", "Ogg", "R", "X", "xz", "8")
    return f"{'an' if kind.startswith(spoken_with_a_vowel) else 'a'} {kind}"


def needs_more(head: bytes) -> bool:
    """Whether this could be a frame or a packet of MPEG, which only a longer head can confirm.

    Args:
        head: The file's first `HEAD_BYTES`; a shorter file's bytes.
    """
    return head[:1] == bytes([_TS_SYNC]) or _frame_bytes(head) is not None


def _is_transport_stream(head: bytes) -> bool:
    """Whether `head` begins with three transport packets, as in ISO/IEC 13818-1, 2.4.3.2."""
    starts = range(0, 3 * _TS_PACKET_BYTES, _TS_PACKET_BYTES)
    headers = [head[start : start + 4] for start in starts]
    return all(
        len(header) == 4 and header[0] == _TS_SYNC and header[1] < 0x80 and header[3] & 0x30
        for header in headers
    )


def _is_chain(head: bytes) -> bool:
    """Whether `head` is a series of at least three frames, without other bytes between them."""
    start = frames = 0
    while start + 6 <= len(head):
        frame_bytes = _frame_bytes(head[start : start + 6])
        if frame_bytes is None or head[start + 1] != head[1]:
            return False
        start += frame_bytes
        frames += 1
    return frames >= 3


def _layer(header: bytes) -> int:
    """Return the layer of MPEG audio: 1 to 3, or 0 for AAC."""
    return (4 - (header[1] >> 1 & 3)) % 4


def _frame_bytes(header: bytes) -> int | None:
    """Return the length of the frame with this header; None if it is not MPEG audio."""
    if len(header) < 6 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, _layer(header)  # 3 is MPEG-1, 2 MPEG-2, 0 MPEG-2.5
    if layer == 0:  # AAC in ADTS: its header alone takes 7 bytes
        length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
        return length if version >= 2 and header[2] >> 2 & 15 < 13 and length >= 7 else None
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or bitrate in (0, 15) or rate == 3:
        return None
    bits_a_second = 1_000 * _KBITS_A_SECOND[1 if version == 3 else 2, layer][bitrate]
    rate_hz = _MPEG1_HZ[rate] >> {3: 0, 2: 1, 0: 2}[version]
    if layer == 1:
        return (12 * bits_a_second // rate_hz + padding) * 4
    half = layer == 3 and version != 3  # a frame of MPEG-2's layer 3 holds half as many samples
    return (72 if half else 144) * bits_a_second // rate_hz + padding
