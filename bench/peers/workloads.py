"""The inputs of a comparison: what every peer computes, request by request.

A workload is a list of requests; a request is a list of texts as token ids (with [CLS] and
[SEP]) or of images. Fixed workloads hold one request of B texts of S tokens or B images, mixed
ones the rows of a TSV file in file order, B a request. Tokenization happens here, before any
clock starts.
"""

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from images import image_batch, random_images
from models import read_config

FIRST_ORDINARY_ID = 1000  # bert-base vocabularies keep special and unused ids below
MIXED_FORMS = ("padded", "sorted", "single")


@dataclass(frozen=True)
class Workload:
    """Which requests are run, and in what form a peer takes them."""

    seq_len: int = 0
    image_size: int = 0  # side of square images; 0 for texts
    batch: int = 1
    data: str = ""  # a TSV file with a text column; empty for a fixed workload
    max_length: int = 0  # 0: the tokenizer's own truncation
    form: str = "padded"

    @property
    def name(self) -> str:
        if self.data:
            return f"{Path(self.data).parent.name}-{Path(self.data).stem}-b{self.batch}"
        length = f"i{self.image_size}" if self.image_size else f"s{self.seq_len}"
        return f"{length}-b{self.batch}"

    @property
    def sample(self) -> str:
        return "image" if self.image_size else "text"


@dataclass
class Requests:
    """samples[i] are the id lists or images of request i; labels follow the data's row order."""

    samples: list[list]
    rows: list[list[int]] = field(default_factory=list)  # data row of every text

    def count(self) -> int:
        return sum(len(request) for request in self.samples)


def load_tokenizer(model_dir: str, max_length: int = 0):
    """The directory's tokenizer.json, else its vocab.txt; padding off.

    Truncation is what tokenizer.json stores, else the model's positions, unless given.
    """
    from tokenizers import BertWordPieceTokenizer, Tokenizer

    folder = Path(model_dir)
    if (folder / "tokenizer.json").exists():
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    else:
        settings = folder / "tokenizer_config.json"
        settings = json.loads(settings.read_text()) if settings.exists() else {}
        tokenizer = BertWordPieceTokenizer(
            str(folder / "vocab.txt"),
            lowercase=settings.get("do_lower_case", True),
            strip_accents=settings.get("strip_accents"),
            handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
        )
    tokenizer.no_padding()
    if max_length or not tokenizer.truncation:
        tokenizer.enable_truncation(max_length or read_config(model_dir)["max_position_embeddings"])
    return tokenizer


def read_texts(path: str) -> tuple[list[str], list[str]]:
    """The text and label columns of a TSV file with a header line and no quoting."""
    with open(path, encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row["text"] for row in rows], [row.get("label", "") for row in rows]


def make_requests(workload: Workload, model_dir: str) -> Requests:
    if workload.image_size:
        return Requests([random_images(workload.batch, workload.image_size)])
    if not workload.data:
        vocab_size = read_config(model_dir)["vocab_size"]
        rng = np.random.default_rng(7)
        first = min(FIRST_ORDINARY_ID, vocab_size // 2)
        ids = rng.integers(first, vocab_size, size=(workload.batch, workload.seq_len))
        return Requests([ids.tolist()])
    texts, _ = read_texts(workload.data)
    tokenizer = load_tokenizer(model_dir, workload.max_length)
    ids = [e.ids for e in tokenizer.encode_batch(texts)]
    order = list(range(len(ids)))
    if workload.form == "sorted":
        order.sort(key=lambda i: len(ids[i]))
    groups = [order[i : i + workload.batch] for i in range(0, len(order), workload.batch)]
    return Requests([[ids[i] for i in group] for group in groups], groups)


def to_arrays(texts: list[list[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """input_ids, attention_mask and token_type_ids, I64 [B, longest], padded with zeros."""
    longest = max(len(t) for t in texts)
    ids = np.zeros((len(texts), longest), np.int64)
    mask = np.zeros_like(ids)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return ids, mask, np.zeros_like(ids)


def request_arrays(requests: Requests, workload: Workload, channels_last: bool = False):
    """The arrays of each call a request needs: one, or with form "single" one a text."""
    if workload.image_size:
        return [[(image_batch(request, channels_last),)] for request in requests.samples]
    if workload.form == "single":
        return [[to_arrays([t]) for t in request] for request in requests.samples]
    return [[to_arrays(request)] for request in requests.samples]


def calibration_arrays(model_dir: str, data: str, samples: int, seq_len: int):
    """Real token sequences for calibration: single texts, or joined texts of seq_len tokens.

    Joined sequences serve models that are measured at one length and whose weights are random.
    """
    texts, _ = read_texts(data)
    ids = [e.ids for e in load_tokenizer(model_dir).encode_batch(texts)]
    step = max(1, len(ids) // samples)
    if not seq_len:
        return [to_arrays([t]) for t in ids[::step][:samples]]
    stream = [i for t in ids for i in t[1:-1]]
    body = seq_len - 2
    cls_id, sep_id = ids[0][0], ids[0][-1]
    chunks = [stream[i * body : (i + 1) * body] for i in range(samples)]
    return [to_arrays([[cls_id, *c, sep_id]]) for c in chunks if len(c) == body]
