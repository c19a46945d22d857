#!/bin/sh
# Cross-validates on EMO-DB the networks of the two founding papers in full width: LIGHT-SERNET after
# a training on other corpora, under `published` and `strict`, and the attention network.
#
#     benchmarks/emodb_full_width.sh EMODB --corpus nemo DIR --corpus ravdess DIR [--map calm=neutral]
#
# Most of these trainings use windows of 1.5 s, which take half the time of 3 s. RUNS/NAME holds each
# run's predictions; what was stopped goes on. All of it takes about five hours of one core. From the
# environment:
#
#     RUNS    where to write [runs]
set -eu

emodb=$1
shift
runs=${RUNS:-runs} bin=$(dirname "$0")/../.venv/bin
others=$runs/others-light-sernet.keras
short="--window-frames 92 --set batch_size=16 --set mixup=0 --set time_mask_frames=12"

tested() {
    name=$1
    shift
    "$bin/sernet-edge" cross-validate --seed 1 --corpus emodb "$emodb" --out "$runs/$name" "$@"
}

mkdir -p "$runs"
# shellcheck disable=SC2086  # $short is several options
[ -e "$others" ] || "$bin/sernet-edge" train --architecture light-sernet --seed 1 $short \
    "$@" --holdout none --epochs 12 --set steps=160 --out "$others"
# shellcheck disable=SC2086
tested emodb-light-sernet-after-others-published --architecture light-sernet $short \
    --split random --epochs 80 --init "$others"
tested emodb-light-sernet-after-others --architecture light-sernet --init "$others"
# shellcheck disable=SC2086
tested emodb-attention-fcn --architecture attention-fcn $short --epochs 24 --set average_epochs=5
