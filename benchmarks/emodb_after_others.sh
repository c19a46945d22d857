#!/bin/sh
# Cross-validates EMO-DB, each speaker left out once, with networks that were trained on other
# corpora first; then teaches each of those models its speaker.
#
#     benchmarks/emodb_after_others.sh EMODB --corpus nemo DIR --corpus ravdess DIR [--map calm=neutral]
#
# RUNS/emodb-after-others-seedN holds each seed's predictions and models, and TAUGHT/K.json what K
# clips of each emotion give the models of the first seed. What was stopped goes on. From the
# environment:
#
#     RUNS    where to write [runs]
#     SEEDS   of the trainings [1 2 3]
#     CLIPS   of each emotion, each K [1 2 4]
#     TAUGHT  where to write what teaching gives [benchmarks/teaching-strict]
set -eu

emodb=$1
shift
runs=${RUNS:-runs} seeds=${SEEDS:-1 2 3} bin=$(dirname "$0")/../.venv/bin
taught=${TAUGHT:-$(dirname "$0")/teaching-strict}
first=${seeds%% *}

training() {
    command=$1 seed=$2
    shift 2
    "$bin/sernet-edge" "$command" --architecture light-sernet-stream-half --seed "$seed" \
        --set precision=bfloat16 --set speed=0.1 --set gain_db=15 "$@"
}

tested() {
    seed=$1
    shift
    training cross-validate "$seed" --corpus emodb "$emodb" --keep-models \
        --init "$runs/others-seed$seed.keras" --out "$runs/emodb-after-others-seed$seed" "$@"
}

mkdir -p "$runs" "$taught"
for seed in $seeds; do
    [ -e "$runs/others-seed$seed.keras" ] ||
        training train "$seed" "$@" --holdout none --epochs 30 --set steps=100 \
            --set training_frames=134 --out "$runs/others-seed$seed.keras"
    tested "$seed"
done
for clips in ${CLIPS:-1 2 4}; do
    tested "$first" --teach "$clips" --json >"$taught/$clips.json.part"
    mv "$taught/$clips.json.part" "$taught/$clips.json"
done
