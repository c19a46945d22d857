#!/usr/bin/env bash
# What a 64-bit Raspberry Pi does, on a PC: installs the package in an emulated Debian 12 for Arm,
# compares what `sernet-edge listen` writes there with what it writes here, byte for byte, and
# runs the runtime's tests.
#
#     tests/arm64/run.sh PYTHON FOLDER
#
# PYTHON is that of an environment with sernet-edge. FOLDER keeps the Debian and the wheels for the
# next time. The times that an emulator takes say nothing about a Pi.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$(realpath --no-symlinks "$1")
mkdir -p "$2"
folder=$(realpath "$2")
root=$folder/root

# What needs nothing but Python's packages: pyproject.toml says what the markers mean.
tests=(tests/runtime -m "not (browser or devices or programs or clone or slow)")

if [[ $(id -u) != 0 ]]; then
    echo "a foreign Debian can be made and entered by root only: sudo $0 $*" >&2
    exit 1
fi

# Run a command in the Debian. Its mounts and processes end with it.
inside() {
    # shellcheck disable=SC2016 # the inner shell's words
    unshare --mount --pid --fork sh -ec '
        mount -t proc proc "$0/proc"
        mount --rbind /dev "$0/dev"
        exec env --ignore-environment PATH=/usr/sbin:/usr/bin:/bin HOME=/root LANG=C.UTF-8 chroot "$0" "$@"
    ' "$root" "$@"
}

# The kernel hands Arm programs to QEMU. Debian's package asks for that when systemd is running,
# which it is not in a container.
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
    # Its second stage would configure every package under emulation. To run Python, having their
    # files is enough.
    for package in "$root"/var/cache/apt/archives/*.deb; do
        dpkg-deb --extract "$package" "$root"
    done
    cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
    cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
    mkdir -p "$root/proc" "$root/dev"
    touch "$folder/root-made"
fi

# The Debian needs no network: wheels are fetched here.
if [[ ! $folder/wheels-fetched -nt pyproject.toml ]]; then
    rm -rf "$root/wheels"
    "$python" tests/arm64/wheels.py aarch64 3.11 "$root/wheels" test-runtime \
        --build python_speech_features
    touch "$folder/wheels-fetched"
fi
rm -rf build/lib "$root"/wheels/sernet_edge-*.whl
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$root/wheels" .

# Install into /base or /tests what is missing there, and this package anew. pip runs from its
# wheel, since unpacking it would take a minute.
install_into() {
    [[ -e $root/$1/bin/python ]] || inside python3 -m venv --without-pip "/$1"
    inside sh -ec '
        export PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl)
        "$0" -m pip --quiet uninstall --yes sernet-edge
        exec "$0" -m pip --quiet install --no-index --find-links /wheels --no-compile "$@"
    ' "/$1/bin/python" "${@:2}"
}
# What a Pi has, and no more.
install_into base sernet-edge
install_into tests 'sernet-edge[test-runtime]'

# The sources stay outside, so that what runs is what was installed.
rm -rf "$root/sernet-edge"
mkdir -p "$root/sernet-edge/docs"
cp -r pyproject.toml tests "$root/sernet-edge"
cp -r docs/demo "$root/sernet-edge/docs"

# Two tones and noise in stereo at another rate, so that it is mixed and resampled, too.
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

# There a library is loaded that rounds numbers below 1e-308 to zero, of which NumPy warns.
inside sh -c 'cd /sernet-edge && exec /tests/bin/pytest -q -p no:cacheprovider "$@"' - \
    -W 'ignore:The value of the smallest subnormal:UserWarning' "${tests[@]}"
