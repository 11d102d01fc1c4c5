#!/usr/bin/env bash
# Checks the model of ThreadPool's protocol with SPIN, and that the model finds mistakes.
#   tests/model/run.sh [FOLDER [--deep]]
# FOLDER is where SPIN writes its program (default: a temporary one). --deep goes through more
# interleavings of three threads: 2 GB of memory, a minute.
# Ends with 77, as skipped, where there is no SPIN (Debian: spin).
set -euo pipefail
model=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/thread_pool.pml
readonly model
if ! command -v spin >/dev/null; then
  echo "skipped: no spin" >&2
  exit 77
fi
folder=${1:-}
if [ -z "$folder" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder"
cd "$folder"

# errors FLAG...: how many the model has.
errors() {
  spin "$@" -a "$model" >spin.txt
  "${CC:-cc}" -O2 -DSAFETY -DCOLLAPSE -o pan pan.c
  ./pan -m100000 >pan.txt
  if grep -q 'max search depth too small' pan.txt; then
    echo "the search was cut off" >&2
    exit 1
  fi
  sed -n 's/.*errors: \([0-9]*\)$/\1/p' pan.txt
}

# expect COUNT FLAG...
expect() {
  local -r count=$1
  shift
  local found
  found=$(errors "$@")
  echo "$* errors: $found; $(sed -n 's/^ *\([0-9]*\) states, stored$/\1 states/p' pan.txt)"
  if [ "$found" != "$count" ]; then
    echo "expected $count" >&2
    exit 1
  fi
}

expect 0 -DTHREADS=2 -DJOBS=3 -DPHASES=2
expect 0 -DTHREADS=3 -DJOBS=1 -DPHASES=1
if [ "${2:-}" = --deep ]; then
  expect 0 -DTHREADS=3 -DJOBS=2 -DPHASES=1
  expect 0 -DTHREADS=3 -DJOBS=1 -DPHASES=2
fi
for mistake in SLEEPS_WITHOUT_LOOKING_AGAIN TAKES_WITHOUT_COMPARING TAKES_WHAT_IS_OVER \
  ENTERS_A_PHASE_EARLY; do
  expect 1 -DTHREADS=2 -DJOBS=2 -DPHASES=2 "-D$mistake"
done
