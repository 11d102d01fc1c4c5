"""The inputs of a comparison on images: pixels as the peers take them, F32 [B, 3, H, W], already
normalized. Decoding, resizing and normalization happen here, before any clock starts."""

import csv
from pathlib import Path

import numpy as np

from models import image_settings


def random_images(count: int, size: int) -> list[np.ndarray]:
    """Normalized noise, F32 [3, size, size]: speed does not depend on the values."""
    rng = np.random.default_rng(7)
    return list(rng.standard_normal((count, 3, size, size), dtype=np.float32))


def image_batch(images: list[np.ndarray], channels_last: bool = False) -> np.ndarray:
    """[B, 3, H, W]; with `channels_last` the same shape over memory ordered [B, H, W, 3]."""
    batch = np.stack(images)
    if channels_last:
        batch = np.ascontiguousarray(batch.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    return batch


def calibration_images(model_dir: str, data: str, samples: int) -> list[tuple[np.ndarray]]:
    """The first `samples` images of a TSV (column `image`, relative to its folder), one a batch."""
    from PIL import Image
    from timm.data import create_transform

    transform = create_transform(**image_settings(model_dir), is_training=False)
    with open(data, encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))[:samples]
    paths = [Path(data).parent / row["image"] for row in rows]
    return [(transform(Image.open(path).convert("RGB")).numpy()[None],) for path in paths]
