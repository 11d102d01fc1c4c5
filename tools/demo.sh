#!/usr/bin/env bash
# From a fresh clone to the proof, on the models and data that come with the project: builds,
# evaluates the float model, quantizes it, evaluates the result, compares the two and draws their
# confusion matrices. Everything it writes is in demo-out/ and build/demo/.
#   tools/demo.sh            a classifier of emotions in sentences
#   tools/demo.sh --vision   a classifier of drawn shapes in images
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/packages.sh
. tools/packages.sh

case ${1-} in
  "")
    readonly model=models/tiny-emotion data=data/demo-sentences/test.tsv
    readonly svg=demo-out/confusion.svg
    readonly quantization=()
    ;;
  --vision)
    readonly model=models/tiny-shapes data=data/demo-shapes/test.tsv
    readonly svg=demo-out/confusion-shapes.svg
    readonly quantization=(--calibration data/demo-shapes/calibration.tsv)
    ;;
  *)
    echo "usage: tools/demo.sh [--vision]" >&2
    exit 2
    ;;
esac
readonly out=demo-out
readonly int8=$out/${model#models/}-int8
readonly tools=build/demo/tools

step() { printf '\n== %s\n' "$*"; }

# Shows the command as a reader would type it, then runs it.
run() {
  step "$*"
  "$tools/$1" "${@:2}"
}

ensure_packages "${QE_BUILD_PACKAGES[@]}"
step "Build"
cmake --preset release -B build/demo -DQE_TESTS=OFF -DQE_BENCH=OFF --log-level=WARNING
cmake --build build/demo
mkdir -p "$out"

run qe-eval "$model" --data "$data"
run qe-quantize "$model" "$int8" "${quantization[@]}" --force
run qe-eval "$int8" --data "$data"
run qe-eval "$model" "$int8" --data "$data" --svg "$svg" --duration 0.1

echo "Confusion matrices: $svg"
