"""Writes docs/evidence/soak.md from what `benchmarks/soak.py` found.

python benchmarks/soak_page.py benchmarks/soak/*.json --out docs/evidence/soak.md
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from page_command import run_page_command
from soak import MOST_GROWTH_MB, SETTLED_S

from sernet_edge.runtime.files import write_text

_HEAD = """\
# Hours of listening

<!-- Made by python benchmarks/soak_page.py from what benchmarks/soak.py saved; do not edit. -->

`make soak` pipes hours of audio, loud and soft speech with pauses, into
`sernet-edge listen --input - --json` with the speech gate, recordings, MQTT and the web page on.
A broker receives the messages. One program reads the page's events and reconnects every few
seconds; another asks for the page's state and recordings several times a second. A run passes if
each result came, once and at its time, and if the resident memory at the end is at most {most:g} MB
above that after the first {settled:g} minutes of audio. A megabyte is 10^6 bytes.
"""

_ROWS: dict[str, Callable[[dict[str, Any]], str]] = {
    "audio": lambda soak: f"{soak['hours']:g} h",
    "pace": lambda soak: (
        "real time" if soak["paced"] else f"{soak['times_real_time']} times real time"
    ),
    "hop": lambda soak: f"{soak['hop_s']} s",
    "interpreter": lambda soak: soak["interpreter"],
    "outputs": lambda soak: ", ".join(soak["outputs"]) or "JSON alone",
    "results": lambda soak: f"{soak['results']:,} of {soak['results_expected']:,}",
    "starts and ends of events": lambda soak: f"{soak['other_records'].get('event', 0):,}",
    "requests to the page": lambda soak: f"{_requests(soak):,}",
    "memory after 10 minutes, MB": lambda soak: f"{soak['resident_after_10_minutes_mb']:.2f}",
    "memory at the end, MB": lambda soak: f"{soak['resident_at_the_end_mb']:.2f}",
    "most memory, MB": lambda soak: f"{soak['resident_at_most_mb']:.2f}",
    "growth, MB": lambda soak: f"{soak['growth_mb']:+.2f}",
    "verdict": lambda soak: "passed" if soak["passed"] else "FAILED",
    "machine": lambda soak: f"{soak['machine']}, Python {soak['python']}",
}


@click.command()
@click.argument(
    "saved", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Markdown to write.")
def main(saved: tuple[Path, ...], out: Path) -> None:
    """Write the page about the runs that were SAVED, one file a run."""
    write_text(out, page([json.loads(path.read_text()) for path in saved]))


def page(soaks: list[dict[str, Any]]) -> str:
    """Return the page about what `soak.soak` returned."""
    lines = [
        _HEAD.format(most=MOST_GROWTH_MB, settled=SETTLED_S / 60),
        f"| |{''.join(f' run {number} |' for number in range(1, len(soaks) + 1))}",
        f"|---|{'---|' * len(soaks)}",
        *(f"| {name} |{''.join(f' {of(soak)} |' for soak in soaks)}" for name, of in _ROWS.items()),
    ]
    for number, soak in enumerate(soaks, 1):
        hourly = ", ".join(f"{mb:.1f}" for mb in soak["resident_each_hour_mb"][1:])
        lines += ["", f"Memory after each hour of run {number}, in MB: {hourly}."]
    return "\n".join(lines) + "\n"


def _requests(soak: dict[str, Any]) -> int:
    """Return how many requests were answered, but for the events that were followed."""
    counts = soak["counts"].items()
    return sum(count for path, count in counts if path.startswith("/") and path != "/events")


if __name__ == "__main__":
    run_page_command(main)
