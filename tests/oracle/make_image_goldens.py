"""Makes image model directories with random weights, and the logits their own libraries give.

usage: make_image_goldens.py [--small] [--only TEXT] [OUTPUT_DIR]

Each case is an architecture of timm, torchvision or transformers with seeded random weights:
convolutions after He, biases and normalization parameters away from 0 and 1, batch-norm statistics
gathered over a few batches; branches of ResNets weaker than their shortcuts, as training makes them
(at equal strength, a random network of 152 layers amplifies the rounding of float32 too much).
OUTPUT_DIR/NAME is what that library saves (torchvision: a bare state dict), and
OUTPUT_DIR/NAME.golden.safetensors is computed in float64 from the stored weights:
  pixels U8 [N, H, W, 3], mean and std F32 [3] (of what the network was given:
  (pixel / 255 - mean) / std), logits F32 [N, C].
The networks of full width are too large to keep: OUTPUT_DIR is QE_GOLDEN_DIR if that is set, else a
new temporary folder, and the loader tests read it where QE_GOLDEN_DIR names it. --small makes the
narrow ones under tests/data/image_models instead. Versions: bench/peers/requirements.txt, with timm
1.0.31 and torchvision 0.29.2. No accuracy is claimed for any of these models.
"""

import argparse
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import timm
import torch
import torchvision
from safetensors.torch import save_file
from timm.models import save_for_hf
from transformers import ViTConfig, ViTForImageClassification

IMAGES = 4
BATCHES = 3
BRANCH = 0.3
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@dataclass(frozen=True)
class Case:
    """One directory: `library` makes `architecture` with `options` for images of `size` pixels."""

    library: str
    architecture: str
    size: int = 64
    labels: int = 7
    options: dict = field(default_factory=dict)
    dtype: torch.dtype = torch.float32
    name: str = ""

    def folder(self) -> str:
        return self.name or f"{self.library}-{self.architecture}"


VIT_SMALL = {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536}
VIT_TINY = {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768}

FULL = [
    *(Case(library, f"resnet{depth}") for depth in (18, 34, 50, 101, 152)
      for library in ("timm", "torchvision")),
    *(Case(library, name) for name in ("resnext50_32x4d", "wide_resnet50_2")
      for library in ("timm", "torchvision")),
    Case("timm", "mobilenetv2_050"),
    Case("timm", "mobilenetv2_100"),
    Case("timm", "mobilenetv2_100", 65, options={"pad_type": "same"}, name="timm-mobilenetv2-same"),
    Case("timm", "mobilenetv2_110d"),
    Case("timm", "mobilenetv2_140", 75),
    Case("torchvision", "mobilenet_v2"),
    Case("torchvision", "mobilenet_v2", options={"width_mult": 0.5},
         name="torchvision-mobilenet_v2-half"),
    Case("torchvision", "mobilenet_v2", options={"width_mult": 0.35},
         name="torchvision-mobilenet_v2-035"),
    Case("timm", "efficientnet_b0"),
    Case("timm", "tf_efficientnet_b0", 75),
    Case("torchvision", "efficientnet_b0"),
    Case("torchvision", "squeezenet1_0", 75),
    Case("torchvision", "squeezenet1_1", 70),
    Case("timm", "vit_tiny_patch16_224", options={"img_size": 64}),
    Case("timm", "vit_small_patch16_224", options={"img_size": 64}),
    Case("timm", "vit_base_patch32_224", options={"img_size": 64}),
    Case("timm", "vit_base_patch16_224", options={"img_size": 64}),
    Case("timm", "vit_small_patch16_224", 224, 1000, name="timm-vit_small-224"),
    Case("transformers", "vit", options=VIT_TINY, name="transformers-vit_tiny"),
    Case("transformers", "vit", options=VIT_SMALL, name="transformers-vit_small"),
    Case("transformers", "vit", name="transformers-vit_base"),
]

SMALL = [
    Case("torchvision", "mobilenet_v2", 33, 3, {"width_mult": 0.05}, torch.float16,
         "mobilenet_v2-narrow"),
    Case("timm", "vit_tiny_patch16_224", 32, 3, name="vit-timm-narrow",
         options={"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}),
    Case("transformers", "vit", 24, 3, name="vit-hugging-face-narrow", dtype=torch.float16,
         options={"hidden_size": 48, "num_attention_heads": 2, "intermediate_size": 80,
                  "num_hidden_layers": 2, "patch_size": 8, "hidden_act": "gelu"}),
]


def make_model(case: Case) -> torch.nn.Module:
    if case.library == "timm":
        return timm.create_model(case.architecture, num_classes=case.labels, **case.options)
    if case.library == "torchvision":
        return torchvision.models.get_model(case.architecture, weights=None,
                                            num_classes=case.labels, **case.options)
    return ViTForImageClassification(ViTConfig(
        image_size=case.size, id2label={i: f"label{i}" for i in range(case.labels)},
        label2id={f"label{i}": i for i in range(case.labels)}, **case.options))


def normalization(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    config = getattr(model, "pretrained_cfg", IMAGENET)
    return {key: torch.tensor(config[key], dtype=torch.float32) for key in ("mean", "std")}


def pixels(case: Case, generator: torch.Generator) -> torch.Tensor:
    """Images that are not mere noise: coarse patterns with fine ones over them."""
    shape = (IMAGES, 3, case.size, case.size)
    coarse = torch.randn(IMAGES, 3, 5, 5, generator=generator)
    coarse = torch.nn.functional.interpolate(coarse, shape[2:], mode="bilinear")
    images = 128 + 60 * coarse + 25 * torch.randn(shape, generator=generator)
    return images.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def normalized(images: torch.Tensor, scale: dict[str, torch.Tensor]) -> torch.Tensor:
    return ((images.double() / 255 - scale["mean"]) / scale["std"]).permute(0, 3, 1, 2)


def randomize(model: torch.nn.Module, case: Case, generator: torch.Generator) -> None:
    scale = normalization(model)
    for name, p in sorted(model.named_parameters()):
        noise = torch.randn(p.shape, generator=generator)
        if p.dim() >= 4:
            value = noise * (2.0 / p[0].numel()) ** 0.5
        elif p.dim() == 2:
            value = noise * (1.5 / p.shape[1]) ** 0.5
        elif p.dim() == 3:  # class token and positions
            value = 0.5 * noise
        elif name.endswith("bias"):
            value = 0.2 * noise
        else:
            value = 1.0 + 0.2 * noise
        p.copy_(value)
    for module in model.modules():
        if hasattr(module, "downsample"):  # a block of a ResNet
            getattr(module, "bn3", module.bn2).weight.mul_(BRANCH)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    for _ in range(BATCHES if norms else 0):
        model(normalized(pixels(case, generator), scale).float())
    model.eval()
    for tensor in model.state_dict().values():  # to what is stored
        if tensor.is_floating_point():
            tensor.copy_(tensor.to(case.dtype))


def save(model: torch.nn.Module, case: Case, folder: Path) -> None:
    if case.library == "transformers":
        model.to(case.dtype).save_pretrained(folder)
        return
    tensors = {n: t.contiguous() for n, t in model.state_dict().items()}
    tensors = {n: t.to(case.dtype) if t.is_floating_point() else t for n, t in tensors.items()}
    if case.library == "torchvision":
        save_file(tensors, folder / f"{case.architecture}.safetensors")
        return
    input_size = (3, case.size, case.size)
    save_for_hf(model, folder, safe_serialization=True, data_config={"input_size": input_size})
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def make_case(case: Case, root: Path, seed: int) -> None:
    folder = root / case.folder()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(seed)
    model = make_model(case)
    randomize(model, case, generator)
    save(model, case, folder)
    images, scale = pixels(case, generator), normalization(model)
    logits = model.double()(normalized(images, scale))
    logits = getattr(logits, "logits", logits).float()
    save_file({"pixels": images, "logits": logits, **scale},
              root / f"{case.folder()}.golden.safetensors")
    size = sum(p.stat().st_size for p in folder.iterdir())
    print(f"{case.folder()}: {size / 1024:.0f} KiB, logits {logits.std():.2f} sd, "
          f"between images {logits.std(0).mean():.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", default="", help="cases whose name contains this text")
    parser.add_argument("output", nargs="?", type=Path)
    arguments = parser.parse_args()
    if arguments.small:
        root = arguments.output or Path(__file__).parents[1] / "data" / "image_models"
    else:
        root = arguments.output or Path(os.environ.get("QE_GOLDEN_DIR")
                                        or tempfile.mkdtemp(prefix="qe-goldens-"))
    root.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    with torch.no_grad():
        for seed, case in enumerate(SMALL if arguments.small else FULL):
            if arguments.only in case.folder():
                make_case(case, root, 100 + seed)
    print(f"written to {root}")


if __name__ == "__main__":
    main()
