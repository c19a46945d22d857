#!/bin/sh
# Trains a model of anger, fear, happiness, neutral, sadness and none on several corpora, measures how
# well it judges a corpus that it has not heard, and converts it with what that measured.
#
#     benchmarks/train_voices.sh NAME NOISE --corpus emodb DIR --corpus nemo DIR [--map calm=neutral]
#
# NOISE is a folder of sounds in which nobody speaks. RUNS/NAME.tflite and its card are written;
# what was stopped goes on. From the environment:
#
#     RUNS     where to write [runs]
#     SEEDS    of the cross-validations; the first one's temperature is taken [1]
#     LICENCE  SPDX expression of the model's licence [none named]
#     SURE     share of right results wanted among those that count as sure [0.6]
#     WINDOWS  of speech that calibrate the quantisation [200]
#     OPTIONS  further options of the training, such as "--epochs 5"
set -eu

name=$1 noise=$2
shift 2
runs=${RUNS:-runs} seeds=${SEEDS:-1} bin=$(dirname "$0")/../.venv/bin
first=${seeds%% *}
labels=anger,fear,happiness,neutral,sadness
architecture=light-sernet-stream-half

# The corpora alone, as `convert` wants them: it knows the map from the model.
corpora() {
    while [ $# -gt 0 ]; do
        [ "$1" = --corpus ] && printf '%s\0%s\0%s\0' "$1" "$2" "$3"
        shift
    done
}

# shellcheck disable=SC2086 # OPTIONS are several words.
training() {
    "$bin/sernet-edge" "$@" --labels "$labels" --recipe voices --noise "$noise" \
        --architecture "$architecture" ${OPTIONS:-}
}

mkdir -p "$runs"
for seed in $seeds; do
    training cross-validate "$@" --split corpora --seed "$seed" --keep-models \
        --out "$runs/$name-seed$seed"
done
[ -e "$runs/$name.keras" ] ||
    training train "$@" --seed "$first" --holdout none --out "$runs/$name.keras"
corpora "$@" | xargs -0 "$bin/sernet-edge" convert "$runs/$name.keras" --noise "$noise" --force \
    --calibrate-from "$runs/$name-seed$first" --sure-precision "${SURE:-0.6}" --windows "${WINDOWS:-200}" \
    ${LICENCE:+--licence "$LICENCE"} --out "$runs/$name.tflite"
"$bin/python" -m sernet_edge.convert.card "$runs/$name.tflite"
