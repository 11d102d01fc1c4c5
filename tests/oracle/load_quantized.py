#!/usr/bin/env python3
"""Loads a quantized directory with transformers and compressed-tensors and compares it with qe.

Usage: load_quantized.py MODEL_DIR [--labels ROWS.jsonl --data FILE.tsv [--max-length N]]

Weights: every dequantized matrix must equal scale * q of the file bit for bit, along both ways that
transformers offers (dequantized while loading, and decompressed afterwards; the latter keeps the
scales of static activations, which must be equal too), and no tensor of the file may be missing or
unexpected. Labels: ROWS.jsonl holds one JSON object a line as
`qe-run MODEL_DIR --format jsonl` prints them for the texts of FILE.tsv; at least 99 % of the labels
must be those of transformers, which quantizes activations by its own rule (absmax / 127.5).
Needs the versions pinned in docs/formats.md. Exit status 0 if all comparisons hold.
"""
import argparse
import csv
import json
import pathlib
import sys

import torch
from compressed_tensors.compressors import ModelCompressor
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, CompressedTensorsConfig

AGREEMENT = 0.99
BATCH = 32


INPUT_PARAMETERS = (".input_scale", ".input_zero_point")


def expected_tensors(directory, with_inputs):
    """Name -> tensor of the loaded model, by the definition of the format."""
    stored = load_file(directory / "model.safetensors")
    weights = {}
    for name, tensor in stored.items():
        if name.endswith(".weight_scale") or (not with_inputs and name.endswith(INPUT_PARAMETERS)):
            continue
        scale = stored.get(name + "_scale")
        weights[name] = tensor if scale is None else tensor.to(torch.float32) * scale
    return weights


def load(directory, dequantize):
    options = {"quantization_config": CompressedTensorsConfig(dequantize=True)} if dequantize else {}
    model, info = AutoModelForSequenceClassification.from_pretrained(
        directory, dtype=torch.float32, output_loading_info=True, **options)
    problems = {key: value for key, value in info.items() if value}
    if not dequantize:
        ModelCompressor.from_pretrained_model(model).decompress_model(model)
    return model.eval(), problems


def compare_weights(directory, dequantize):
    model, problems = load(directory, dequantize)
    if dequantize:  # a plain float model, which has no place for the scales of activations
        unexpected = problems.get("unexpected_keys", set())
        problems["unexpected_keys"] = {n for n in unexpected if not n.endswith(INPUT_PARAMETERS)}
    state = model.state_dict()
    expected = expected_tensors(directory, with_inputs=not dequantize)
    wrong = [name for name, tensor in expected.items()
             if name not in state or not torch.equal(state[name].to(tensor.dtype), tensor)]
    way = "dequantized while loading" if dequantize else "decompressed after loading"
    print(f"{way}: {len(expected) - len(wrong)} of {len(expected)} tensors equal bit for bit")
    for name in wrong:
        print(f"  differs or missing: {name}")
    for kind, names in problems.items():
        if names:
            print(f"  {kind}: {sorted(names)}")
    return not wrong and not any(problems.values())


def peer_labels(directory, texts, max_length):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32).eval()
    labels = []
    with torch.inference_mode():
        for start in range(0, len(texts), BATCH):
            batch = tokenizer(texts[start:start + BATCH], padding=True, truncation=True,
                              max_length=max_length, return_tensors="pt")
            labels += [model.config.id2label[int(i)] for i in model(**batch).logits.argmax(-1)]
    return labels


def compare_labels(directory, rows_file, data_file, max_length):
    with open(data_file, encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    with open(rows_file, encoding="utf-8") as file:
        ours = [json.loads(line)["label"] for line in file if line.strip()]
    if len(ours) != len(texts):
        print(f"{rows_file}: {len(ours)} rows for {len(texts)} texts")
        return False
    theirs = peer_labels(directory, texts, max_length)
    equal = sum(a == b for a, b in zip(ours, theirs))
    print(f"labels: {equal} of {len(texts)} equal ({100 * equal / len(texts):.2f} %)")
    return equal >= AGREEMENT * len(texts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--labels", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--max-length", type=int, default=512)
    args = parser.parse_args()
    good = compare_weights(args.model, True) & compare_weights(args.model, False)
    if args.labels:
        good &= compare_labels(args.model, args.labels, args.data, args.max_length)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
