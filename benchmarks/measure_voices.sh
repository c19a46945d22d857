#!/bin/sh
# Measures the models of `make models` where nobody speaks, in noise, in a room and over a telephone,
# and keeps what docs/evidence/strangers.md is made from.
#
#     benchmarks/measure_voices.sh OUT NOISE CORPUS DIR [CORPUS DIR ...]
#
# RUNS [runs] holds what `make models` made. A figure that is there is not measured again.
set -eu

out=$1 noise=$2
shift 2
runs=${RUNS:-runs} bin=$(dirname "$0")/../.venv/bin

# Writes what a command prints, whole or not at all.
kept() {
    file=$1 program=$2
    shift 2
    [ -e "$file" ] || { "$bin/$program" "$@" >"$file.part" && mv "$file.part" "$file"; }
}

# Keeps a run's predictions in a folder.
copied() {
    mkdir -p "$2/${1##*/}"
    cp "$1"/run.json "$1"/fold-*.json "$2/${1##*/}"
}

# The first run is the one that the model's card quotes; the others go into the archive.
copied "$runs/voices-seed1" "$out"
others=$(mktemp -d)
trap 'rm -rf "$others"' EXIT
for run in "$runs"/voices-seed[!1]*; do
    copied "$run" "$others"
done
"$bin/python" "$(dirname "$0")/runs_archive.py" pack "$out" "$others"
kept "$out/noise-voices.json" sernet-edge evaluate "$runs/voices.tflite" --noise "$noise" --json
kept "$out/noise-voices-in-c.json" python "$(dirname "$0")/noise_in_c.py" "$runs/voices.tflite" "$noise"
while [ $# -gt 0 ]; do
    kept "$out/voices-seed1/conditions-$1.json" sernet-edge evaluate "$runs/voices-seed1/fold-$1.tflite" \
        --corpus "$1" "$2" --labels anger,fear,happiness,neutral,sadness \
        $([ "$1" != ravdess ] || echo --map calm=neutral) --condition all --noise "$noise" --json
    shift 2
done
