#!/usr/bin/env python3
"""Compares ids with Hugging Face `tokenizers`, string by string, and prints a Markdown table.

Sections:
  corpus      every line of every text file of the data directory, and random Unicode, under both
              vocabularies and all settings of lower-casing and accent stripping
  sweep       every Unicode scalar alone and between letters, with a vocabulary in which every scalar
              is a piece of its own, so that no difference can hide behind [UNK]
  truncation  pairs and single texts at many maximum lengths
  added       added tokens with every combination of flags, through tokenizer.json

Exit status 1 if any id differs. Needs `tokenizers` (version in tokenizer_unicode_sweep.py) and the
built program tests/tokenizer/encode_lines.
"""
import argparse
import itertools
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from tokenizer_unicode_sweep import PEER_VERSION, SCALARS

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SEED = 20240817


def make_peer(vocab, lower=True, strip=None, chinese=True, added=()):
    peer = Tokenizer(models.WordPiece.from_file(str(vocab), unk_token="[UNK]"))
    peer.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=chinese, strip_accents=strip, lowercase=lower)
    peer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    peer.add_special_tokens([t for t in SPECIALS if peer.token_to_id(t) is not None])
    peer.add_tokens(list(added))
    peer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(t, peer.token_to_id(t)) for t in ("[CLS]", "[SEP]")])
    return peer


class Comparison:
    def __init__(self, encoder):
        self.encoder, self.rows, self.failed = encoder, [], False

    def run(self, title, peer, inputs, options, max_length=None):
        """`inputs` are strings or pairs; `options` go to encode_lines."""
        if max_length is not None:
            peer.enable_truncation(max_length)
            options = [*options, "--max-length", str(max_length)]
        lines = "".join(json.dumps(x) + "\n" for x in inputs)
        done = subprocess.run([self.encoder, *map(str, options)], input=lines.encode(), check=True,
                              stdout=subprocess.PIPE)
        ours = done.stdout.decode().splitlines()
        assert len(ours) == len(inputs)
        differences = 0
        for start in range(0, len(inputs), 5000):
            part = inputs[start:start + 5000]
            expected = peer.encode_batch_fast([tuple(x) if isinstance(x, list) else x for x in part])
            for text, line, encoding in zip(part, ours[start:], expected):
                if json.loads(line) == encoding.ids:
                    continue
                differences += 1
                if differences <= 3:
                    print(f"{title}: {text!r}\n  peer {encoding.ids}\n  ours {line}", file=sys.stderr)
        self.rows.append((title, len(inputs), differences))
        self.failed |= differences > 0
        print(f"{title}: {len(inputs)} inputs, {differences} differences", file=sys.stderr, flush=True)


def corpus_lines(data):
    lines = []
    for path in sorted(p for p in data.rglob("*") if p.suffix in (".tsv", ".txt", ".jsonl")):
        for line in path.read_text(encoding="utf-8").split("\n"):
            if not line:
                continue
            lines.append(line)
            if "\t" in line:
                lines.extend(field for field in line.split("\t") if len(field) > 20)
            if path.name.startswith("NormalizationTest") and ";" in line and line[0] not in "#@":
                fields = line.split(";")[:5]
                lines.extend("".join(chr(int(c, 16)) for c in f.split()) for f in fields)
    return list(dict.fromkeys(lines))


def random_strings(count):
    rng = random.Random(SEED)
    blocks = [(0, 0x7F), (0x80, 0x24F), (0x300, 0x36F), (0x370, 0x5FF), (0x600, 0x1FFF), (0x2000, 0x2FFF),
              (0x3000, 0x9FFF), (0xA000, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x1FFFF), (0x20000, 0x2FFFF),
              (0xE0000, 0x10FFFF), (0, 0x10FFFF)]
    pieces = SPECIALS + [" ", "a", "the", "##ing", "[", "]", "\u200d", "\ufe0f", "e\u0301", "\u302e\u302a"]
    strings = []
    for _ in range(count):
        chosen = rng.sample(blocks, rng.randint(1, 3))
        text = ""
        for _ in range(rng.choice((1, 2, 3, 5, 8, 13, 40, 120))):
            if rng.random() < 0.1:
                text += rng.choice(pieces)
                continue
            c = rng.randint(*rng.choice(chosen))
            text += " " if 0xD800 <= c < 0xE000 else chr(c)
        strings.append(text)
    return strings


def compare_corpus(comparison, data, work):
    texts = list(dict.fromkeys(corpus_lines(data) + random_strings(40000)))
    print(f"{len(texts)} different strings", file=sys.stderr)
    for name in ("bert-base-uncased", "bert-base-chinese"):
        vocab = data / "vocab" / f"{name}.txt"
        for lower, strip in itertools.product((True, False), (None, True, False)):
            settings = dict(do_lower_case=lower, strip_accents=strip)
            config = work / "tokenizer_config.json"
            config.write_text(json.dumps(settings))
            comparison.run(f"{name} {json.dumps(settings)[1:-1]}", make_peer(vocab, lower, strip), texts,
                           ["--vocab", vocab, "--config", config])
        config.write_text(json.dumps(dict(tokenize_chinese_chars=False)))
        comparison.run(f"{name} \"tokenize_chinese_chars\": false", make_peer(vocab, chinese=False), texts,
                       ["--vocab", vocab, "--config", config])


def compare_sweep(comparison, work):
    # White space cannot be a line of vocab.txt, and never is a token.
    pieces = [chr(c) for c in SCALARS if not chr(c).isspace()]
    vocab = work / "every_scalar.txt"
    vocab.write_text("\n".join(SPECIALS + pieces + ["##" + p for p in pieces]) + "\n", encoding="utf-8", newline="\n")
    texts = [chr(c) for c in SCALARS] + [f"a{chr(c)}b" for c in SCALARS]
    for lower, strip in itertools.product((True, False), (True, False)):
        settings = dict(do_lower_case=lower, strip_accents=strip)
        config = work / "tokenizer_config.json"
        config.write_text(json.dumps(settings))
        comparison.run(f"sweep {json.dumps(settings)[1:-1]}", make_peer(vocab, lower, strip), texts,
                       ["--vocab", vocab, "--config", config])


def compare_truncation(comparison, data):
    rng = random.Random(SEED)
    vocab = data / "vocab" / "bert-base-uncased.txt"
    words = ["the", "unbelievableness", "[MASK]", "a,b", "\u4e2d\u6587", "zzzzqqqq", "!", "\u00e9t\u00e9"]
    text = lambda: " ".join(rng.choices(words, k=rng.choice((0, 1, 2, 3, 5, 9, 20, 60))))
    inputs = [[text(), text()] for _ in range(2000)] + [text() for _ in range(1000)]
    for length in (3, 4, 5, 6, 7, 8, 16, 33, 64, 128):
        comparison.run(f"truncation to {length}", make_peer(vocab), inputs, ["--vocab", vocab], length)
    comparison.run("truncation to 2", make_peer(vocab), inputs[2000:], ["--vocab", vocab], 2)


def compare_added(comparison, data, work):
    rng = random.Random(SEED)
    vocab = data / "vocab" / "bert-base-uncased.txt"
    contents = ["<e>", "<e>s", "Caf\u00e9", "Zo\u00eb", "\u65b0 \u65b0", "don't", "x y", "New\u00a0York", "ing", "##ing"]
    parts = contents + [c.lower() for c in contents] + SPECIALS + [
        " ", "  ", "\t", "\u3000", "\u00a0", "word", "_", "7", "\u0301", "\u4e2d", ".", "cafe", "zoe", "\u1e9e", "\u0130"]
    texts = ["".join(rng.choices(parts, k=rng.randint(1, 12))) for _ in range(4000)]
    for number, flags in enumerate(itertools.product((False, True), repeat=4)):
        keys = dict(zip(("single_word", "lstrip", "rstrip", "normalized"), flags))
        others = [dict(keys, lstrip=not keys["lstrip"]), dict(keys, normalized=not keys["normalized"])]
        added = [AddedToken(c, special=bool(i % 2), **rng.choice([keys, keys, *others]))
                 for i, c in enumerate(contents)]
        peer = make_peer(vocab, added=added)
        saved = work / "tokenizer.json"
        peer.save(str(saved))
        shown = ", ".join(k for k, v in keys.items() if v) or "none"
        comparison.run(f"added tokens, flags: {shown}", peer, texts, ["--tokenizer-json", saved], 100000)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default=str(ROOT / "build/release/tests/tokenizer/encode_lines"))
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("sections", nargs="*", default=["corpus", "sweep", "truncation", "added"])
    arguments = parser.parse_args()
    if tokenizers.__version__ != PEER_VERSION:
        sys.exit(f"tokenizers {PEER_VERSION} is needed, found {tokenizers.__version__}")
    comparison = Comparison(arguments.encoder)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        if "added" in arguments.sections:
            compare_added(comparison, arguments.data, work)
        if "truncation" in arguments.sections:
            compare_truncation(comparison, arguments.data)
        if "corpus" in arguments.sections:
            compare_corpus(comparison, arguments.data, work)
        if "sweep" in arguments.sections:
            compare_sweep(comparison, work)
    print("| comparison | inputs | differences |\n|---|---|---|")
    for title, inputs, differences in comparison.rows:
        print(f"| {title} | {inputs} | {differences} |")
    sys.exit(1 if comparison.failed else 0)


if __name__ == "__main__":
    main()
