#!/bin/sh
# Measures the models of `make models` where nobody speaks, and `voices` and `voices-full` in noise, in
# a room and over a telephone, too. OUT is what docs/evidence/strangers.md is made from.
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

# The runs that cards quote; the others go into the archive.
copied "$runs/voices-seed1" "$out"
copied "$runs/voices-full-seed1" "$out"
others=$(mktemp -d)
trap 'rm -rf "$others"' EXIT
for run in "$runs"/voices-seed[!1]*; do
    copied "$run" "$others"
done
"$bin/python" "$(dirname "$0")/runs_archive.py" pack "$out" "$others"
for model in voices voices-full emodb emodb-half; do
    kept "$out/noise-$model.json" sernet-edge evaluate "$runs/$model.tflite" --noise "$noise" --json
    kept "$out/noise-$model-in-c.json" python "$(dirname "$0")/noise_in_c.py" "$runs/$model.tflite" "$noise"
done
while [ $# -gt 0 ]; do
    for run in voices-seed1 voices-full-seed1; do
        kept "$out/$run/conditions-$1.json" sernet-edge evaluate "$runs/$run/fold-$1.tflite" \
            --corpus "$1" "$2" --labels anger,fear,happiness,neutral,sadness \
            $([ "$1" != ravdess ] || echo --map calm=neutral) --condition all --noise "$noise" --json
    done
    shift 2
done
