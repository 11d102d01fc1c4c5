#!/usr/bin/env python3
"""Compares the pixels of real images with Pillow's, and, given a timm model's config.json, the
network's input with timm's evaluation transform. Prints for each set how many images are equal byte
for byte and the largest difference of a byte; fails if one is above 1.

    python tests/oracle/check_images.py build/release/tests/image/decode_files \\
        [--config CONFIG_JSON] [--every N] FOLDER_OR_FILE...

Needs Pillow and numpy; --config also torch, torchvision and timm.
"""
import argparse
import json
import pathlib
import struct
import subprocess
import sys

import numpy as np
from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def files_below(path, every):
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)[::every]


def decoded(program, config, files):
    """The images that the program makes of the files; None for one it refuses."""
    command = [program] + ([config] if config else [])
    names = "".join(f"{file}\n" for file in files)
    out = subprocess.run(command, input=names.encode(), stdout=subprocess.PIPE, check=True).stdout
    place = 0
    for _ in files:
        width, height = struct.unpack_from("<II", out, place)
        pixels = np.frombuffer(out, np.uint8, width * height * 3, place + 8)
        place += 8 + pixels.size
        yield pixels.reshape(height, width, 3) if width else None


def expectation(config):
    if not config:
        return np.asarray
    from timm.data.transforms_factory import transforms_imagenet_eval
    cfg = json.loads(pathlib.Path(config).read_text())["pretrained_cfg"]
    transform = transforms_imagenet_eval(
        cfg["input_size"][1:], cfg["crop_pct"], cfg.get("crop_mode"),
        interpolation=cfg["interpolation"], normalize=False)
    return lambda image: transform(image).permute(1, 2, 0).numpy()


def compare(program, config, path, every):
    files = files_below(path, every)
    expected = expectation(config)
    equal, largest = 0, 0
    for file, ours in zip(files, decoded(program, config, files)):
        theirs = expected(Image.open(file).convert("RGB"))
        if ours is None or ours.shape != theirs.shape:
            print(f"{file}: refused or of another size", file=sys.stderr)
            largest = 256
            continue
        difference = int(np.abs(ours.astype(int) - theirs).max())
        equal += difference == 0
        largest = max(largest, difference)
    print(f"{path}: {len(files)} images, {equal} equal, largest difference {largest}")
    return largest


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("paths", type=pathlib.Path, nargs="+")
    parser.add_argument("--config")
    parser.add_argument("--every", type=int, default=1, help="take every Nth file of a folder")
    args = parser.parse_args()
    worst = max(compare(args.program, args.config, path, args.every) for path in args.paths)
    sys.exit(worst > 1)


if __name__ == "__main__":
    main()
