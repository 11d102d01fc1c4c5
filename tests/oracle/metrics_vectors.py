"""Writes tests/data/metrics_cases.json: random inputs of the metrics with their values.

usage: metrics_vectors.py [OUTPUT]

Classification values are scikit-learn's; log-loss, entropy, Wilson, Newcombe and McNemar follow
their published formulas with scipy's distributions. Undefined numbers are null. The shape:
{
 "classification": [{"classes": K, "truth": [N], "logits": [[K] * N] (multiples of 1/64, no tied
     maximum), "prediction": [N] (argmax), "confusion": [[K] * K] (rows = truth), "accuracy",
     "precision": [K], "recall": [K], "f1": [K], "support": [K],
     "undefined": {"precision": [K bool], "recall": [...], "f1": [...]} (zero denominator, value 0),
     "macro": {"precision", "recall", "f1"}, "weighted": {...}, "mcc", "kappa" (null: 0/0),
     "log_loss", "mean_entropy" (nats)}],
 "multi_label": [{"labels": L, "truth": [N sorted index lists], "prediction": [...],
     "f1": [L], "micro_f1", "macro_f1", "subset_accuracy"}],
 "wilson": [{"hits", "trials", "low", "high"}],                              95 %
 "newcombe": [{"hits_a", "trials_a", "hits_b", "trials_b", "low", "high"}],  95 %, a - b
 "mcnemar": [{"only_a", "only_b", "exact", "mid_p"}]                         mid_p capped at 1
}
Compare with a tolerance of 1e-9: some of the formulas cancel.
"""

import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
from scipy.special import log_softmax
from scipy.stats import binom, norm
from sklearn import metrics

SEED = 20240611
Z = norm.ppf(0.975)


def number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def averages(truth, prediction, classes: int, average: str) -> dict:
    p, r, f, _ = metrics.precision_recall_fscore_support(
        truth, prediction, labels=range(classes), average=average, zero_division=0)
    return {"precision": float(p), "recall": float(r), "f1": float(f)}


def classification_case(rng: np.random.Generator, index: int) -> dict:
    classes = int(rng.integers(2, 7))
    rows = int(rng.integers(1, 40))
    used = classes if index % 3 else int(rng.integers(1, classes + 1))  # some classes empty
    truth = rng.integers(0, used, rows)
    logits = rng.normal(size=(rows, classes)) * rng.choice([0.5, 2.0, 20.0])
    logits[np.arange(rows), truth] += rng.choice([0.0, 1.0, 4.0])
    logits = np.round(logits * 64) / 64
    order = np.sort(logits, axis=1)
    logits[np.flatnonzero(order[:, -1] == order[:, -2]), 0] = order.max() + 1
    if index % 11 == 5:
        truth[:] = 0
        logits[:, 0] = logits.max() + 1  # constant truth and prediction: kappa is 0/0
    prediction = logits.argmax(axis=1)
    p, r, f, support = metrics.precision_recall_fscore_support(
        truth, prediction, labels=range(classes), zero_division=0)
    confusion = metrics.confusion_matrix(truth, prediction, labels=range(classes))
    predicted = confusion.sum(axis=0)
    logs = log_softmax(logits, axis=1)
    return {
        "classes": classes, "truth": truth.tolist(), "logits": logits.tolist(),
        "prediction": prediction.tolist(), "confusion": confusion.tolist(),
        "accuracy": float(metrics.accuracy_score(truth, prediction)),
        "precision": p.tolist(), "recall": r.tolist(), "f1": f.tolist(),
        "support": support.tolist(),
        "undefined": {"precision": (predicted == 0).tolist(), "recall": (support == 0).tolist(),
                      "f1": (predicted + support == 0).tolist()},
        "macro": averages(truth, prediction, classes, "macro"),
        "weighted": averages(truth, prediction, classes, "weighted"),
        "mcc": float(metrics.matthews_corrcoef(truth, prediction)),
        "kappa": number(metrics.cohen_kappa_score(truth, prediction, labels=range(classes))),
        "log_loss": float(-logs[np.arange(rows), truth].mean()),
        "mean_entropy": float(-(np.exp(logs) * logs).sum(axis=1).mean()),
    }


def multi_label_case(rng: np.random.Generator) -> dict:
    labels, rows = int(rng.integers(2, 7)), int(rng.integers(1, 30))
    truth = rng.random((rows, labels)) < rng.choice([0.0, 0.2, 0.5])
    flip = rng.random((rows, labels)) < rng.choice([0.0, 0.1, 0.4])
    prediction = truth ^ flip
    t, p = truth.astype(int), prediction.astype(int)
    return {
        "labels": labels,
        "truth": [np.flatnonzero(row).tolist() for row in truth],
        "prediction": [np.flatnonzero(row).tolist() for row in prediction],
        "f1": metrics.f1_score(t, p, average=None, zero_division=0).tolist(),
        "micro_f1": float(metrics.f1_score(t, p, average="micro", zero_division=0)),
        "macro_f1": float(metrics.f1_score(t, p, average="macro", zero_division=0)),
        "subset_accuracy": float(metrics.accuracy_score(t, p)),
    }


def wilson(hits: int, trials: int) -> tuple[float, float]:
    rate, square = hits / trials, Z * Z
    centre = rate + square / (2 * trials)
    half = Z * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials**2))
    scale = 1 + square / trials
    low = 0.0 if hits == 0 else (centre - half) / scale
    high = 1.0 if hits == trials else (centre + half) / scale
    return low, high


def newcombe(hits_a: int, trials_a: int, hits_b: int, trials_b: int) -> tuple[float, float]:
    a, b = hits_a / trials_a, hits_b / trials_b
    (low_a, high_a), (low_b, high_b) = wilson(hits_a, trials_a), wilson(hits_b, trials_b)
    return (a - b - math.hypot(a - low_a, high_b - b), a - b + math.hypot(high_a - a, b - low_b))


def mcnemar(only_a: int, only_b: int) -> tuple[float, float]:
    n, fewer = only_a + only_b, min(only_a, only_b)
    both_tails = 2 * binom.cdf(fewer, n, 0.5)
    return min(1.0, both_tails), min(1.0, both_tails - binom.pmf(fewer, n, 0.5))


def interval_cases(rng: np.random.Generator) -> tuple[list, list]:
    rates = [(2, 10), (0, 10), (10, 10), (1, 1), (274, 332)]
    rates += [(int(rng.integers(0, n + 1)), int(n)) for n in rng.integers(1, 3000, 55)]
    single = []
    for hits, trials in rates:
        low, high = wilson(hits, trials)
        single.append({"hits": hits, "trials": trials, "low": low, "high": high})
    pairs = [((123, 148), (130, 184)), ((2, 10), (251, 322)), ((0, 5), (7, 7)), ((4, 4), (9, 9))]
    pairs += [(rates[i], rates[-1 - i]) for i in range(0, 50)]
    double = []
    for a, b in pairs:
        low, high = newcombe(*a, *b)
        double.append({"hits_a": a[0], "trials_a": a[1], "hits_b": b[0], "trials_b": b[1],
                       "low": low, "high": high})
    return single, double


def mcnemar_cases(rng: np.random.Generator) -> list:
    counts = [(12, 5), (6, 16), (0, 0), (1, 0), (7, 7), (12, 12), (12, 13)]
    counts += [tuple(int(c) for c in rng.integers(0, top, 2)) for top in (4, 12, 40, 400) * 12]
    return [dict(zip(("only_a", "only_b", "exact", "mid_p"), (a, b, *map(float, mcnemar(a, b)))))
            for a, b in counts]


def main() -> None:
    default = Path(__file__).parents[1] / "data" / "metrics_cases.json"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    warnings.simplefilter("ignore")  # zero denominators are the point of some cases
    rng = np.random.default_rng(SEED)
    cases = {
        "classification": [classification_case(rng, i) for i in range(90)],
        "multi_label": [multi_label_case(rng) for _ in range(50)],
    }
    cases["wilson"], cases["newcombe"] = interval_cases(rng)
    cases["mcnemar"] = mcnemar_cases(rng)
    sections = (f'"{name}": [\n' + ",\n".join(json.dumps(c, allow_nan=False) for c in rows) + "\n]"
                for name, rows in cases.items())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(sections) + "\n}\n")
    print({name: len(rows) for name, rows in cases.items()}, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
