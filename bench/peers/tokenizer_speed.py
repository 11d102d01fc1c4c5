#!/usr/bin/env python3
"""Times the tokenizer against Hugging Face `tokenizers`, one thread each, interleaved.

The texts are the `text` columns of the emotion and imdb test sets. The peer runs encode_batch_fast
(ids only, no offsets) on one thread. Every round times one pass of each, in alternating order, with
an A/A pair of our own passes beside it; medians over the rounds are printed as Markdown rows.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizers  # noqa: E402  (reads the environment)

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "oracle"))
from tokenizer_parity import make_peer  # noqa: E402


def texts_of(path):
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    column = lines[0].split("\t").index("text")
    return [line.split("\t")[column] for line in lines[1:]]


class Ours:
    """A running tokenizer_passes."""

    def __init__(self, program, texts, options, folder):
        file = pathlib.Path(folder) / "texts.txt"
        file.write_text("\n".join(texts) + "\n", encoding="utf-8")
        self.process = subprocess.Popen([program, file, *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.tokens = 0

    def time(self, request):
        print(request, file=self.process.stdin, flush=True)
        seconds, tokens = self.process.stdout.readline().split()
        self.tokens = int(tokens)
        return float(seconds)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def time_peer(peer, texts):
    start = time.perf_counter()
    encodings = peer.encode_batch_fast(texts)
    seconds = time.perf_counter() - start
    return seconds, sum(len(e.ids) for e in encodings)


def compare(name, texts, vocab, program, rounds):
    peer = make_peer(vocab)
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(program, texts, ["--vocab", vocab], folder)
        rows = []
        for i in range(rounds + 1):
            first = ours.time("encode") if i % 2 else None
            theirs, tokens = time_peer(peer, texts)
            first = first or ours.time("encode")
            again = ours.time("encode")
            assert tokens == ours.tokens, (tokens, ours.tokens)
            if i:  # the first round warms caches
                rows.append((first, theirs, theirs / first, again / first))
        ours.close()
    first, theirs, ratio, null = (statistics.median(column) for column in zip(*rows))
    megabytes = sum(len(t.encode()) for t in texts) / 1e6
    spread = sorted(r[2] for r in rows)
    print(f"| {name} | {len(texts)} | {tokens} | {megabytes / first:.0f} MB/s, {tokens / first / 1e6:.1f} M ids/s "
          f"| {megabytes / theirs:.1f} MB/s | {ratio:.1f}x ({spread[0]:.1f} to {spread[-1]:.1f}) | {null:.2f} |")


def time_loads(vocab, tokenizer_json, program, rounds):
    with tempfile.TemporaryDirectory() as folder:
        for name, option, path in (("vocab.txt", "--vocab", vocab),
                                   ("tokenizer.json", "--tokenizer-json", tokenizer_json)):
            if not path.exists():
                continue
            ours = Ours(program, [], [option, path], folder)
            times, peers = [], []
            for _ in range(rounds):
                times.append(ours.time("load"))
                start = time.perf_counter()
                make_peer(path) if option == "--vocab" else tokenizers.Tokenizer.from_file(str(path))
                peers.append(time.perf_counter() - start)
            ours.close()
            print(f"| load {name} | {1e3 * statistics.median(times):.2f} ms | {1e3 * statistics.median(peers):.1f} ms |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared", help="folder of data/ and models/")
    parser.add_argument("--program", default=str(ROOT / "build/release/bench/tokenizer/tokenizer_passes"))
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    data = arguments.shared / "data"
    vocab = data / "vocab" / "bert-base-uncased.txt"
    emotion, imdb = texts_of(data / "emotion/test.tsv"), texts_of(data / "imdb/test.tsv")
    print(f"tokenizers {tokenizers.__version__}, {arguments.rounds} rounds, one thread\n")
    print("| texts | number | ids | this tokenizer | tokenizers | median of the paired ratio (range) | A/A |")
    print("|---|---|---|---|---|---|---|")
    compare("emotion", emotion, vocab, arguments.program, arguments.rounds)
    compare("imdb", imdb, vocab, arguments.program, arguments.rounds)
    compare("emotion + imdb", emotion + imdb, vocab, arguments.program, arguments.rounds)
    print("\n| what | this tokenizer | tokenizers |\n|---|---|---|")
    time_loads(vocab, arguments.shared / "models/minilm-emotion/tokenizer.json", arguments.program, arguments.rounds)


if __name__ == "__main__":
    main()
