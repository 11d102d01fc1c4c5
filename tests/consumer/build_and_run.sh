#!/usr/bin/env bash
# Builds classify.cpp against qe in one WAY (find_package, pkg_config or add_subdirectory) in the
# folder BUILD, and checks its answer for each MODEL directory.
#   build_and_run.sh WAY BUILD PREFIX MODEL...
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
    # The flags are a list of words.
    # shellcheck disable=SC2046
    "$CXX" -std=c++20 "$source/classify.cpp" -o "$build/classify" \
      $(pkg-config --static --cflags --libs qe)
    ;;
  add_subdirectory)
    # Unoptimized: what is tested is the build description, and the whole library is compiled.
    "$CMAKE" -S "$source/add_subdirectory" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=None \
      -DQE_ONEDNN="$QE_ONEDNN"
    "$CMAKE" --build "$build" --target classify --parallel 2
    ;;
  *)
    echo "unknown way: $way" >&2
    exit 2
    ;;
esac

for model in "$@"; do
  answer=$("$build/classify" "$model" "i am so angry at them")
  echo "$model: $answer"
  [[ $answer =~ ^anger\ 0\.9[0-9]+$ ]]
done
