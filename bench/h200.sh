#!/usr/bin/env bash
# One step of what docs/benchmarks/h200.md describes:
#   bench/h200.sh build [JOBS] | pack            with CUDA 13 and the packages of the project
#   bench/h200.sh test | sanitize | bench | kernels    with an NVIDIA GPU and its driver
# The steps of the second line need nothing but what pack collects (and, for sanitize and bench, the
# CUDA toolkit), so they run on a machine that cannot build. Each takes less than ten minutes;
# results go to out/h200 or the folder that QE_OUT names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly build=build/cuda
readonly out=${QE_OUT:-out/h200}
readonly bin=$out/bin
mkdir -p "$out"
export PATH=$PATH:/usr/local/cuda/bin
export LD_LIBRARY_PATH=$bin/lib:/usr/local/cuda/lib64:${LD_LIBRARY_PATH:-}

readonly small=1x3072x768,1x768x3072,1x4096x1024,1x1024x4096,16x3072x768,16x768x3072,16x4096x1024,16x1024x4096,32x3072x768,32x768x3072,32x4096x1024,32x1024x4096

# Without oneDNN: nothing here compares with it.
step_build() {
  cmake --preset cuda -DQE_ONEDNN=OFF
  cmake --build --preset cuda -j "${1:-$(nproc)}" \
    --target test_cuda_gpu test_cuda_maps test_cuda_checks test_cuda_sass qe-bench qe-inspect
  ctest --test-dir "$build" --output-on-failure -R '^cuda_'
}

# The programs and the shared libraries they need, but for the system's own and CUDA's.
step_pack() {
  mkdir -p "$bin/lib"
  cp "$build/tests/cuda/test_cuda_gpu" "$build/tools/qe-bench" "$build/tools/qe-inspect" "$bin"
  ldd "$bin"/test_cuda_gpu "$bin"/qe-* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -Ev '/(libc|libm|libdl|librt|libpthread|libcublas[^/]*)\.so' |
    xargs -r cp -L -t "$bin/lib"
  du -sh "$bin"
}

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
  build | pack | test | sanitize | bench | kernels) "step_$1" "${@:2}" ;;
  *)
    sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
