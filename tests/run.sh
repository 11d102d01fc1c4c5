#!/usr/bin/env bash
# Builds everything and runs all tests; the last lines are the summary. Arguments go to ctest, e.g.
#   tests/run.sh -R tokenizer
# QE_PRESET chooses another preset than release (debug, clang, asan, tsan, int8-only).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/packages.sh
. tools/packages.sh
ensure_packages "${QE_TEST_PACKAGES[@]}"

readonly preset=${QE_PRESET:-release}
cmake --preset "$preset"
cmake --build --preset "$preset"
ctest --preset "$preset" "$@"
