#!/bin/sh
# Cross-validates a training, trains a model with the same settings on all the data, and converts it
# with the temperature and the threshold that the cross-validation gave.
#
#     benchmarks/make_model.sh NAME SPLIT --corpus emodb DIR [--noise DIR] [--architecture NAME] …
#
# SPLIT is that of `cross-validate`; the options after it are those of `train`. The script writes
# RUNS/NAME.tflite and its card, and continues what was stopped. From the environment:
#
#     RUNS     where to write [runs]
#     SEEDS    of the cross-validations; the first one's is also the model's [1]
#     LICENCE  SPDX expression of the model's licence [none named]
#     SURE     share of right results wanted among those that count as sure [that of `convert`]
#     WINDOWS  of speech that calibrate the quantisation [200]
#     OPTIONS  further options of the training, such as "--epochs 5"
set -eu

name=$1 split=$2
shift 2
runs=${RUNS:-runs} seeds=${SEEDS:-1} bin=$(dirname "$0")/../.venv/bin
first=${seeds%% *}

# Prints those options that `convert` takes, too; the model holds the others.
data() {
    while [ $# -gt 0 ]; do
        case $1 in
        --corpus) printf '%s\0%s\0%s\0' "$1" "$2" "$3" ;;
        --noise) printf '%s\0%s\0' "$1" "$2" ;;
        esac
        shift
    done
}

mkdir -p "$runs"
# shellcheck disable=SC2086 # OPTIONS are several words.
for seed in $seeds; do
    "$bin/sernet-edge" cross-validate "$@" ${OPTIONS:-} --split "$split" --seed "$seed" \
        --keep-models --out "$runs/$name-seed$seed"
done
# shellcheck disable=SC2086
[ -e "$runs/$name.keras" ] || "$bin/sernet-edge" train "$@" ${OPTIONS:-} --seed "$first" \
    --holdout none --out "$runs/$name.keras"
data "$@" | xargs -0 "$bin/sernet-edge" convert "$runs/$name.keras" --force \
    --calibrate-from "$runs/$name-seed$first" --windows "${WINDOWS:-200}" \
    ${SURE:+--sure-precision "$SURE"} ${LICENCE:+--licence "$LICENCE"} --out "$runs/$name.tflite"
"$bin/python" -m sernet_edge.convert.card "$runs/$name.tflite"
