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
    file=$1
    shift
    [ -e "$file" ] || { "$bin/sernet-edge" "$@" --json >"$file.part" && mv "$file.part" "$file"; }
}

for run in "$runs"/voices-seed*; do
    mkdir -p "$out/voices-${run##*-}"
    cp "$run"/run.json "$run"/fold-*.json "$out/voices-${run##*-}"
done
kept "$out/noise-voices.json" evaluate "$runs/voices.tflite" --noise "$noise"
while [ $# -gt 0 ]; do
    kept "$out/voices-seed1/conditions-$1.json" evaluate "$runs/voices-seed1/fold-$1.tflite" \
        --corpus "$1" "$2" --labels anger,fear,happiness,neutral,sadness \
        $([ "$1" != ravdess ] || echo --map calm=neutral) --condition all --noise "$noise"
    shift 2
done
