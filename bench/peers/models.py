"""Model directories as the peers load them: Hugging Face text classifiers and timm image
classifiers (torchvision's where timm has none), in FP32, from arrays to logits."""

import json
from pathlib import Path

TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
IMAGE_INPUTS = ("pixels",)


def read_config(model_dir: str) -> dict:
    return json.loads((Path(model_dir) / "config.json").read_text())


def is_image_model(model_dir: str) -> bool:
    """timm names its architecture; Hugging Face lists them under another key."""
    return "architecture" in read_config(model_dir)


def input_names(model_dir: str) -> tuple[str, ...]:
    return IMAGE_INPUTS if is_image_model(model_dir) else TEXT_INPUTS


def image_settings(model_dir: str) -> dict:
    """Input size, mean, std ... of the directory; torchvision's for ImageNet where it is silent."""
    defaults = {"input_size": [3, 224, 224], "interpolation": "bilinear", "crop_pct": 0.875,
                "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    given = read_config(model_dir).get("pretrained_cfg", {})
    return {key: given.get(key, value) for key, value in defaults.items()}


def transformer_shape(model_dir: str) -> tuple[str, int, int] | None:
    """Family, heads and width, as fusing needs them; None for a convolutional network."""
    config = read_config(model_dir)
    if not is_image_model(model_dir):
        return "bert", config["num_attention_heads"], config["hidden_size"]
    if not config["architecture"].startswith("vit"):
        return None
    model = _image_model(model_dir)
    return "vit", model.blocks[0].attn.num_heads, model.embed_dim


def load_module(model_dir: str, attention: str = "sdpa"):
    """A torch module from the tensors of input_names(), in order, to the logits."""
    load = _image_model if is_image_model(model_dir) else _text_model
    return load(model_dir, attention).eval()


def _text_model(model_dir: str, attention: str = "sdpa"):
    import torch
    from transformers import AutoModelForSequenceClassification

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = AutoModelForSequenceClassification.from_pretrained(
                model_dir, dtype=torch.float32, attn_implementation=attention
            )

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).logits

    return Logits()


def _image_model(model_dir: str, attention: str = "sdpa"):
    import timm
    import torchvision
    from safetensors.torch import load_file

    config = read_config(model_dir)
    name, labels = config["architecture"], config["num_classes"]
    if timm.is_model(name):
        model = timm.create_model(name, num_classes=labels, **config.get("model_args", {}))
    else:
        model = torchvision.models.get_model(name, weights=None, num_classes=labels)
    if attention == "eager":  # written out, for exports to formats without the fused operator
        for module in model.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = False
    state = load_file(Path(model_dir) / "model.safetensors")
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"{model_dir}: missing {missing}, unexpected {unexpected}")
    return model.float()
