"""Exports and quantizes one model for one peer into a cache folder, in a process of its own
so that the memory it takes is in nobody's figures. Done once; see compare.py --cache."""

import argparse
import hashlib
import importlib
import logging
from pathlib import Path

from images import calibration_images
from models import is_image_model
from workloads import calibration_arrays


def cache_folder(root: Path, model_dir: str, seq_len: int) -> Path:
    """A folder named by the contents of the model directory and the calibration length."""
    digest = hashlib.sha256(str(seq_len).encode())
    for path in sorted(Path(model_dir).iterdir()):
        if path.suffix in (".json", ".safetensors"):
            digest.update(path.name.encode())
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    folder = root / f"{Path(model_dir).name}-{digest.hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--mode", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--calibration", required=True, help="TSV with a column text or image")
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--seq-len", type=int, default=0, help="join texts to this many tokens")
    arguments = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)

    def calibration():
        data, count = arguments.calibration, arguments.samples
        if is_image_model(arguments.model):
            return calibration_images(arguments.model, data, count)
        return calibration_arrays(arguments.model, data, count, arguments.seq_len)

    peer = importlib.import_module(f"peer_{arguments.engine}")
    peer.prepare(arguments.model, arguments.folder, arguments.mode, calibration)


if __name__ == "__main__":
    main()
