"""Common boards, and whether a model fits on them.

What is counted (flash, RAM, instructions) comes from `cores`; a board's clock turns it into time
with an assumed number of cycles per instruction, which is an estimate and says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from sernet_edge.bench.document import Section, is_measured
from sernet_edge.firmware_export.selftest.board_run import BoardRun
from sernet_edge.runtime.errors import SernetError

SECONDS_A_DAY = 24 * 60 * 60
KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class Board:
    """A board that one can buy.

    Attributes:
        name: As its maker calls it.
        core: Name in `firmware_export.cores.CORES`.
        clock_mhz: The highest of its core.
        flash_bytes: For programs and weights, on the chip or, where it has none, on the board.
        ram_bytes: On the chip, all banks together.
        source: Document and revision that these were read in; "unverified": from memory.
        current_ua_mhz: Current of the running chip in microamperes for each MHz.
        supply_v: At this voltage.
        current_source: As `source`, of these two.
    """

    name: str
    core: str
    clock_mhz: int
    flash_bytes: int
    ram_bytes: int
    source: str
    current_ua_mhz: float
    supply_v: float
    current_source: str


_FROM_MEMORY = "unverified, the order of the maker's typical figure"


def _zephyr(path: str, commit: str) -> str:
    return f"Zephyr, boards/{path}/doc/index.rst at commit {commit}"


BOARDS = (
    Board("Raspberry Pi Pico", "m0plus", 133, 2 * MIB, 264 * KIB,
          _zephyr("raspberrypi/rpi_pico", "1bd86a14"),
          190, 3.3, _FROM_MEMORY),
    Board("Arduino Nano 33 BLE Sense Rev2", "m4", 64, 1 * MIB, 256 * KIB,
          "Arduino, datasheet ABX00069, revision 3 of 10/11/2022",
          52, 3.0, _FROM_MEMORY),
    Board("B-L475E-IOT01A", "m4", 80, 1 * MIB, 128 * KIB,
          _zephyr("st/disco_l475_iot1", "0b0d3a5d"),
          100, 3.0, _FROM_MEMORY),
    Board("NUCLEO-F446RE", "m4", 180, 512 * KIB, 128 * KIB,
          "Zephyr 4.0.0 documentation, boards/st/nucleo_f446re",
          200, 3.3, _FROM_MEMORY),
    Board("Raspberry Pi Pico 2", "m33", 150, 4 * MIB, 520 * KIB,
          _zephyr("raspberrypi/rpi_pico2", "0530c533"),
          120, 3.3, _FROM_MEMORY),
    Board("STM32F746G-DISCO", "m7", 216, 1 * MIB, 340 * KIB,
          _zephyr("st/stm32f746g_disco", "0b0d3a5d") + ", overview",
          450, 3.3, _FROM_MEMORY),
    Board("NUCLEO-H743ZI", "m7", 480, 2 * MIB, 1 * MIB,
          _zephyr("st/nucleo_h743zi", "02d6d202"),
          275, 3.3, _FROM_MEMORY),
    Board("Teensy 4.1", "m7", 600, 8 * MIB, 1 * MIB,
          _zephyr("pjrc/teensy4", "07d5b2e3"),
          170, 5.0, "PJRC forum, thread 74442: 102 mA at 600 MHz, all of a Teensy 4.0"),
    # The clock that Zephyr sets; the flash is a chip beside it, the memory is all of its SRAM.
    Board("STM32N6570-DK", "m55", 400, 128 * MIB, 4200 * 1000,
          _zephyr("st/stm32n6570_dk", "06ec3c70"),
          200, 1.8, _FROM_MEMORY),
)  # fmt: skip
"""The boards of the table, the slowest first."""


@dataclass(frozen=True)
class Cycles:
    """Cycles that an instruction takes on average: an assumption, and its range.

    Attributes:
        middle: What an estimate uses.
        low: Code and data in memory without wait states, few branches.
        high: Code in flash with wait states or a cold cache.
        reason: Where the assumption comes from.
    """

    middle: float
    low: float
    high: float
    reason: str


CYCLES = {
    "m0plus": Cycles(1.4, 1.1, 2.2, "loads, stores and taken branches take two, the rest one"),
    "m4": Cycles(1.3, 1.0, 1.8, "SMLAD takes one, a load two, or one behind another load (Arm "
                 "100166_0001_00, table 3-1, without wait states); flash adds some"),
    "m7": Cycles(0.8, 0.55, 1.5, "two at once where they do not depend on each other; caches miss"),
    "m33": Cycles(1.2, 1.0, 1.8, "as the M4; some pairs at once, flash adds some"),
    "m55": Cycles(1.6, 1.1, 2.4, "a Helium instruction takes two, overlapped with its neighbour"),
}  # fmt: skip
"""By core. None of it was measured; `selftest --port` measures it on your board."""


def find(name: str) -> Board:
    """Return a board by its name; case, spaces and hyphens don't matter.

    Raises:
        SernetError: It is not in the table.
    """
    for board in BOARDS:
        if _plain(board.name) == _plain(name):
            return board
    raise SernetError(
        f"no board {name!r} is known",
        f"known are {', '.join(board.name for board in BOARDS)}; for another, compare the flash, "
        "RAM and instructions of its core with its data sheet",
    )


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


@dataclass(frozen=True)
class Supply:
    """What the user knows of a board's current, in place of the table's figures.

    Attributes:
        current_ua_mhz: See `Board`; None: the table's.
        supply_v: Likewise.
    """

    current_ua_mhz: float | None = None
    supply_v: float | None = None

    def of(self, board: Board) -> Board:
        """Return a board with the current and voltage that are known."""
        known = {key: value for key, value in asdict(self).items() if value is not None}
        return replace(board, **known, current_source="as given") if known else board


def section(
    cores: Section, tflm: Section, runs: Sequence[BoardRun], supply: Supply
) -> list[Section]:
    """Return the section "boards" of a model: one verdict for each board of the table.

    Args:
        cores: The model's section "cores".
        tflm: Its section "tflm".
        runs: Self-tests of this model on boards, whose measured cycles replace the estimate.
        supply: Current and voltage of all boards, where the user gave them.
    """
    measured = {_plain(run.board): run for run in runs}
    rows = []
    for board in map(supply.of, BOARDS):
        run = measured.pop(_plain(board.name), None)
        row = verdict(board, cores, tflm, run)
        if "clock_mhz_needed" in row:
            row |= _in_use(
                board, cores[board.core], row["clock_mhz_needed"], _clock_mhz(board, run)
            )
        rows.append(row)
    return rows + [_unknown(run) for run in measured.values()]


def verdict(board: Board, cores: Section, tflm: Section, run: BoardRun | None = None) -> Section:
    """Return whether a model fits on a board, and its limits.

    Returns:
        The board's facts; `flash_bytes_needed` and `ram_bytes_needed`; `clock_mhz_needed`, with
        its range `..._low` and `..._high` and whether it is `measured`; `limits`, of "flash",
        "RAM" and "time" what is not enough; `verdict`: "fits", "likely" (in time if the middle
        assumption holds), "unlikely" (only if the most favourable one does), "does not fit", or
        "not known" with `why`; `tflm_ram`: whether TensorFlow Lite Micro's arena alone fits.
    """
    row = {**asdict(board), "tflm_ram": None}
    if is_measured(tflm):
        row["tflm_ram"] = tflm["arena_bytes"] <= board.ram_bytes
    found = cores.get(board.core, {"not_measured": f"count it with --core {board.core}"})
    if not is_measured(found):
        return row | {"verdict": "not known", "why": found["not_measured"], "limits": []}
    row |= {"flash_bytes_needed": found["flash_bytes"], "ram_bytes_needed": found["ram_bytes"]}
    limits = [
        what
        for what, needed, there in (
            ("flash", found["flash_bytes"], board.flash_bytes),
            ("RAM", found["ram_bytes"], board.ram_bytes),
        )
        if needed > there
    ]
    if found["hop"] is None:
        why = "the model has no contract, which says how often it runs"
        return row | {"verdict": "does not fit" if limits else "not known", "why": why,
                      "limits": limits}  # fmt: skip
    low, middle, high = (hertz / 1e6 for hertz in _clocks(board.core, found["hop"], run))
    row |= {
        "clock_mhz_needed": middle,
        "clock_mhz_low": low,
        "clock_mhz_high": high,
        "measured": run is not None,
    }
    clock = _clock_mhz(board, run)
    if limits or low > clock:
        word = "does not fit"
    else:
        word = "fits" if high <= clock else "likely" if middle <= clock else "unlikely"
    if middle > clock:
        limits.append("time")
    return row | {"verdict": word, "limits": limits}


def _clock_mhz(board: Board, run: BoardRun | None) -> float:
    """Return a board's clock, as its self-test told it or its maker does."""
    return run.clock_hz / 1e6 if run and run.clock_hz else board.clock_mhz


def _in_use(board: Board, found: Section, needed_mhz: float, clock_mhz: float) -> Section:
    """Return what a board does in use.

    Args:
        board: The board.
        found: The model on its core, from "cores".
        needed_mhz: The clock that keeps up with the audio.
        clock_mhz: The board's.

    Returns:
        `keeps_up`: whether the clock is enough. If it is: `latency_s` from the end of a sound to
        the result of the first window that holds all of it, on average and at most
        (`latency_most_s`): the windows' ends are a hop apart, and the work that is left when one
        ends is done at full clock; and of a day `charge_mah` and `energy_j`, for the cycles that
        are needed, at the stated current. Asleep the core takes nothing here.
        `clock_mhz_whole`: The clock needed with each window computed whole.
    """
    assumed, hop_s = CYCLES[board.core].middle, found["hop"]["seconds"]
    whole = found["ways"]["whole"]["per_second"] * assumed / 1e6
    if needed_mhz > clock_mhz:
        return {"keeps_up": False, "clock_mhz_whole": whole}
    work_s = found["hop"]["after_last_sample"] * assumed / (1e6 * clock_mhz)
    average_ma = board.current_ua_mhz * needed_mhz / 1000
    return {
        "keeps_up": True,
        "clock_mhz_whole": whole,
        "latency_s": hop_s / 2 + work_s,
        "latency_most_s": hop_s + work_s,
        "charge_mah": 24 * average_ma,
        "energy_j": average_ma / 1000 * board.supply_v * SECONDS_A_DAY,
    }


def _clocks(core: str, hop: Section, run: BoardRun | None) -> tuple[float, float, float]:
    """Return the clock in Hz that keeps up with the audio: at least, assumed, at most."""
    if run is not None and run.cycles_per_inference is not None:
        cycles = run.cycles_per_inference / hop["seconds"] + (run.frontend_cycles_per_second or 0)
        return cycles, cycles, cycles
    assumed, per_second = CYCLES[core], (hop["features"] + hop["network"]) / hop["seconds"]
    return per_second * assumed.low, per_second * assumed.middle, per_second * assumed.high


def _unknown(run: BoardRun) -> Section:
    """Return a row for a board that a self-test ran on and the table does not know."""
    return {
        "name": run.board,
        "core": None,
        "clock_mhz": run.clock_hz / 1e6 if run.clock_hz else None,
        "flash_bytes": None,
        "ram_bytes": None,
        "source": "its self-test",
        "tflm_ram": None,
        "verdict": "not known",
        "why": "its flash and RAM are not in the table",
        "measured": True,
        "cycles_per_inference": run.cycles_per_inference,
        "frontend_cycles_per_second": run.frontend_cycles_per_second,
        "limits": [],
    }


def longer_hop(board: Board, found: Section, window_s: float, step_s: float) -> float | None:
    """Return the shortest hop in seconds at which a model surely keeps up; None: there is none.

    With the least favourable assumption on cycles, and no longer than the window, since audio
    between windows would not be heard at all. Where windows share rows, a longer hop saves nothing.

    Args:
        board: Where.
        found: The model on the board's core, from "cores".
        window_s: Length of the model's window.
        step_s: Of a frame; hops are whole numbers of it.
    """
    if "shared" in found.get("ways", {}):
        return None
    hop, cycles = found["hop"], CYCLES[board.core].high
    left_hz = 1e6 * board.clock_mhz - cycles * hop["features"] / hop["seconds"]
    if left_hz <= 0:
        return None
    frames = math.ceil(cycles * hop["network"] / left_hz / step_s)
    return frames * step_s if frames * step_s <= window_s else None


@dataclass(frozen=True)
class SmallestChange:
    """The smallest change that makes a model fit on a board.

    Attributes:
        text: A sentence.
        found: Whether it fits, a change was found, or the answer cannot be known.
    """

    text: str
    found: bool


def smallest_change(board: Board, model: Section, others: Sequence[Section]) -> SmallestChange:
    """Return the smallest change that makes a model surely fit on a board.

    A longer hop is the smallest change; else the largest of the smaller models that fits, with
    a longer hop if it must be.

    Args:
        board: Where.
        model: The model, a section of a document.
        others: Other models of the run.
    """
    name, row = f"{model['name']}", verdict(board, model["cores"], model["tflm"])
    if row["verdict"] == "not known":
        return SmallestChange(f"{name} on {board.name}: not known, {row['why']}", True)
    if row["verdict"] == "fits":
        return SmallestChange(f"{name} fits on {board.name} as it is", True)
    if change := _with_hop(board, model):
        return SmallestChange(f"{name} fits on {board.name} with {change}", True)
    refusal = f"{name} does not fit on {board.name} ({', '.join(row['limits']) or 'time'})"
    smaller = [o for o in others if o["macs"]["macs"] < model["macs"]["macs"]]
    for other in sorted(smaller, key=lambda o: -o["macs"]["macs"]):
        fits = verdict(board, other["cores"], other["tflm"])["verdict"] == "fits"
        change = "" if fits else _with_hop(board, other)
        if fits or change:
            with_hop = f" with {change}" if change else ""
            return SmallestChange(
                f"{refusal}; the smallest change that fits is {other['name']}{with_hop}", True
            )
    if smaller:
        return SmallestChange(
            f"{refusal}; nor does any of {', '.join(o['name'] for o in smaller)}", False
        )
    return SmallestChange(
        f"{refusal}; no smaller model was tried, --zoo adds its small relatives", False
    )


def _with_hop(board: Board, model: Section) -> str:
    """Return the longer hop with which a model fits in words, "" when there is none."""
    row = verdict(board, model["cores"], model["tflm"])
    found, window = model["cores"].get(board.core), model["window"]
    if (
        found is None
        or window is None
        or not is_measured(found)
        or {"flash", "RAM"} & {*row["limits"]}
    ):
        return ""
    hop_s = longer_hop(board, found, window["window_s"], window["step_s"])
    if hop_s is None:
        return ""
    return f"a hop of {hop_s:.3f} s instead of {found['hop']['seconds']:.3f} s"
