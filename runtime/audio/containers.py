"""Which kind of file some bytes begin: a container with a header, or samples without one."""

from __future__ import annotations

HEAD_BYTES = 16
"""So many bytes show a container, but for the few that `needs_more`."""

MPEG_HEAD_BYTES = 6_000
"""So many bytes hold three frames of MPEG audio."""

WAV = "WAV"

AUDIO_SUFFIXES = (
    *(".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
    *(".aif", ".aiff", ".aifc", ".au", ".snd", ".caf"),
)
"""How names of files end that `recordings.open_recording` reads, in small letters."""

# What a file begins with, and its name. A form type, as of RIFF, stands behind the size.
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
    b"wvPK": "WavPack",
    b"MAC ": "Monkey's Audio",
    b"TTA1": "True Audio",
    b"#!AMR": "AMR",
    b"DSD ": "DSF",
    b"NIST_1A": "NIST Sphere",
    b"Creative Voice": "VOC",
    b"\x1a\x45\xdf\xa3": "Matroska or WebM",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "ASF or WMA",
    b"FLV\x01": "FLV",
    b"MThd": "MIDI",
    b"\x1f\x8b\x08": "gzip",
    b"PK\x03\x04": "ZIP",
}
_FORMS = {
    (b"RIFF", b"WAVE"): WAV,
    (b"RIFF", b"AVI "): "AVI",
    (b"FORM", b"AIFF"): "AIFF",
    (b"FORM", b"AIFC"): "AIFF-C",
    (b"FORM", b"8SVX"): "8SVX",
}


def container(head: bytes) -> str | None:
    """Return the name of the container that begins with `head`; None if there is none.

    Args:
        head: The first `HEAD_BYTES`, or `MPEG_HEAD_BYTES` where that `needs_more`; fewer if
            there are no more.
    """
    if name := _FORMS.get((head[:4], head[8:12])):
        return name
    if head[4:8] == b"ftyp":
        return "MPEG-4"
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    return "MP3 or AAC" if needs_more(head) and _has_frames(head) else None


def with_article(kind: str) -> str:
    """Return the name of a container with its article."""
    return f"{'an' if kind.startswith(('A', 'Ogg', 'MP', 'R', '8')) else 'a'} {kind}"


def needs_more(head: bytes) -> bool:
    """Whether this could be a frame of MPEG audio, or samples that happen to look like one."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0:  # as in AAC's ADTS
        return version >= 2
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and bitrate not in (0, 15) and rate != 3


def _has_frames(head: bytes) -> bool:
    """Whether the same frame header comes twice more, at equal distances but for padding."""
    found = head.find(head[:2], 24)
    while 0 < found <= len(head) // 2:
        for next_start in range(2 * found - 1, 2 * found + 2):
            if all(_same_header(head, start) for start in (found, next_start)):
                return True
        found = head.find(head[:2], found + 1)
    return False


def _same_header(head: bytes, start: int) -> bool:
    """Whether version, layer and rate at `start` are those at the beginning."""
    there = head[start : start + 3]
    return len(there) == 3 and there[:2] == head[:2] and (there[2] ^ head[2]) & 0x0C == 0
