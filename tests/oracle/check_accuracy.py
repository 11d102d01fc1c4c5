"""Compares qe-run's logits and labels with PyTorch's, stored as golden files.

usage: check_accuracy.py --qe-run build/release/tools/qe-run [--shared ../shared] [NAME[=DIR] ...]

NAME is a golden text model (minilm-emotion, minilm-hatexplain, tiny-emotion; all by default);
DIR another directory to run in its place, such as its quantized form (its distance is reported
and only --min-equal judged). qe-run reads the texts from stdin, one a line, and answers one JSON
object a line that holds `logits`. Exit code 1 if a bound is broken.
"""

import argparse
import csv
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


@dataclass(frozen=True)
class Golden:
    data: str  # below the shared data folder
    max_length: int


GOLDENS = {
    "minilm-emotion": Golden("emotion/test.tsv", 96),
    "minilm-hatexplain": Golden("hatexplain/test.tsv", 128),
    "tiny-emotion": Golden("demo-sentences/test.tsv", 0),
}


def read_rows(path: Path) -> list[dict]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def run_logits(qe_run: str, model: Path, texts: list[str], max_length: int) -> np.ndarray:
    """Logits of every text, F32 [N, C]; stops at the first line that is not an answer."""
    command = [qe_run, str(model), "--format", "jsonl"]
    if max_length:
        command += ["--max-length", str(max_length)]
    done = subprocess.run(command, input="".join(t + "\n" for t in texts), text=True,
                          stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in done.stdout.split("\n")[:-1]]
    if len(answers) != len(texts):
        sys.exit(f"{model}: {len(answers)} answers to {len(texts)} texts")
    for line, answer in enumerate(answers, 1):
        if "logits" not in answer:
            sys.exit(f"{model}: line {line} has no logits: {answer}")
    return np.array([a["logits"] for a in answers], np.float32)


def check(arguments, name: str, folder: Path | None) -> bool:
    golden = GOLDENS[name]
    expected = load_file(arguments.shared / "goldens" / f"{name}.safetensors")
    model = folder or arguments.shared / "models" / name
    rows = read_rows(arguments.shared / "data" / golden.data)
    logits = run_logits(arguments.qe_run, model, [r["text"] for r in rows], golden.max_length)

    known = expected["logits"]
    difference = float(np.abs(logits[: len(known)] - known).max())
    labels = logits.argmax(axis=1)
    differing = np.flatnonzero(labels != expected["argmax"])
    equal = 1 - len(differing) / len(labels)
    label2id = json.loads((model / "config.json").read_text())["label2id"]
    truth = np.array([int(label2id[r["label"]]) for r in rows])
    print(f"{name} ({model}): {len(rows)} rows, max |logit difference| {difference:.3g} on "
          f"{len(known)}, accuracy {(labels == truth).mean():.4f}, "
          f"PyTorch FP32 {(expected['argmax'] == truth).mean():.4f}, labels equal {equal:.4f}")
    for row in differing if not folder else differing[:20]:
        best = np.sort(logits[row])[::-1]
        print(f"  row {row}: {labels[row]}, PyTorch {expected['argmax'][row]}, "
              f"margin of the two best logits {best[0] - best[1]:.3g}")
    if folder:
        return equal >= arguments.min_equal
    right = int((labels == truth).sum() - (expected["argmax"] == truth).sum())
    return difference <= arguments.tolerance and abs(right) <= arguments.rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="NAME[=DIR]")
    parser.add_argument("--qe-run", required=True)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[3] / "shared")
    parser.add_argument("--tolerance", type=float, default=2e-4, help="of a logit")
    parser.add_argument("--rows", type=int, default=1, help="of accuracy, in rows")
    parser.add_argument("--min-equal", type=float, default=0.99, help="share of labels, for =DIR")
    arguments = parser.parse_args()
    good = True
    for entry in arguments.models or GOLDENS:
        name, _, folder = entry.partition("=")
        if name not in GOLDENS:
            sys.exit(f"unknown golden {name!r}; known: {', '.join(GOLDENS)}")
        good &= check(arguments, name, Path(folder) if folder else None)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
