#!/usr/bin/env bash
# One step of what docs/benchmarks/h200.md describes:
#   bench/h200.sh build [JOBS] | pack        with CUDA 13 and the packages of the project
#   bench/h200.sh unpack, then first         with an NVIDIA GPU and its driver: what matters most,
#                                            in one command of less than ten minutes
#   bench/h200.sh test | sanitize [TOOL...] | models | bert [PAIRS [SECONDS]] | options |
#                 peers BATCH | bench [SHAPES...] | kernels
# The steps with a GPU need nothing but these files, the archive that pack makes (unpacked where it
# is not), Python 3, of the CUDA toolkit cuBLASLt (first, test, and all from bert on) or
# compute-sanitizer, and for peers PyTorch and transformers. Each takes less than ten minutes.
# QE_WORK: the folder of the archive and of what it holds (default out/h200).
# QE_OUT: of the results (default QE_WORK/results).
# QE_DATA_DIR: shared models and data, for pack (default ../shared).
set -euo pipefail
# At a limit bash waits for the tool: its end is seen, or timeout's KILL reaches both.
trap : TERM
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly build=build/cuda
mkdir -p "${QE_WORK:=out/h200}" "${QE_OUT:=$QE_WORK/results}"
QE_WORK=$(cd "$QE_WORK" && pwd)
QE_OUT=$(cd "$QE_OUT" && pwd)
export QE_WORK QE_OUT PATH=$PATH:/usr/local/cuda/bin:/usr/local/cuda/compute-sanitizer
readonly work=$QE_WORK out=$QE_OUT
readonly bin=$work/bin
readonly data=${QE_DATA_DIR:-../shared}
readonly tools=(qe-bench qe-eval qe-inspect qe-quantize qe-run)
readonly sets=(emotion hatexplain)
# Bytes of the archive and of this repository's files that a machine with a GPU can be given.
readonly most=65000000
readonly small=1x3072x768,1x768x3072,1x4096x1024,1x1024x4096,16x3072x768,16x768x3072,16x4096x1024,16x1024x4096,32x3072x768,32x768x3072,32x4096x1024,32x1024x4096

fail() {
  echo "h200.sh: $*" >&2
  exit 1
}

# tee that goes on at a limit, to take what the tool then still prints.
save() { (trap '' TERM && exec tee "$1"); }

# seconds_left MOST: until a step should end, at most MOST.
seconds_left() {
  local -r left=$((540 - SECONDS))
  echo $((left < 10 ? 10 : left < $1 ? left : $1))
}

# limited COMMAND...: ended in time for the step to show what there is. In the foreground, hence in
# the step's own group, which trial ends as a whole.
limited() { timeout --foreground -k 10 "$(seconds_left 540)" "$@"; }

# With oneDNN, for the tests that compare FP16 sessions with floats on the CPU. The programs find
# packed libraries by themselves, and the libraries each other: an LD_LIBRARY_PATH would reach
# python3 and compute-sanitizer, too.
step_build() {
  # shellcheck disable=SC2016  # the loader's word
  cmake --preset cuda -DCMAKE_BUILD_RPATH='$ORIGIN/lib' \
    -DCMAKE_EXE_LINKER_FLAGS=-Wl,--as-needed,--disable-new-dtags
  cmake --build --preset cuda -j "${1:-$(nproc)}" \
    --target test_cuda_gpu test_cuda_maps test_cuda_checks test_cuda_sass "${tools[@]}"
  ctest --test-dir "$build" --output-on-failure -R '^cuda_' -LE gpu
}

# The programs, the shared libraries they need but for the system's own and CUDA's, INT8 models and
# their texts, all in one archive. What the tests read is among this repository's files.
step_pack() {
  local tool name packed tracked
  rm -rf "$bin" "$work/models" "$work/data"
  mkdir -p "$bin/lib" "$work/models" "$work/data"
  strip -o "$bin/test_cuda_gpu" "$build/tests/cuda/test_cuda_gpu"
  for tool in "${tools[@]}"; do strip -o "$bin/$tool" "$build/tools/$tool"; done
  ldd "$bin"/test_cuda_gpu "$bin"/qe-* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -Ev '/(libc|libm|libdl|librt|libpthread|libcublas[^/]*)\.so' |
    xargs -r cp -L -t "$bin/lib"
  getconf GNU_LIBC_VERSION >"$bin/built-with"
  cp "$data/data/vocab/bert-base-uncased.txt" "$work/data"
  for name in "${sets[@]}"; do
    "$bin/qe-quantize" "$data/models/minilm-$name" "$work/models/minilm-$name"
    cp "$data/data/$name/test.tsv" "$work/data/$name.tsv"
  done
  # All programs have the same kernels in them: found again within a window of more than two.
  (cd "$work" && tar -cf - bin/qe-* bin/test_cuda_gpu bin/built-with bin/lib models data) |
    xz -9 >"$work/pack.tar.xz"
  touch "$work/unpacked"
  du -sh "$bin" "$work/pack.tar.xz"
  packed=$(stat -c %s "$work/pack.tar.xz")
  tracked=$(git ls-files -z | { xargs -0 stat -c %s || true; } |
    awk '{ sum += $1 } END { printf "%.0f", sum }')
  [ $((packed + tracked)) -le "$most" ] ||
    fail "too much to carry: $packed bytes of archive and $tracked of tracked files, together" \
      "$((packed + tracked)), at most $most"
}

must_unpack() {
  [ ! -x "$bin/qe-inspect" ] || [ "$work/pack.tar.xz" -nt "$work/unpacked" ]
}

# Python unpacks where xz is missing.
step_unpack() {
  [ -e "$work/pack.tar.xz" ] || fail "no $work/pack.tar.xz: bench/h200.sh pack makes it"
  tar -C "$work" -xJf "$work/pack.tar.xz" 2>/dev/null ||
    python3 -m tarfile -e "$work/pack.tar.xz" "$work"
  touch "$work/unpacked"
  "$bin/qe-inspect" --version ||
    fail "the programs do not start here: built with $(<"$bin/built-with"), here is" \
      "$(getconf GNU_LIBC_VERSION 2>&1)"
}

cublaslt_folders() {
  printf '%s\n' /usr/local/cuda/lib64 /usr/local/cuda/targets/x86_64-linux/lib
  tr : '\n' <<<"${LD_LIBRARY_PATH:-}"
  { ldconfig -p || /sbin/ldconfig -p || true; } 2>/dev/null |
    sed -n 's|.*=> \(.*\)/libcublasLt\.so\.13$|\1|p'
  python3 - <<'PY'
import importlib.util

wheels = importlib.util.find_spec("nvidia")  # where PyTorch's libraries are
for folder in wheels.submodule_search_locations if wheels else []:
    print(f"{folder}/cu13/lib")
PY
}

# qe-bench is linked with cuBLASLt, and models in FP16 load it. A link among the packed libraries is
# where the programs find it.
need_cublaslt() {
  local folder
  [ ! -e "$bin/lib/libcublasLt.so.13" ] || return 0
  while read -r folder; do
    if [ -e "$folder/libcublasLt.so.13" ]; then
      ln -sfn "$folder/libcublasLt.so.13" "$bin/lib"
      return
    fi
  done < <(cublaslt_folders)
  fail "no libcublasLt.so.13 in the CUDA toolkit, LD_LIBRARY_PATH, ldconfig's list or the wheel" \
    "nvidia-cublas"
}

step_devices() {
  nvidia-smi --format=csv --query-gpu=name,driver_version,clocks.max.sm,power.limit || true
  grep -m 1 'model name' /proc/cpuinfo
  "$bin/qe-inspect" --devices
}

# gpu_tests COUNT FLAG...: COUNT random cases where it is not empty.
gpu_tests() {
  local -r count=$1
  shift
  env QE_SOURCE_DIR="$PWD" ${count:+QE_TEST_SHAPES="$count"} "$bin/test_cuda_gpu" "$@"
}

# The test that makes an error on purpose has a process to itself; the name of the test may change,
# so it is counted.
step_error() {
  gpu_tests '' --no-skip -tc='an error in the middle of a stream*' | save "$out/test-error.txt"
  grep -q ' 1 passed' "$out/test-error.txt" || fail "the test of an error in the middle did not run"
}

step_products() { gpu_tests "${1:-}" -sf='*gpu_gemm_test*'; }

# Rows, attention, sessions, refusals. Without cuBLASLt only the tests of models in FP16 fail.
step_others() {
  (need_cublaslt) || echo 'h200.sh: hence the tests of models in FP16 will fail' >&2
  gpu_tests "${1:-}" -sfe='*gpu_gemm_test*'
}

step_test() {
  local part failed=()
  step_devices
  for part in products others error; do
    # A process of its own, so that a failure ends this part alone.
    bash "$self" "$part" || failed+=("$part")
  done
  [ "${#failed[@]}" -eq 0 ] || fail "failed: ${failed[*]}"
}

# Racecheck is the slowest. cuBLASLt's own kernels stay out, as does the error made on purpose.
step_sanitize() {
  local tool shapes flags left failed=() chosen=("$@")
  local -r tests='random products*,no rows*,refused*,every kernel can be launched*,GPU: quant*,'\
'GPU: layer*,GPU: sums*,GPU: a choice*,GPU: attention over random*,attention of halves,'\
'sums of embeddings in halves,layer normalization of halves,chosen rows*,activation and residual*,'\
'a batch in a caller*,sessions of one plan*'
  command -v compute-sanitizer >/dev/null || fail "no compute-sanitizer in the CUDA toolkit"
  [ "$#" -gt 0 ] || chosen=(memcheck synccheck initcheck racecheck)
  left=$(seconds_left 500)
  for tool in "${chosen[@]}"; do
    echo "== $tool"
    shapes=60 flags=()
    if [ "$tool" = racecheck ]; then shapes=15 flags=(--racecheck-detect-level error); fi
    QE_TEST_SHAPES=$shapes QE_SOURCE_DIR=$PWD timeout -k 5 $((left / ${#chosen[@]})) \
      compute-sanitizer --tool "$tool" "${flags[@]}" --error-exitcode 3 \
      "$bin/test_cuda_gpu" -tc="$tests" 2>&1 |
      save "$out/sanitize-$tool.txt" || failed+=("$tool ($?)")
  done
  [ "${#failed[@]}" -eq 0 ] || fail "failed (124, 137: out of time): ${failed[*]}"
}

# Every text on the CPU and on the GPU: the same logits to the last digit, hence the same labels.
# Then accuracy and texts a second.
step_models() {
  local name failed=() texts=$work/texts
  mkdir -p "$texts"
  for name in "${sets[@]}"; do
    tail -n +2 "$work/data/$name.tsv" | cut -f 1 >"$texts/$name.txt"
    "$bin/qe-run" "$work/models/minilm-$name" --format jsonl <"$texts/$name.txt" \
      >"$texts/$name-cpu.jsonl"
    "$bin/qe-run" "$work/models/minilm-$name" --device cuda --format jsonl <"$texts/$name.txt" \
      >"$texts/$name-cuda.jsonl"
    if diff "$texts/$name-cpu.jsonl" "$texts/$name-cuda.jsonl" >"$texts/$name.diff"; then
      echo "$name: $(wc -l <"$texts/$name.txt") texts, the same logits on both"
    else
      failed+=("$name ($(grep -c '^<' "$texts/$name.diff") texts)")
      head -c 2000 "$texts/$name.diff"
    fi
    "$bin/qe-eval" "$work/models/minilm-$name" --data "$work/data/$name.tsv" --device cuda \
      --batch 256 | save "$out/$name-eval.txt"
  done
  [ "${#failed[@]}" -eq 0 ] || fail "logits differ: ${failed[*]}"
}

# BERT-base with random weights and the real vocabulary, made where it is measured. What was left
# half made is made again.
make_bert() {
  [ ! -e "$work/models/bert-base-made" ] || return 0
  "$bin/qe-bench" --synthetic bert-base:1 --save "$work/models/bert-base" --force \
    --vocab "$work/data/bert-base-uncased.txt"
  "$bin/qe-quantize" "$work/models/bert-base" "$work/models/bert-base-int8" --force >/dev/null
  touch "$work/models/bert-base-made"
}

# measured NAME TABLE COMMAND...: the command's JSON, and TABLE's view of it. Where the limit ended
# the command, both have what there was until then, and this fails.
measured() {
  local -r json=$out/$1.json table=$2
  local status=0
  shift 2
  trap : TERM  # as above: this is run in a pipe, hence by another bash
  rm -f "$json"
  limited "$@" --format json --output "$json" || status=$?
  [ -e "$json" ] || return "$status"
  "$table" "$json" || status=1
  return "$status"
}

show_latencies() {
  python3 - "$1" <<'PY'
import json
import sys

result = json.load(open(sys.argv[1]))
for case in result["cases"]:
    for series in case["series"]:
        ms = series["latency_ms"]
        low, high = series.get("speedup_interval95", (1, 1))
        print(f"length {case['seq_len']:3} batch {case['batch']:3}  p50 {ms['p50']:9.3f} ms  "
              f"p99 {ms['p99']:9.3f} ms  {series['texts_per_second']:9.1f} texts/s  "
              f"{series.get('speedup_over_reference', 1):6.3f}x [{low:.3f}, {high:.3f}]  "
              f"{series['model']}{' (null)' if series['role'] == 'null' else ''} "
              f"{series['variant']}")
if not result["complete"]:
    sys.exit("not everything was measured")
PY
}

# FP16 by cuBLASLt, then INT8 beside it.
step_bert() {
  need_cublaslt
  make_bert
  measured bert-latency show_latencies "$bin/qe-bench" "$work/models/bert-base" \
    "$work/models/bert-base-int8" --device cuda --seq-len 16,128,512 --batch 1,32,128 \
    --pairs "${1:-15}" --duration "${2:-0.5}" | save "$out/bert-latency.txt"
}

# What each choice of a session brings or costs: overlapping launches, rows quantized by products,
# queries and keys as bytes; the last two from the first row on and never.
step_options() {
  local variant flags=()
  need_cublaslt
  make_bert
  for variant in overlap=off row-bytes-from={1,never} byte-heads-from={1,never}; do
    flags+=(--variant "$variant")
  done
  measured bert-options show_latencies "$bin/qe-bench" "$work/models/bert-base-int8" \
    --device cuda --seq-len 128 --batch 1,8,16,32,128 "${flags[@]}" --pairs 11 --duration 0.2 |
    save "$out/bert-options.txt"
}

# One batch a call: what max-autotune tries is compiled for it first, on all CPUs. At the limit the
# report has every comparison up to then.
step_peers() {
  [ "$#" -eq 1 ] || fail "peers needs a batch: 1, 32 or 128"
  need_cublaslt
  make_bert
  TORCHINDUCTOR_COMPILE_THREADS=$(nproc) timeout -k 5 "$(seconds_left 480)" \
    python3 bench/peers/compare.py --device cuda --model "$work/models/bert-base" \
    --qe qe-int8="$work/models/bert-base-int8" --qe-bench "$bin/qe-bench" --seq-len 128 \
    --batch "$1" --pairs 10 --block 0.3 --cache "$work/peers" \
    --cpus "$(seq -s , 0 $(($(nproc) - 1)))" --calibration "$work/data/emotion.tsv" \
    --output "$out/bert-peers-$1"
}

show_products() {
  python3 - "$1" <<'PY'
import json
import math
import sys

result = json.load(open(sys.argv[1]))
ratios = {}
print(result["device"])
for case in result["cases"]:
    print(f"{case['shape']}  peak {case['peak']['tops']:.0f} TOPS at "
          f"{case['peak']['clock_mhz']:.0f} MHz  {case['agreement']}")
    for kind in ("product alone", "requantized", "16-bit floats"):
        rivals = [s for s in case["series"] if s["does"] == kind and s["role"] == "best rival"]
        if rivals:
            ratios.setdefault(kind, []).append((rivals[0]["time_over_ours"], case["shape"]))
    for series in sorted(case["series"], key=lambda s: s["us"]):
        share = series["share_of_peak"]
        ratio = series.get("time_over_ours")
        print(f"  {series['us']:9.2f} us {series['tops']:8.1f} TOPS "
              f"{'' if share is None else f'{100 * share:5.1f} %'} "
              f"{'' if ratio is None else f'{ratio:6.3f}x'} {series['name']}: {series['detail']} "
              f"({series['does']})")
for kind, values in ratios.items():
    mean = math.exp(sum(math.log(ratio) for ratio, _ in values) / len(values))
    least, shape = min(values)
    print(f"best rival, {kind}: time over ours {mean:.3f}x geometric mean of {len(values)} shapes, "
          f"least {least:.3f}x ({shape})")
different = [case["shape"] for case in result["cases"] if case["agreement"] == "different"]
if different:
    sys.exit(f"other results than the rival's: {', '.join(different)}")
if not result["complete"]:
    sys.exit("not everything was measured")
PY
}

# measure NAME SHAPES [FLAG...]
measure() {
  measured "$1" show_products "$bin/qe-bench" gemm --device cuda --shapes "$2" --duration 0.01 \
    --quiet "${@:3}"
}

step_bench() {
  local name shapes failed=()
  need_cublaslt
  [ "$#" -gt 0 ] || set -- bert-base bert-large small large
  for name in "$@"; do
    shapes=$name
    if [ "$name" = small ]; then shapes=$small; fi
    if [ "$name" = large ]; then shapes=8192x8192x8192; fi
    measure "$name" "$shapes" --compare cublaslt --pairs 7 | save "$out/$name.txt" ||
      failed+=("$name")
  done
  [ "${#failed[@]}" -eq 0 ] || fail "failed: ${failed[*]}"
}

step_kernels() {
  need_cublaslt
  measure kernels "bert-base,bert-large,$small,8192x8192x8192" --all-kernels --pairs 3 |
    save "$out/kernels.txt"
}

# trial SECONDS STEP [ARGUMENT...]: a step with a limit, and how it ended.
trial() {
  local limit=$1 began=$SECONDS status=0 ended=passed
  shift
  echo "== $* (at most $limit s)"
  timeout -k 5 "$limit" bash "$self" "$@" || status=$?
  if [ "$status" -ne 0 ]; then ended="failed ($status)" all=1; fi
  if [ "$status" -eq 77 ]; then ended='no GPU'; fi
  if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then ended='out of time'; fi
  printf -v ended '%-12s %4d of %3d s  %s' "$ended" $((SECONDS - began)) "$limit" "$*"
  table+=("$ended")
}

trials() {
  local table=() all=0
  if must_unpack; then trial 45 unpack; fi
  trial 30 devices
  trial 90 products 2500
  trial 80 others 300
  trial 80 models
  trial 110 bert 5 0.2
  trial 110 bench bert-base
  echo '=='
  printf '%s\n' "${table[@]}"
  return "$all"
}

step_first() { trials 2>&1 | save "$out/first.txt"; }

self=$PWD/bench/h200.sh
readonly self
case ${1:-} in
  build | pack | unpack | first)
    "step_$1" "${@:2}"
    ;;
  devices | test | products | others | error | sanitize | models | bert | options | peers | \
    bench | kernels)
    if must_unpack; then step_unpack; fi
    "step_$1" "${@:2}"
    ;;
  *)
    sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
