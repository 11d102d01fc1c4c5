#!/usr/bin/env bash
# Formatting and static analysis with clang-format and clang-tidy (version 14), warnings as errors.
#   tools/lint.sh            every file; the analysis takes minutes
#   tools/lint.sh PATTERN    analyses the sources whose path matches the regular expression
# The analysis reads the compile commands of the preset clang, which it configures.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly pattern=${1:-"^$PWD/(engine|kernels|tokenizer|loaders|tools)/.*[.]cpp\$"}

git ls-files -z '*.h' '*.cpp' | xargs -0 clang-format --dry-run -Werror
cmake --preset clang --log-level=WARNING
run-clang-tidy -quiet -p build/clang "$pattern"
