#!/usr/bin/env bash
# Builds the libFuzzer targets and runs each of them for SECONDS (default 20) from its seeds; the first
# crash, leak or unit of more than ten seconds ends it with the input that caused it.
#   tests/fuzz/run.sh [SECONDS]
# A long run of one target: build/fuzz/tests/fuzz/fuzz_NAME -max_len=512 -runs=10000000 CORPUS_FOLDER
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tools/packages.sh
. tools/packages.sh
ensure_packages "${QE_TEST_PACKAGES[@]}" clang libclang-rt-14-dev

readonly seconds=${1:-20}
readonly targets=(config image model_config safetensors timm_config tokenizer_json tsv vocab_txt)
cmake --preset fuzz
cmake --build --preset fuzz --target "${targets[@]/#/fuzz_}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for target in "${targets[@]}"; do
  mkdir "$work/$target"
  inputs=("$work/$target")
  if [ -d "tests/fuzz/seeds/$target" ]; then
    inputs+=("tests/fuzz/seeds/$target")
  fi
  longest=512
  if [ "$target" = image ]; then
    longest=2048  # the tables of a JPEG alone have 600 bytes
    inputs+=(tests/data/images)
  fi
  if ! build/fuzz/tests/fuzz/fuzz_"$target" -max_total_time="$seconds" -max_len="$longest" -timeout=10 \
    -print_final_stats=1 -artifact_prefix="$PWD/build/fuzz/" "${inputs[@]}" >"$work/log" 2>&1; then
    tail -n 40 "$work/log" >&2
    echo "fuzz_$target failed" >&2
    exit 1
  fi
  echo "fuzz_$target: $(grep number_of_executed_units "$work/log")"
done
