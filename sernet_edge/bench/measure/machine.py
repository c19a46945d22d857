"""Describes the computer that measures, and watches whether it can be trusted to."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from sernet_edge.bench.document import Section

_PACKAGES = ("numpy", "tflite-runtime", "ai-edge-litert", "tflite-micro", "tensorflow")
_TOOLS = ("gcc", "arm-none-eabi-gcc", "qemu-system-arm")

# A Raspberry Pi slows down at 80 degrees and says so in bits of `vcgencmd get_throttled`.
_HOT_C = 80.0
_THROTTLED = {
    0: "under-voltage",
    1: "clock limited",
    2: "throttled",
    3: "soft temperature limit",
}


def describe() -> Section:
    """Return the identity of this computer and of the programs that measure on it."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "tools": {name: version for name in _TOOLS if (version := _tool(name))},
    }


def state() -> Section:
    """Return load, temperature and clock at this moment; None where the system does not say."""
    clock = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
    return {
        "load": os.getloadavg()[0],
        "temperature_c": _temperature(),
        "clock_mhz": int(clock) / 1000 if clock else None,
        "throttled": _throttled(),
    }


def warnings(before: Section, after: Section) -> list[str]:
    """Return doubts about host figures, from the states before and after measuring."""
    found = []
    cores = os.cpu_count() or 1
    if before["load"] > 0.3 * cores:
        found.append(
            f"the computer was busy before measuring: load {before['load']:.1f} on {cores} cores"
        )
    if (after["temperature_c"] or 0) >= _HOT_C:
        found.append(f"the processor is hot: {after['temperature_c']:.0f} degrees Celsius")
    if (
        before["clock_mhz"]
        and after["clock_mhz"]
        and after["clock_mhz"] < 0.9 * before["clock_mhz"]
    ):
        found.append(
            f"the clock fell from {before['clock_mhz']:.0f} to {after['clock_mhz']:.0f} MHz"
        )
    if after["throttled"]:
        found.append(f"the firmware reports: {', '.join(after['throttled'])}")
    return found


def _processor() -> str:
    info = _read("/proc/cpuinfo") or ""
    board = re.search(r"^Model\s*: (.+)$", info, re.M)
    named = re.search(r"^(?:model name|Hardware)\s*: (.+)$", info, re.M)
    names = [found[1].strip() for found in (board, named) if found]
    return ", ".join(names) or platform.processor() or platform.machine()


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _temperature() -> float | None:
    """Return the hottest zone's temperature in degrees Celsius."""
    zones = [_read(str(zone)) for zone in Path("/sys/class/thermal").glob("thermal_zone*/temp")]
    return max((int(zone) / 1000 for zone in zones if zone), default=None)


def _throttled() -> list[str] | None:
    """Return the present limits that a Raspberry Pi's firmware states; None on others."""
    if shutil.which("vcgencmd") is None:
        return None
    done = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True)
    bits = re.search(r"throttled=(0x[0-9a-fA-F]+)", done.stdout)
    if bits is None:
        return None
    return [text for bit, text in _THROTTLED.items() if int(bits[1], 16) >> bit & 1]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _tool(name: str) -> str | None:
    if shutil.which(name) is None:
        return None
    done = subprocess.run([name, "--version"], capture_output=True, text=True)
    return done.stdout.splitlines()[0] if done.stdout else None
