"""A contestant as seen by the driver: a pinned child process that speaks the line protocol.

A worker that is not being measured is stopped by signal, so that whatever its thread pool
does between calls, it cannot take time from the one that is."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from workloads import Workload

HERE = Path(__file__).resolve().parent
PR_SET_PDEATHSIG = 1


class WorkerError(RuntimeError):
    """A worker died or answered something that is not in the protocol."""


@dataclass(frozen=True)
class Spec:
    """How to start a contestant: either a peer's worker or a program of its own."""

    name: str
    engine: str  # torch, onnxruntime, openvino; "qe" for qe-bench
    mode: str  # a peer's mode; for qe the model directory
    form: str = "padded"
    device: str = "cpu"  # of qe
    program: str = "qe-bench"  # likewise

    def command(self, model: str, cache: Path, workload: Workload, threads: int):
        if self.engine != "qe":
            fields = json.dumps({**vars(workload), "form": self.form})
            return [sys.executable, str(HERE / "worker.py"), "--engine", self.engine,
                    "--mode", self.mode, "--model", model, "--cache", str(cache),
                    "--workload", fields, "--threads", str(threads)]
        command = [self.program, self.mode, "--follow", "--threads", str(threads),
                   "--batch", str(workload.batch), "--device", self.device]
        if workload.image_size:
            return command
        if not workload.data:
            return [*command, "--seq-len", str(workload.seq_len)]
        command += ["--data", workload.data]
        return command + (["--max-length", str(workload.max_length)] if workload.max_length else [])


@dataclass
class Worker:
    spec: Spec
    process: subprocess.Popen
    ready: dict = field(default_factory=dict)

    @classmethod
    def start(cls, spec: Spec, command: list[str], cpus: list[int], threads: int, log: Path):
        """Starts the process pinned to `cpus` and waits for its ready line."""

        def in_child():
            os.sched_setaffinity(0, cpus)
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1",
                       "TOKENIZERS_PARALLELISM": "false"}
        with log.open("w") as errors:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=errors, text=True, bufsize=1, env=environment,
                                       preexec_fn=in_child)
        worker = cls(spec, process)
        worker.ready = worker._reply(f"see {log}")
        worker.pause()
        return worker

    def ask(self, command: str) -> dict:
        """Wakes the worker, sends one command, returns its reply and stops it again."""
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise WorkerError(f"{self.spec.name}: gone before {command!r}") from error
        reply = self._reply(command)
        self.pause()
        return reply

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def peak_memory_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(row for row in status.splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    def _reply(self, context: str) -> dict:
        line = self.process.stdout.readline()
        try:
            reply = json.loads(line)
        except json.JSONDecodeError as error:
            self.close()
            raise WorkerError(f"{self.spec.name}: no JSON reply ({context}): {line!r}") from error
        if "error" in reply:
            raise WorkerError(f"{self.spec.name}: {reply['error']} ({context})")
        return reply
