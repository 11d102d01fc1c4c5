#!/usr/bin/env bash
# From a fresh clone to the proof, on the model and sentences that come with the project: builds,
# evaluates the float model, quantizes it, evaluates the result, compares the two and draws their
# confusion matrices. Everything it writes is in demo-out/ and build/demo/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/packages.sh
. tools/packages.sh
ensure_packages "${QE_BUILD_PACKAGES[@]}"

readonly model=models/tiny-emotion
readonly data=data/demo-sentences/test.tsv
readonly out=demo-out
readonly tools=build/demo/tools

step() { printf '\n== %s\n' "$*"; }

step "Build"
cmake --preset release -B build/demo -DQE_TESTS=OFF -DQE_BENCH=OFF --log-level=WARNING
cmake --build build/demo
mkdir -p "$out"

step "FP32: qe-eval $model --data $data"
"$tools/qe-eval" "$model" --data "$data"

step "Quantize: qe-quantize $model $out/tiny-emotion-int8 --force"
"$tools/qe-quantize" "$model" "$out/tiny-emotion-int8" --force

step "INT8: qe-eval $out/tiny-emotion-int8 --data $data"
"$tools/qe-eval" "$out/tiny-emotion-int8" --data "$data"

step "Comparison: qe-eval $model $out/tiny-emotion-int8 --data $data --svg $out/confusion.svg"
"$tools/qe-eval" "$model" "$out/tiny-emotion-int8" --data "$data" --svg "$out/confusion.svg" \
  --duration 0.1

echo "Confusion matrices: $out/confusion.svg"
