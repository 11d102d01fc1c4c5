"""One peer engine in a process of its own, obeying the line protocol of README.md.

The process is pinned by its parent. It loads the model, warms up, prints the ready line, and
then answers one JSON line for every command on stdin. Nothing else is written to stdout.
"""

import argparse
import importlib
import json
import os
import sys
import time
from pathlib import Path

from workloads import Workload, make_requests, request_arrays

WARM_RUNS = 20
WARM_SECONDS = 2.0


def process_age_ms() -> float:
    """Milliseconds since this process was started (resolution: one clock tick)."""
    fields = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return 1e3 * (time.clock_gettime(time.CLOCK_BOOTTIME) - started)


class Contestant:
    """A loaded engine and the prepared calls of every request."""

    def __init__(self, run, calls):
        self.run = run
        self.calls = calls
        self.next = 0

    def request(self, index: int) -> float:
        """Runs one request; returns its milliseconds."""
        start = time.perf_counter()
        for arrays in self.calls[index]:
            self.run(*arrays)
        return 1e3 * (time.perf_counter() - start)

    def advance(self) -> int:
        index = self.next
        self.next = (self.next + 1) % len(self.calls)
        return index

    def warm_up(self) -> None:
        """At least 20 runs or 2 s, and every request once: engines cache by shape."""
        end = time.perf_counter() + WARM_SECONDS
        done = 0
        while done < len(self.calls) or (done < WARM_RUNS and time.perf_counter() < end):
            self.request(self.advance())
            done += 1

    def block(self, seconds: float) -> list[float]:
        self.request(self.next)  # untimed: wakes threads, refills caches
        latencies = []
        end = time.perf_counter() + seconds
        while not latencies or time.perf_counter() < end:
            latencies.append(self.request(self.advance()))
        return latencies

    def batches(self, indices: list[int]) -> list[float]:
        self.request(indices[0])
        return [self.request(i) for i in indices]

    def labels(self) -> list[list[int]]:
        """argmax of every text or image, request by request."""
        return [
            [int(i) for arrays in request for i in self.run(*arrays).argmax(axis=1)]
            for request in self.calls
        ]


def answer(contestant: Contestant, command: list[str]) -> dict:
    match command:
        case ["block", seconds]:
            return {"latencies_ms": contestant.block(float(seconds))}
        case ["batches", *indices] if indices:
            return {"latencies_ms": contestant.batches([int(i) for i in indices])}
        case ["labels"]:
            return {"labels": contestant.labels()}
    return {"error": f"unknown command {' '.join(command)!r}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", required=True, help="torch, onnxruntime or openvino")
    parser.add_argument("--mode", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--workload", required=True, help="the fields of Workload as JSON")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    # Libraries print to stdout as they please; keep the protocol's stream to ourselves.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    workload = Workload(**json.loads(arguments.workload))
    requests = make_requests(workload, arguments.model)
    calls = request_arrays(requests, workload, arguments.mode.endswith("channels-last"))

    peer = importlib.import_module(f"peer_{arguments.engine}")
    start = time.perf_counter()
    run, settings = peer.load(
        arguments.model, arguments.cache, arguments.mode, workload, arguments.threads, calls[0][0]
    )
    load_ms = 1e3 * (time.perf_counter() - start)
    contestant = Contestant(run, calls)
    first_ms = contestant.request(0)
    age_ms = process_age_ms()
    contestant.warm_up()
    ready = {"ready": True, "load_ms": load_ms, "model": arguments.model, "first_run_ms": first_ms,
             "first_answer_ms": age_ms, "batches": len(calls),
             f"{workload.sample}s": requests.count(), "settings": settings}
    print(json.dumps(ready), file=replies)
    for line in sys.stdin:
        command = line.split()
        if command == ["quit"]:
            break
        print(json.dumps(answer(contestant, command)), file=replies)


if __name__ == "__main__":
    main()
