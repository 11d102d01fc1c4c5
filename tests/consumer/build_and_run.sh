#!/usr/bin/env bash
# Builds classify.cpp and classify_image.cpp against qe in one WAY (find_package, pkg_config or
# add_subdirectory) in the folder BUILD, and checks their answers for each directory of a model.
#   build_and_run.sh WAY BUILD PREFIX TEXT_MODEL... --images IMAGE_MODEL...
# The environment names the compiler (CXX), cmake (CMAKE) and the library's variant (QE_ONEDNN).
# Exits with 77, which means skipped, where pkg-config is not installed.
set -euo pipefail
readonly way=$1 build=$2 prefix=$3
shift 3
source=$(dirname "${BASH_SOURCE[0]}")
readonly source
rm -rf "$build"
mkdir -p "$build"

case $way in
  find_package)
    "$CMAKE" -S "$source/find_package" -B "$build" -DCMAKE_PREFIX_PATH="$prefix"
    "$CMAKE" --build "$build"
    ;;
  pkg_config)
    if ! command -v pkg-config >/dev/null; then
      echo "skipped: pkg-config is not installed"
      exit 77
    fi
    package=$(find "$prefix" -name qe.pc)
    export PKG_CONFIG_PATH=${package%/*}
    for program in classify classify_image; do
      # The flags are a list of words.
      # shellcheck disable=SC2046
      "$CXX" -std=c++20 "$source/$program.cpp" -o "$build/$program" \
        $(pkg-config --static --cflags --libs qe)
    done
    ;;
  add_subdirectory)
    # Unoptimized: what is tested is the build description, and the whole library is compiled.
    "$CMAKE" -S "$source/add_subdirectory" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=None \
      -DQE_ONEDNN="$QE_ONEDNN"
    "$CMAKE" --build "$build" --target classify classify_image --parallel 2
    ;;
  *)
    echo "unknown way: $way" >&2
    exit 2
    ;;
esac

# check PROGRAM MODEL INPUT PATTERN
check() {
  local answer
  answer=$("$build/$1" "$2" "$3")
  echo "$2: $answer"
  [[ $answer =~ $4 ]]
}

readonly image=$source/../../data/demo-shapes/images/test-000.png
while [[ $1 != --images ]]; do
  check classify "$1" "i am so angry at them" '^anger 0\.9[0-9]+$'
  shift
done
shift
for model in "$@"; do
  check classify_image "$model" "$image" '^circle 0\.[5-9][0-9]+$'
done
