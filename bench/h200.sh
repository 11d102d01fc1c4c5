#!/usr/bin/env bash
# One step of what docs/benchmarks/h200.md describes:
#   bench/h200.sh build [JOBS] | pack        with CUDA 13 and the packages of the project
#   bench/h200.sh unpack, then test | sanitize | models | bert | peers | bench | kernels
#                                            with an NVIDIA GPU and its driver
# The steps of the second line need nothing but the archive that pack makes (and, for sanitize and
# bench, the CUDA toolkit; for peers, PyTorch and transformers), so they run on a machine that cannot
# build. Each takes less than ten minutes; results go to out/h200 or the folder that QE_OUT names.
# QE_DATA_DIR: shared models and data, for pack (default ../shared).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly build=build/cuda
readonly out=${QE_OUT:-out/h200}
readonly bin=$out/bin
readonly data=${QE_DATA_DIR:-../shared}
readonly tools=(qe-bench qe-eval qe-inspect qe-quantize qe-run)
readonly sets=(emotion hatexplain)
mkdir -p "$out"
export PATH=$PATH:/usr/local/cuda/bin
export LD_LIBRARY_PATH=$bin/lib:/usr/local/cuda/lib64:${LD_LIBRARY_PATH:-}

readonly small=1x3072x768,1x768x3072,1x4096x1024,1x1024x4096,16x3072x768,16x768x3072,16x4096x1024,16x1024x4096,32x3072x768,32x768x3072,32x4096x1024,32x1024x4096

# Without oneDNN: nothing here compares with it.
step_build() {
  cmake --preset cuda -DQE_ONEDNN=OFF
  cmake --build --preset cuda -j "${1:-$(nproc)}" \
    --target test_cuda_gpu test_cuda_maps test_cuda_checks test_cuda_sass "${tools[@]}"
  ctest --test-dir "$build" --output-on-failure -R '^cuda_'
}

# The programs, the shared libraries they need but for the system's own and CUDA's, INT8 models and
# their texts, all in one archive.
step_pack() {
  local tool name
  rm -rf "$bin" "$out/models" "$out/data"
  mkdir -p "$bin/lib" "$out/models" "$out/data"
  strip -o "$bin/test_cuda_gpu" "$build/tests/cuda/test_cuda_gpu"
  for tool in "${tools[@]}"; do strip -o "$bin/$tool" "$build/tools/$tool"; done
  ldd "$bin"/test_cuda_gpu "$bin"/qe-* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -Ev '/(libc|libm|libdl|librt|libpthread|libcublas[^/]*)\.so' |
    xargs -r cp -L -t "$bin/lib"
  cp "$data/data/vocab/bert-base-uncased.txt" "$out/data"
  for name in "${sets[@]}"; do
    "$bin/qe-quantize" "$data/models/minilm-$name" "$out/models/minilm-$name"
    cp "$data/data/$name/test.tsv" "$out/data/$name.tsv"
  done
  tar -C "$out" -cJf "$out/pack.tar.xz" bin models data
  du -sh "$bin" "$out/pack.tar.xz"
}

step_unpack() { tar -C "$out" -xJf "$out/pack.tar.xz"; }

step_test() {
  "$bin/qe-inspect" --devices
  "$bin/test_cuda_gpu"
}

# The test that makes an error on purpose stays out. Racecheck is the slowest: fewer products.
step_sanitize() {
  local tool failed=()
  for tool in memcheck synccheck initcheck racecheck; do
    echo "== $tool"
    QE_TEST_SHAPES=$([ "$tool" = racecheck ] && echo 60 || echo 300) timeout 140 \
      compute-sanitizer --tool "$tool" --error-exitcode 3 \
      "$bin/test_cuda_gpu" -tc='random products*,no rows*,refused*' 2>&1 |
      tee "$out/sanitize-$tool.txt" || failed+=("$tool")
  done
  [ "${#failed[@]}" -eq 0 ] || {
    echo "failed: ${failed[*]}" >&2
    return 1
  }
}

# Every text on the CPU and on the GPU: the same logits to the last digit, hence the same labels.
# Then accuracy and texts a second.
step_models() {
  local name failed=()
  for name in "${sets[@]}"; do
    tail -n +2 "$out/data/$name.tsv" | cut -f 1 >"$out/$name.txt"
    "$bin/qe-run" "$out/models/minilm-$name" --format jsonl <"$out/$name.txt" >"$out/$name-cpu.jsonl"
    "$bin/qe-run" "$out/models/minilm-$name" --device cuda --format jsonl <"$out/$name.txt" \
      >"$out/$name-cuda.jsonl"
    if cmp "$out/$name-cpu.jsonl" "$out/$name-cuda.jsonl"; then
      echo "$name: $(wc -l <"$out/$name.txt") texts, the same logits on both"
    else
      failed+=("$name")
    fi
    "$bin/qe-eval" "$out/models/minilm-$name" --data "$out/data/$name.tsv" --device cuda --batch 256 |
      tee "$out/$name-eval.txt"
  done
  [ "${#failed[@]}" -eq 0 ] || {
    echo "logits differ: ${failed[*]}" >&2
    return 1
  }
}

# BERT-base with random weights and the real vocabulary, made where it is measured.
make_bert() {
  [ -d "$out/models/bert-base-int8" ] && return
  "$bin/qe-bench" --synthetic bert-base:1 --save "$out/models/bert-base" \
    --vocab "$out/data/bert-base-uncased.txt"
  "$bin/qe-quantize" "$out/models/bert-base" "$out/models/bert-base-int8"
}

# FP16 by cuBLASLt, then INT8 beside it.
step_bert() {
  make_bert
  "$bin/qe-bench" "$out/models/bert-base" "$out/models/bert-base-int8" --device cuda \
    --seq-len 16,128,512 --batch 1,32,128 | tee "$out/bert-latency.txt"
}

step_peers() {
  make_bert
  python3 bench/peers/compare.py --device cuda --model "$out/models/bert-base" \
    --qe qe-int8="$out/models/bert-base-int8" --qe-bench "$bin/qe-bench" --seq-len 128 \
    --batch 1,32,128 --pairs 10 --block 0.3 --cache "$out/peers" \
    --calibration "$out/data/emotion.tsv" --output "$out/bert-peers"
}

# measure NAME SHAPES [FLAG...]: a table and the same measurement's JSON.
measure() {
  local name=$1 shapes=$2
  shift 2
  "$bin/qe-bench" gemm --device cuda --shapes "$shapes" --duration 0.01 --quiet \
    --format json --output "$out/$name.json" "$@"
  python3 - "$out/$name.json" <<'PY'
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
PY
}

step_bench() {
  local name
  for name in bert-base bert-large; do
    measure "$name" "$name" --compare cublaslt --pairs 7 | tee "$out/$name.txt"
  done
  measure small "$small" --compare cublaslt --pairs 7 | tee "$out/small.txt"
  measure large 8192x8192x8192 --compare cublaslt --pairs 7 | tee "$out/large.txt"
}

step_kernels() {
  measure kernels "bert-base,bert-large,$small,8192x8192x8192" --all-kernels --pairs 3 |
    tee "$out/kernels.txt"
}

case ${1:-} in
  build | pack | unpack | test | sanitize | models | bert | peers | bench | kernels)
    "step_$1" "${@:2}"
    ;;
  *)
    sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
