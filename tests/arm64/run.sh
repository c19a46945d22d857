#!/usr/bin/env bash
# Tests a 64-bit Raspberry Pi on a PC: installs the package in an emulated Debian 12 for Arm,
# compares the output of `sernet-edge listen` there and here byte for byte, and runs the runtime's
# tests.
#
#     tests/arm64/run.sh PYTHON FOLDER
#
# PYTHON is the interpreter of an environment with sernet-edge. FOLDER keeps the Debian and the
# wheels for the next run. The emulator's times say nothing about a real Pi.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$(realpath --no-symlinks "$1")
mkdir -p "$2"
folder=$(realpath "$2")
root=$folder/root

# The tests that need only Python packages; pyproject.toml explains the markers.
tests=(tests/runtime -m "not (browser or devices or programs or clone or slow)")

if [[ $(id -u) != 0 ]]; then
    echo "a foreign Debian can be made and entered by root only: sudo $0 $*" >&2
    exit 1
fi

# Run a command in the Debian; its mounts and processes end with the command.
inside() {
    # shellcheck disable=SC2016 # the inner shell's words
    unshare --mount --pid --fork sh -ec '
        mount -t proc proc "$0/proc"
        mount --rbind /dev "$0/dev"
        exec env --ignore-environment PATH=/usr/sbin:/usr/bin:/bin HOME=/root LANG=C.UTF-8 chroot "$0" "$@"
    ' "$root" "$@"
}

# The kernel must start Arm programs with QEMU. Debian's package sets this up only if systemd is
# running, and a container does not run it.
binfmt=/proc/sys/fs/binfmt_misc
if [[ $(uname -m) != aarch64 ]]; then
    [[ -e $binfmt/register ]] || mount -t binfmt_misc none $binfmt
    [[ -e $binfmt/qemu-aarch64 ]] || cat /usr/lib/binfmt.d/qemu-aarch64.conf >$binfmt/register
fi

if [[ ! -e $folder/root-made ]]; then
    echo "making a Debian 12 for Arm in $root: some minutes, once"
    rm -rf "$root"
    debootstrap --foreign --arch=arm64 --variant=minbase --include=python3,python3-venv \
        bookworm "$root" >"$folder/debootstrap.log"
    # Only the first stage: the second one would configure every package under emulation, which
    # takes long. The packages' files are enough to run Python.
    for package in "$root"/var/cache/apt/archives/*.deb; do
        dpkg-deb --extract "$package" "$root"
    done
    cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
    cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
    mkdir -p "$root/proc" "$root/dev"
    touch "$folder/root-made"
fi

# Fetches the wheels here, so that the Debian needs no network.
if [[ ! $folder/wheels-fetched -nt pyproject.toml ]]; then
    rm -rf "$root/wheels"
    "$python" tests/arm64/wheels.py aarch64 3.11 "$root/wheels" test-runtime \
        --build python_speech_features
    touch "$folder/wheels-fetched"
fi
rm -rf build/lib "$root"/wheels/sernet_edge-*.whl
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$root/wheels" .

# Install the missing packages into /base or /tests, and this package again. pip runs from its
# wheel, because unpacking it would take a minute.
install_into() {
    [[ -e $root/$1/bin/python ]] || inside python3 -m venv --without-pip "/$1"
    inside sh -ec '
        export PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl)
        "$0" -m pip --quiet uninstall --yes sernet-edge
        exec "$0" -m pip --quiet install --no-index --find-links /wheels --no-compile "$@"
    ' "/$1/bin/python" "${@:2}"
}
# Only the packages of a Pi.
install_into base sernet-edge
install_into tests 'sernet-edge[test-runtime]'

# The sources stay outside, so that the installed package runs.
rm -rf "$root/sernet-edge"
mkdir -p "$root/sernet-edge/docs"
cp -r pyproject.toml tests "$root/sernet-edge"
cp -r docs/demo "$root/sernet-edge/docs"

# Two tones and noise in stereo at another rate, so that the program must mix and resample.
"$python" - "$root/sernet-edge/docs/demo/stereo.wav" <<'END'
import sys, wave
import numpy as np

time = np.arange(8 * 44_100) / 44_100
noise = np.random.default_rng(3).normal(0, 800, (len(time), 2))
tones = 6000 * np.sin(2 * np.pi * np.outer(time, (220, 331)) + np.sin(5 * time)[:, None])
with wave.open(sys.argv[1], "wb") as file:
    file.setnchannels(2)
    file.setsampwidth(2)
    file.setframerate(44_100)
    file.writeframes((tones + noise).astype("<i2").tobytes())
END
for name in two_moods stereo; do
    options=(listen --input "docs/demo/$name.wav" --json --no-timing)
    inside sh -c 'cd /sernet-edge && exec /base/bin/sernet-edge "$@"' - "${options[@]}" \
        >"$folder/$name.arm64.json"
    (cd "$root/sernet-edge" && "$python" -m sernet_edge "${options[@]}") \
        >"$folder/$name.here.json"
    cmp "$folder/$name.arm64.json" "$folder/$name.here.json"
    echo "$name.wav: the same $(wc -l <"$folder/$name.here.json") records on $(inside uname -m)" \
        "as on $(uname -m)"
done

# NumPy warns there about a library that rounds numbers below 1e-308 to zero.
inside sh -c 'cd /sernet-edge && exec /tests/bin/pytest -q -p no:cacheprovider "$@"' - \
    -W 'ignore:The value of the smallest subnormal:UserWarning' "${tests[@]}"
