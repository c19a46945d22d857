"""Writes the credits of the noise that a model was trained with.

    python -m sernet_edge.train.noise_credits NOISE --out NOISE.md

NOISE is the folder of the training option `--noise`. Its file licences.csv names the
source and the licence of each clip, in columns `file`, `licence` and `source`.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from sernet_edge.runtime.errors import SettingError
from sernet_edge.runtime.files import write_text
from sernet_edge.runtime.licences import address
from sernet_edge.train.noise import is_test_clip, noise_files

_PAGE = """\
# Credits of the noise

<!-- Made by python -m sernet_edge.train.noise_credits; do not edit. -->

The models with a label "none" were trained with {count} clips of noise. Each was resampled to
16 kHz and mixed at random with speech or with silence. Licences such as CC BY ask for the names of
the sources; all {count} clips are listed, those in the public domain, too.
"""

# Beginning of a source -> who published it, and where its authors are named.
_PUBLISHERS = {
    "ESC-10": "ESC-10: by Karol J. Piczak, <https://github.com/karolpiczak/ESC-50>, whose file "
    "LICENSE names the author of each clip. The clips come from freesound.org: 1-17150-A is an "
    "excerpt of <https://freesound.org/s/17150>.",
    "blanket_ambient": "blanket_ambient: from Blanket by Rafael Mardojai CM, "
    "<https://github.com/rafaelmardojai/blanket>, whose file SOUNDS_LICENSING.md names the author "
    "of each sound: rain is by alex36917, storm by Digifish music, train by SDLx.",
    "speech_commands_noise": "speech_commands_noise: from Speech Commands by Pete Warden, "
    "<https://arxiv.org/abs/1804.03209>.",
}


def noise_credits(folder: Path) -> str:
    """Return the credits, Markdown, of a folder's training clips by licence and source.

    Raises:
        SettingError: licences.csv is missing, lacks a column, or does not name a clip.
    """
    table = folder / "licences.csv"
    if not table.is_file():
        raise SettingError("noise", f"{table} is missing: it names each clip's source and licence")
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if missing := {"file", "licence", "source"} - set(rows.fieldnames or ()):
            raise SettingError("noise", f"{table} has no column {', '.join(sorted(missing))}")
        known = {row["file"]: row for row in rows}
    names = [path.relative_to(folder).as_posix() for path in noise_files(folder)]
    names = [name for name in names if not is_test_clip(name)]
    if unknown := [name for name in names if name not in known]:
        raise SettingError("noise", f"{table} does not name {unknown[0]}")
    sources: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in names:
        where, _, clip = known[name]["source"].rpartition("/")
        sources[known[name]["licence"]][where].append(Path(clip).stem)
    parts = [_PAGE.format(count=len(names)), *_publishers(sources)]
    for licence in sorted(sources):
        parts.append(f"\n## {' '.join(filter(None, (licence, address(licence))))}\n\n")
        parts += [f"- {where}: {', '.join(clips)}\n" for where, clips in sources[licence].items()]
    return "".join(parts)


def _publishers(sources: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
    """Return who published the sources, Markdown; nothing of unknown publishers."""
    known = {where.partition("/")[0] for folders in sources.values() for where in folders}
    return ["\n"] * bool(known & _PUBLISHERS.keys()) + [
        f"- {text}\n" for name, text in _PUBLISHERS.items() if name in known
    ]


@click.command()
@click.argument("noise", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Page to write.")
def main(noise: Path, out: Path) -> None:
    """Write the credits of the clips of NOISE that are used in training."""
    try:
        write_text(out, noise_credits(noise))
    except SettingError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
