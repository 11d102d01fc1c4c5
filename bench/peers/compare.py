"""Compares inference engines on one model: interleaved pairs, medians with intervals, a null.

usage: compare.py --model DIR --seq-len 16,128,512 [--qe NAME=QUANTIZED_DIR ...]
       compare.py --model DIR --data FILE.tsv --batch 32 [--qe NAME=QUANTIZED_DIR ...]
       compare.py --model IMAGE_DIR --batch 1,8,32 [--qe NAME=QUANTIZED_DIR ...]
       compare.py --model DIR --seq-len 128 --batch 1,32,128 --device cuda [--qe ...]

Every contestant is a process of its own, pinned to the same CPUs, with the same number of
threads, loading the same directory (qe: the one named for it). The reference, by default the
first qe contestant, meets every opponent in blocks ordered A B B A; it also meets a second
process of itself. See README.md for the protocol and the names of the contestants.
"""

import argparse
import contextlib
import fcntl
import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import report as reports
from models import image_settings, is_image_model, read_config
from prepare import cache_folder
from process import HERE, Spec, Worker, WorkerError
from stats import paired_ratio, summary
from workloads import MIXED_FORMS, Workload, make_requests, read_texts

PEERS = ["torch-eager", "torch-compile", "torch-frozen", "onnxruntime-int8-spin",
         "onnxruntime-int8-nospin", "openvino-int8", "openvino-int8-f32"]
CUDA_PEERS = ["torch-cuda-half-eager", "torch-cuda-half-compile"]  # compiling takes minutes
MORE_PEERS = ["torch-compile-autotune", "onnxruntime-fp32", "openvino-fp32"]
IMAGE_PEERS = ["torch-eager", "torch-eager-channels-last", "torch-compile",
               "torch-compile-channels-last", "torch-frozen", "torch-frozen-channels-last",
               "onnxruntime-int8-static-spin", "openvino-int8"]
MORE_IMAGE_PEERS = ["onnxruntime-int8-static-nospin", "onnxruntime-int8-spin",
                    "onnxruntime-fp32", "openvino-int8-f32", "openvino-fp32"]
CPU_FEATURES = ["avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16",
                "amx_int8", "amx_bf16"]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True,
                        help="Hugging Face or timm directory the peers load")
    parser.add_argument("--seq-len", default="", help="fixed workloads: comma list of lengths")
    parser.add_argument("--data", default="", help="mixed workload: TSV file")
    parser.add_argument("--max-length", type=int, default=0)
    parser.add_argument("--batch", default="1", help="comma list of texts or images a request")
    parser.add_argument("--qe", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--device", default="cpu",
                        help="of qe: cpu or cuda[:i]; the peers are those of that kind")
    parser.add_argument("--qe-bench", default="qe-bench", help="the qe-bench program")
    parser.add_argument("--build", action="append", default=[], metavar="NAME=QE_BENCH",
                        help="the program of this --qe alone: two builds beside each other")
    parser.add_argument("--peers",
                        help=f"comma list; texts: {', '.join(PEERS)} (default), "
                             f"{', '.join(MORE_PEERS)}; mixed workloads take a form as NAME@FORM, "
                             f"FORM in {', '.join(MIXED_FORMS)}; images: {', '.join(IMAGE_PEERS)} "
                             f"(default), {', '.join(MORE_IMAGE_PEERS)}; on a GPU: {', '.join(CUDA_PEERS)}")
    parser.add_argument("--reference", default="", help="default: first --qe, else openvino-int8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpus", default="0,1")
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--block", type=float, default=0.6, help="seconds a block")
    parser.add_argument("--cache", type=Path, required=True, help="exported models stay here")
    parser.add_argument("--calibration", required=True, help="TSV with a column text or image")
    parser.add_argument("--output", type=Path, required=True, help="writes OUTPUT.json and .md")
    parser.add_argument("--lock", help="file locked shared while preparing, exclusively while "
                                       "measuring, for machines with other users")
    return parser.parse_args()


def specs_of(arguments) -> list[Spec]:
    image = is_image_model(arguments.model)
    default, more = (IMAGE_PEERS, MORE_IMAGE_PEERS) if image else (PEERS, MORE_PEERS)
    if arguments.device.startswith("cuda"):
        default, more = CUDA_PEERS, []
    chosen = default if arguments.peers is None else arguments.peers.split(",")
    builds = dict(entry.split("=", 1) for entry in arguments.build if "=" in entry)
    qe = dict(entry.split("=", 1) for entry in arguments.qe if "=" in entry)
    if len(builds) < len(arguments.build) or len(qe) < len(arguments.qe) or not builds.keys() <= qe.keys():
        sys.exit("compare.py: --qe takes NAME=DIR, each name once, --build one of these names")
    specs = [Spec(name, "qe", folder, device=arguments.device,
                  program=builds.get(name, arguments.qe_bench)) for name, folder in qe.items()]
    for name in filter(None, chosen):
        base, _, form = name.partition("@")
        engine, _, mode = base.partition("-")
        if base not in default + more or (form and (not arguments.data or form not in MIXED_FORMS)):
            sys.exit(f"compare.py: unknown contestant {name!r}")
        specs.append(Spec(name, engine, mode, form or "padded"))
    return specs


def workloads_of(arguments) -> list[Workload]:
    if is_image_model(arguments.model):
        if arguments.seq_len or arguments.data:
            sys.exit("compare.py: images take neither --seq-len nor --data")
        size = image_settings(arguments.model)["input_size"][1]
        fixed = [Workload(image_size=size)]
    elif bool(arguments.seq_len) == bool(arguments.data):
        sys.exit("compare.py: give either --seq-len or --data")
    elif arguments.data:
        fixed = [Workload(data=arguments.data, max_length=arguments.max_length)]
    else:
        fixed = [Workload(seq_len=int(s)) for s in arguments.seq_len.split(",")]
    batches = [int(b) for b in arguments.batch.split(",")]
    return [replace(workload, batch=batch) for workload in fixed for batch in batches]


@contextlib.contextmanager
def machine_lock(path: str | None, exclusive: bool):
    if not path:
        yield
        return
    with open(path, "a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield


def cpu_ticks() -> tuple[int, int]:
    """All ticks and stolen ticks of the machine since boot."""
    fields = [int(f) for f in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(fields), fields[7]


def machine(cpus: list[int]) -> dict:
    info = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    fields = dict(part.split(":", 1) for part in info.splitlines() if ":" in part)
    fields = {k.strip(): v.strip() for k, v in fields.items()}
    flags = set(fields.get("flags", "").split())
    ids = [fields.get(k, "?") for k in ("vendor_id", "cpu family", "model", "stepping")]
    return {"cpu": fields.get("model name", "unknown") + " (" + " ".join(ids) + ")", "cpus": cpus,
            "features": [f for f in CPU_FEATURES if f in flags],
            "kernel": platform.release(), "python": platform.python_version(),
            "load": Path("/proc/loadavg").read_text().split()[:3]}


class Comparison:
    """All contestants of one workload, started, measured against the reference, reported."""

    def __init__(self, arguments, workload: Workload, specs: list[Spec], reference: str):
        self.arguments = arguments
        self.workload = workload
        self.specs = specs
        self.reference = reference
        self.samples: dict[str, list[float]] = {}
        self.requests = {form: make_requests(replace(workload, form=form), arguments.model)
                         for form in MIXED_FORMS}

    def prepare(self) -> Path:
        """Exports for every peer; joined calibration texts where a length is fixed."""
        seq_len = min(self.workload.seq_len, 128)
        folder = cache_folder(self.arguments.cache, self.arguments.model, seq_len)
        for spec in self.specs:
            if spec.engine != "qe":
                subprocess.run(
                    [sys.executable, str(HERE / "prepare.py"), "--engine", spec.engine, "--mode",
                     spec.mode, "--model", self.arguments.model, "--folder", str(folder),
                     "--calibration", self.arguments.calibration, "--seq-len", str(seq_len),
                     "--samples", "300" if self.workload.data else "64"], check=True,
                    stdout=subprocess.DEVNULL)
        return folder

    def start(self, spec: Spec, folder: Path) -> Worker:
        a = self.arguments
        command = spec.command(a.model, folder, self.workload, a.threads)
        log = folder / f"{spec.name}-{self.workload.name}.log"
        with machine_lock(a.lock, exclusive=False):
            return Worker.start(spec, command, [int(c) for c in a.cpus.split(",")], a.threads, log)

    def commands(self, form: str, slowest_ms: float) -> list[str]:
        """One command per pair: a time for fixed work, the same batches for mixed work.

        A mixed block takes every n-th batch, so that each block samples the whole set.
        """
        pairs = self.arguments.pairs
        if not self.workload.data:
            return [f"block {self.arguments.block}"] * pairs
        count = len(self.requests[form].samples)
        size = max(1, min(count, round(1e3 * self.arguments.block / slowest_ms)))
        stride = max(1, count // size)
        return ["batches " + " ".join(str(i) for i in range(p % stride, count, stride)[:size])
                for p in range(pairs)]

    def meet(self, a: Worker, b: Worker, names: tuple[str, str]) -> dict:
        """Runs the blocks A B, B A, A B ... and returns the ratio of b's time to a's."""
        probe = [max(w.ask("block 0")["latencies_ms"]) for w in (a, b)]
        commands = self.commands(b.spec.form, max(probe))
        times: tuple[list[float], list[float]] = ([], [])
        before = cpu_ticks()
        for pair, command in enumerate(commands):
            for side in (0, 1) if pair % 2 == 0 else (1, 0):
                latencies = (a, b)[side].ask(command)["latencies_ms"]
                self.samples.setdefault(names[side], []).extend(latencies)
                times[side].append(block_time(latencies, bool(self.workload.data)))
        all_ticks, stolen = (y - x for x, y in zip(before, cpu_ticks()))
        return {"ratio": asdict(paired_ratio(*times)), "block_ms": {"reference": times[0],
                "opponent": times[1]}, "stolen": stolen / max(1, all_ticks)}

    def run(self) -> Iterator[dict]:
        """The result so far, after each comparison."""
        with machine_lock(self.arguments.lock, exclusive=False):
            folder = self.prepare()
        by_name = {s.name: s for s in self.specs}
        reference = self.start(by_name[self.reference], folder)
        result = {"workload": self.workload.name, "settings": asdict(self.workload),
                  "reference": self.reference, "comparisons": {}, "contestants": {}}
        opponents = [s for s in self.specs if s.name != self.reference]
        try:
            null = self.start(by_name[self.reference], folder)
            label = f"{self.reference} (null)"
            self.compare(result, reference, null, label)
            yield result
            for spec in opponents:
                try:
                    self.compare(result, reference, self.start(spec, folder), spec.name)
                except WorkerError as error:
                    result["comparisons"].pop(spec.name, None)
                    print(f"failed: {error}", file=sys.stderr)
                    result.setdefault("failed", {})[spec.name] = str(error)
                yield result
        finally:
            reference.close()

    def compare(self, result: dict, reference: Worker, opponent: Worker, label: str) -> None:
        print(f"{self.workload.name}: {label}", file=sys.stderr)
        try:
            with machine_lock(self.arguments.lock, exclusive=True):
                comparison = self.meet(reference, opponent, (self.reference, label))
            result["comparisons"][label] = comparison
            self.describe(result, reference, self.reference)
            self.describe(result, opponent, label)
        finally:
            opponent.close()

    def describe(self, result: dict, worker: Worker, label: str) -> None:
        latencies = self.samples[label]
        ready = worker.ready
        requests = self.requests[worker.spec.form]
        samples = requests.count() / len(requests.samples)
        per_second = 1e3 * samples / summary(latencies)["mean"]
        entry = {"latency_ms": summary(latencies), "load_ms": ready["load_ms"],
                 "first_answer_ms": ready.get("first_answer_ms"),
                 "peak_mb": worker.peak_memory_mb(), "settings": ready.get("settings", {}),
                 f"{self.workload.sample}s_per_s": per_second, "model": ready["model"]}
        if self.workload.data and "null" not in label:
            known = result["contestants"].get(label)
            entry["accuracy"] = known["accuracy"] if known else self.accuracy(worker)
        result["contestants"][label] = entry

    def accuracy(self, worker: Worker) -> float | None:
        """Share of right labels on the data; None if the worker cannot tell labels."""
        label2id = read_config(self.arguments.model)["label2id"]
        names = read_texts(self.workload.data)[1]
        try:
            with machine_lock(self.arguments.lock, exclusive=False):
                labels = worker.ask("labels")["labels"]
        except WorkerError:
            return None
        rows = self.requests[worker.spec.form].rows
        pairs = [(row, label) for r, got in zip(rows, labels) for row, label in zip(r, got)]
        return sum(int(label2id[names[row]]) == label for row, label in pairs) / len(pairs)


def block_time(latencies: list[float], mixed: bool) -> float:
    """Fixed work: the median run. Mixed work: the sum, both sides did the same batches."""
    return sum(latencies) if mixed else summary(latencies)["p50"]


def write(output: Path, result: dict) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    output.with_suffix(".md").write_text(reports.markdown(result))


def main() -> None:
    a = parse_arguments()
    workloads = workloads_of(a)
    specs = specs_of(a)
    reference = a.reference or (specs[0].name if a.qe else "openvino-int8")
    if reference not in [s.name for s in specs]:
        sys.exit(f"compare.py: the reference {reference!r} is not among the contestants")
    result = {"schema": 1, "model": Path(a.model).name, "threads": a.threads, "pairs": a.pairs,
              "block_s": a.block, "machine": machine([int(c) for c in a.cpus.split(",")]),
              "complete": False, "workloads": []}
    for workload in workloads:
        finished = result["workloads"]
        try:
            for so_far in Comparison(a, workload, specs, reference).run():
                result["workloads"] = [*finished, so_far]
                write(a.output, result)
        except WorkerError as error:  # without its reference a comparison says nothing
            sys.exit(f"compare.py: {error}")
    result["complete"] = True
    write(a.output, result)
    print(a.output.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
