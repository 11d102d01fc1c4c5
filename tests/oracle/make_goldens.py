"""Makes the small model directories and reference outputs under tests/data.

usage: make_goldens.py [OUTPUT_DIR]     (default: tests/data beside this script)

Each case is an architecture, activation, naming or storage form with seeded random weights
(biases and LayerNorm parameters too), saved as a Hugging Face directory of its own, and
golden.safetensors made by `transformers` from the stored weights widened to float64:
  input_ids, token_type_ids I32 [N, L] (zero-padded), lengths I32 [N], logits F32 [N, C].
tokenizer/pairs.jsonl holds ids of text pairs cut longest-first by `tokenizers`.
Versions: bench/peers/requirements.txt. No accuracy is claimed for any of these models.
"""

import json
import shutil
import string
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
)

ROWS = 20
POSITIONS = 48
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = """the a of and to in is it you that he was for on are with as his they at be this have
from or had by not but what all were we when your can there each which she how their will other
about out many then them these so some her would make like him into time has look two more write
go see number no way could people my than first water been call who its now find long down day did
get come made may part""".split()
SUFFIXES = ["##ness", "##ed", "##ing", "##er", "##ly", "##ment", "##able", "##est"]


@dataclass(frozen=True)
class Case:
    """One directory. `rename` maps tensor names as they are stored, `shards` splits them."""

    name: str
    seed: int
    kind: str = "bert"
    hidden: int = 64
    heads: int = 2
    intermediate: int = 96
    layers: int = 2
    activation: str = "gelu"
    labels: int = 3
    dtype: torch.dtype = torch.float32
    pairs: bool = False
    multi_label: bool = False
    rename: str = ""
    shards: int = 1
    tokenizer_json: bool = False
    extra: dict = field(default_factory=dict)


CASES = [
    Case("distilbert", 11),
    Case("distilbert-relu-multilabel", 12, activation="relu", multi_label=True, labels=4,
         heads=1, dtype=torch.float16),
    Case("bert-pairs", 13, heads=1, pairs=True, tokenizer_json=True),
    Case("bert-multilabel", 14, multi_label=True, labels=5, dtype=torch.float16, layers=3),
    Case("bert-legacy-names", 15, rename="gamma-beta"),
    Case("bert-no-prefix-gelu-new", 16, activation="gelu_new", rename="no-prefix"),
    Case("bert-gelu-tanh", 17, activation="gelu_pytorch_tanh", dtype=torch.float16),
    Case("bert-relu-head24", 18, hidden=72, heads=3, activation="relu", intermediate=100),
    Case("bert-sharded-bf16", 19, hidden=128, heads=2, intermediate=160, labels=2, layers=1,
         dtype=torch.bfloat16, shards=3, pairs=True),
]


def vocabulary() -> list[str]:
    """Tokens by id. Tokenizers differ on a token given twice, so none is."""
    letters = string.ascii_lowercase + string.digits
    tokens = [*SPECIAL, *string.punctuation, *letters, *("##" + c for c in letters),
              *(w for w in dict.fromkeys(WORDS) if len(w) > 1), *SUFFIXES]
    if len(set(tokens)) != len(tokens):
        raise SystemExit("the vocabulary holds a token twice")
    return tokens


def make_model(case: Case, vocab_size: int):
    names = [f"label{i}" for i in range(case.labels)]
    shared = {
        "vocab_size": vocab_size,
        "max_position_embeddings": POSITIONS,
        "id2label": dict(enumerate(names)),
        "label2id": {n: i for i, n in enumerate(names)},
        "problem_type": "multi_label_classification" if case.multi_label else None,
    }
    if case.name.startswith("distilbert"):
        config = DistilBertConfig(dim=case.hidden, n_heads=case.heads, n_layers=case.layers,
                                  hidden_dim=case.intermediate, activation=case.activation,
                                  **shared)
        model = DistilBertForSequenceClassification(config)
    else:
        config = BertConfig(hidden_size=case.hidden, num_attention_heads=case.heads,
                            num_hidden_layers=case.layers, hidden_act=case.activation,
                            intermediate_size=case.intermediate, **shared)
        model = BertForSequenceClassification(config)
    randomize(model, case)
    return model.eval()


def randomize(model, case: Case) -> None:
    """Seeded weights that keep every part of the network alive, rounded to the stored type."""
    generator = torch.Generator().manual_seed(case.seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            noise = torch.randn(p.shape, generator=generator)
            if "norm" in name.lower() and name.endswith("weight"):
                value = 1.0 + 0.25 * noise
            elif p.dim() == 1:
                value = 0.2 * noise
            elif "embeddings" in name:
                value = 0.5 * noise
            else:
                value = 1.5 * noise / p.shape[1] ** 0.5
            p.copy_(value.to(case.dtype))


def stored_tensors(model, case: Case) -> dict[str, torch.Tensor]:
    """The state dict as the case names it."""
    tensors = {n: t.to(case.dtype).contiguous() for n, t in model.state_dict().items()
               if not n.endswith("position_ids")}
    if case.rename == "gamma-beta":  # the naming of converted TensorFlow checkpoints
        tensors = {n.replace("LayerNorm.weight", "LayerNorm.gamma")
                   .replace("LayerNorm.bias", "LayerNorm.beta"): t for n, t in tensors.items()}
        # a buffer that transformers saved until 4.30
        tensors["bert.embeddings.position_ids"] = torch.arange(POSITIONS)[None]
    elif case.rename == "no-prefix":
        tensors = {n.removeprefix("bert."): t for n, t in tensors.items()}
    return tensors


def save_weights(tensors: dict[str, torch.Tensor], folder: Path, shards: int) -> None:
    metadata = {"format": "pt"}
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata)
        return
    names = sorted(tensors)
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        part = names[shard::shards]
        save_file({n: tensors[n] for n in part}, folder / file, metadata)
        weight_map.update(dict.fromkeys(part, file))
    size = sum(t.numel() * t.element_size() for t in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def make_tokenizer(vocab: list[str]) -> Tokenizer:
    ids = {token: i for i, token in enumerate(vocab)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])])
    return tokenizer


def save_tokenizer(folder: Path, vocab: list[str], with_json: bool) -> None:
    (folder / "vocab.txt").write_text("".join(t + "\n" for t in vocab))
    settings = {"cls_token": "[CLS]", "do_lower_case": True, "mask_token": "[MASK]",
                "model_max_length": POSITIONS, "pad_token": "[PAD]", "sep_token": "[SEP]",
                "strip_accents": None, "tokenize_chinese_chars": True,
                "tokenizer_class": "BertTokenizer", "unk_token": "[UNK]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    if with_json:
        make_tokenizer(vocab).save(str(folder / "tokenizer.json"))


def make_inputs(case: Case, vocab: list[str]) -> dict[str, torch.Tensor]:
    """Random ids in [CLS] ... [SEP] form (pairs: a second segment), lengths 2 to POSITIONS."""
    generator = torch.Generator().manual_seed(case.seed + 1000)
    cls_id, sep_id = vocab.index("[CLS]"), vocab.index("[SEP]")
    lengths = torch.randint(3, POSITIONS, (ROWS,), generator=generator)
    lengths[:4] = torch.tensor([3 if case.pairs else 2, 16, 17, POSITIONS])
    ids = torch.zeros(ROWS, POSITIONS, dtype=torch.int64)
    types = torch.zeros_like(ids)
    for row, n in enumerate(lengths.tolist()):
        ids[row, :n] = torch.randint(len(SPECIAL), len(vocab), (n,), generator=generator)
        ids[row, 0], ids[row, n - 1] = cls_id, sep_id
        if case.pairs:
            end = int(torch.randint(1, n - 1, (1,), generator=generator))
            ids[row, end] = sep_id
            types[row, end + 1 : n] = 1
    return {"input_ids": ids, "token_type_ids": types, "lengths": lengths}


def reference_logits(model, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    mask = torch.arange(POSITIONS)[None] < inputs["lengths"][:, None]
    feed = {"input_ids": inputs["input_ids"], "attention_mask": mask.long()}
    if model.config.model_type == "bert":
        feed["token_type_ids"] = inputs["token_type_ids"]
    with torch.inference_mode():
        return model.double()(**feed).logits.float()


def make_case(case: Case, root: Path, vocab: list[str]) -> None:
    folder = root / case.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = make_model(case, len(vocab))
    config = model.config
    config.architectures = [type(model).__name__]
    config.dtype = case.dtype
    config.save_pretrained(folder)
    save_weights(stored_tensors(model, case), folder, case.shards)
    save_tokenizer(folder, vocab, case.tokenizer_json)

    inputs = make_inputs(case, vocab)
    logits = reference_logits(model, inputs)
    loaded = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    difference = (reference_logits(loaded.eval(), inputs) - logits).abs().max().item()
    if difference > 1e-5:  # the peer must read the stored names as we mean them
        raise SystemExit(f"{case.name}: transformers reads other weights, off by {difference}")
    golden = {n: t.to(torch.int32).contiguous() for n, t in inputs.items()} | {"logits": logits}
    save_file(golden, folder / "golden.safetensors")
    size = sum(p.stat().st_size for p in folder.iterdir())
    print(f"{case.name}: {size / 1024:.0f} KiB, logits {logits.std():.2f} sd")


def make_pairs(path: Path, vocab: list[str]) -> None:
    """One JSON object a line: text, text_pair, max_length, ids, type_ids."""
    tokenizer = make_tokenizer(vocab)
    generator = torch.Generator().manual_seed(77)

    def text(words: int) -> str:
        picks = torch.randint(len(WORDS), (words,), generator=generator).tolist()
        tails = torch.randint(6, (words,), generator=generator).tolist()
        return " ".join(WORDS[w] + ["", "", "", "s", "ing,", "zq"][t] for w, t in zip(picks, tails))

    sizes = [(0, 0), (0, 9), (9, 0), (1, 1), (3, 12), (12, 3), (7, 7), (7, 8), (8, 7), (30, 31)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        for first, second in sizes * 3:
            a, b = text(first), text(second)
            for max_length in (3, 4, 5, 6, 9, 10, 16, 33, 128):
                tokenizer.enable_truncation(max_length, strategy="longest_first")
                encoding = tokenizer.encode(a, b)
                row = {"text": a, "text_pair": b, "max_length": max_length,
                       "ids": encoding.ids, "type_ids": encoding.type_ids}
                stream.write(json.dumps(row) + "\n")


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "data"
    torch.set_num_threads(1)
    vocab = vocabulary()
    print(f"vocabulary of {len(vocab)}")
    for case in CASES:
        make_case(case, root / "models", vocab)
    make_pairs(root / "tokenizer" / "pairs.jsonl", vocab)


if __name__ == "__main__":
    main()
