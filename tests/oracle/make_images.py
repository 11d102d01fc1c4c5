#!/usr/bin/env python3
"""Writes tests/data/images: small images of every variant that the decoders promise to read, and
what Pillow, torchvision and timm make of them. Everything is drawn from a fixed seed.

    python tests/oracle/make_images.py tests/data/images

Needs Pillow, numpy, safetensors, torch, torchvision and timm; made with Pillow 13.0.0, torchvision
0.29.2 and timm 1.0.31. expected.safetensors holds, for each file, NAME (Pillow's convert("RGB"),
HWC bytes) and, where it differs, NAME@upright (after ImageOps.exif_transpose); resize.safetensors
SIZE.FILTER of the file named in its metadata; preprocess.safetensors the input of the network
before normalization, for the cases listed in its metadata.
"""
import argparse
import io
import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps
from safetensors.numpy import save_file
from timm.data.transforms_factory import transforms_imagenet_eval

RESIZES = [(1, 1), (7, 5), (16, 16), (37, 23), (64, 3), (5, 80), (90, 70)]
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def picture(width, height, seed):
    """A smooth gradient with noise and hard edges, so that every decoder stage has work to do."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 255 / max(width - 1, 1), y * 255 / max(height - 1, 1),
                     (x + y) * 127 % 256], axis=-1)
    base += rng.normal(0, 12, base.shape)
    base[height // 3 : height // 2, width // 4 : width // 2] = (250, 10, 40)
    return np.clip(base, 0, 255).astype(np.uint8)


def exif(orientation, order="<"):
    """An EXIF block with the one tag, little or big endian."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + mark + struct.pack(order + "IH", 8, 1) + entry + struct.pack(order + "I", 0)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, rows, extra=b"", interlaced=False):
    """A PNG of raw rows: for the depths and types that Pillow does not write."""
    raw = b"".join(b"\0" + row for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
            + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def adam7(pixels):
    """Rows of the seven passes of 8-bit pixels [h, w, c]."""
    rows = []
    for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                           (1, 0, 2, 2), (0, 1, 1, 2)]:
        part = pixels[y0::dy, x0::dx]
        if part.size:
            rows += [row.tobytes() for row in part]
    return rows


def packed(values, depth):
    """Rows of `depth`-bit samples."""
    rows = []
    for row in values:
        bits = "".join(format(v, f"0{depth}b") for v in row)
        bits += "0" * (-len(bits) % 8)
        rows.append(bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)))
    return rows


def jpegs():
    rgb = Image.fromarray(picture(29, 21, 1))
    cmyk = Image.fromarray(np.dstack([picture(19, 13, 2), picture(19, 13, 3)[..., :1]]), "CMYK")
    files = {
        "444.jpg": (rgb, dict(quality=90, subsampling=0)),
        "422.jpg": (rgb, dict(quality=80, subsampling=1)),
        "420.jpg": (rgb, dict(quality=80, subsampling=2)),
        "progressive.jpg": (rgb, dict(quality=80, progressive=True)),
        "restart.jpg": (rgb, dict(quality=80, restart_marker_blocks=2)),
        "grey.jpg": (rgb.convert("L"), dict(quality=85)),
        "rgb.jpg": (rgb, dict(quality=90, keep_rgb=True)),
        "cmyk.jpg": (cmyk, dict(quality=90)),
        "1x1.jpg": (rgb.crop((0, 0, 1, 1)), dict()),
    }
    for orientation in range(0, 10):
        order = "<" if orientation % 2 else ">"
        files[f"orientation{orientation}.jpg"] = (
            rgb.crop((0, 0, 12, 7)), dict(quality=90, subsampling=0, exif=exif(orientation, order)))
    out = {}
    for name, (image, options) in files.items():
        stream = io.BytesIO()
        image.save(stream, "JPEG", **options)
        out[name] = stream.getvalue()
    # Adobe's marker with transform 2 makes the same four components YCCK.
    data = out["cmyk.jpg"]
    place = data.index(b"Adobe") + 11
    out["ycck.jpg"] = data[:place] + b"\x02" + data[place + 1 :]
    return out


def pngs():
    pixels = picture(15, 11, 4)
    rng = np.random.default_rng(5)
    grey16 = np.array([[0, 1, 254, 255, 256, 257, 4096, 32768, 65535]] * 2, np.uint16)
    wide = rng.integers(0, 65536, (5, 6, 4)).astype(">u2")
    palette = rng.integers(0, 256, (16, 3)).astype(np.uint8)
    plte = chunk(b"PLTE", palette.tobytes())
    alpha = np.dstack([pixels, rng.integers(0, 256, (11, 15)).astype(np.uint8)])
    rows8 = [row.tobytes() for row in pixels]
    orientation = chunk(b"eXIf", exif(6)[6:])
    out = {
        "rgb.png": png(15, 11, 8, 2, rows8),
        "rgba.png": png(15, 11, 8, 6, [row.tobytes() for row in alpha]),
        "interlaced.png": png(15, 11, 8, 2, adam7(pixels), interlaced=True),
        "grey_alpha.png": png(15, 11, 8, 4, [row.tobytes() for row in alpha[..., 2:]]),
        "grey16.png": png(9, 2, 16, 0, [row.astype(">u2").tobytes() for row in grey16]),
        "grey_alpha16.png": png(6, 5, 16, 4, [row[:, :2].tobytes() for row in wide]),
        "rgb16.png": png(6, 5, 16, 2, [row[:, :3].tobytes() for row in wide]),
        "rgba16.png": png(6, 5, 16, 6, [row.tobytes() for row in wide]),
        "rgb_transparent.png": png(
            15, 11, 8, 2, rows8, chunk(b"tRNS", struct.pack(">HHH", *map(int, pixels[0, 0])))),
        "gamma.png": png(
            15, 11, 8, 2, rows8,
            chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"tEXt", b"Title\0x")),
        "orientation6.png": png(15, 11, 8, 2, rows8, orientation),
        "1x1.png": png(1, 1, 8, 2, [b"\x01\x02\x03"]),
    }
    for depth in (1, 2, 4, 8):
        values = rng.integers(0, min(1 << depth, 16), (7, 13))
        out[f"palette{depth}.png"] = png(
            13, 7, depth, 3, packed(values, depth),
            chunk(b"PLTE", palette[: min(1 << depth, 16)].tobytes()))
        shades = rng.integers(0, 1 << depth, (7, 13))
        out[f"grey{depth}.png"] = png(13, 7, depth, 0, packed(shades, depth))
    # A pixel outside the palette is black.
    out["palette_outside.png"] = png(2, 1, 8, 3, [b"\0\x05"], chunk(b"PLTE", b"\1\2\3\4\5\6"))
    out["palette_transparent.png"] = png(
        13, 7, 4, 3, packed(rng.integers(0, 16, (7, 13)), 4),
        plte + chunk(b"tRNS", bytes(range(0, 160, 10))))
    return out


def webps():
    pixels = picture(27, 18, 6)
    rgb = Image.fromarray(pixels)
    rgba = Image.fromarray(np.dstack([pixels, pixels[..., 1]]))
    files = {
        "lossy.webp": (rgb, dict(quality=70)),
        "lossless.webp": (rgb, dict(lossless=True)),
        "lossy_alpha.webp": (rgba, dict(quality=70, exact=True)),
        "lossless_alpha.webp": (rgba, dict(lossless=True, exact=True)),
        "orientation8.webp": (rgb, dict(lossless=True, exif=exif(8))),
        "1x1.webp": (rgb.crop((0, 0, 1, 1)), dict(lossless=True)),
    }
    out = {}
    for name, (image, options) in files.items():
        stream = io.BytesIO()
        image.save(stream, "WEBP", **options)
        out[name] = stream.getvalue()
    return out


def refused():
    """Images that must be refused, by the name of their fault."""
    rgb = Image.fromarray(picture(9, 8, 7))
    frames = [Image.fromarray(picture(9, 8, s)) for s in (8, 9)]
    out = {}
    for kind in ("WEBP", "PNG"):
        stream = io.BytesIO()
        rgb.save(stream, kind, save_all=True, append_images=frames)
        out["animated." + kind.lower()] = stream.getvalue()
    stream = io.BytesIO()
    rgb.save(stream, "GIF")
    out["unknown.gif"] = stream.getvalue()
    out["huge.png"] = png(65535, 65535, 8, 2, [b""])
    out["zero.png"] = png(0, 5, 8, 2, [b""])
    out["sparse.png"] = png(9000, 9000, 8, 2, [b""])
    stream = io.BytesIO()
    rgb.save(stream, "JPEG")
    data = stream.getvalue()
    size = data.index(b"\xff\xc0") + 5
    for name, sides in [("huge.jpg", (65535, 65535)), ("zero.jpg", (0, 9)),
                        ("sparse.jpg", (9000, 9000))]:
        out[name] = data[:size] + struct.pack(">HH", *sides) + data[size + 4 :]
    return out


def write_decoding(folder):
    good = {**jpegs(), **pngs(), **webps()}
    # The content decides, not the extension.
    good["png_inside.jpg"] = good["rgb.png"]
    good["webp_inside.png"] = good["lossless.webp"]
    expected = {}
    for name, data in good.items():
        (folder / name).write_bytes(data)
        image = Image.open(io.BytesIO(data))
        expected[name] = np.array(image.convert("RGB"))
        turned = np.array(ImageOps.exif_transpose(image).convert("RGB"))
        if not np.array_equal(turned, expected[name]):
            expected[name + "@upright"] = turned
    save_file(expected, folder / "expected.safetensors")
    (folder / "refused").mkdir(exist_ok=True)
    for name, data in refused().items():
        (folder / "refused" / name).write_bytes(data)


def write_resizes(folder):
    image = Image.open(folder / "444.jpg").convert("RGB")
    tensors = {f"{w}x{h}.{name}": np.array(image.resize((w, h), code))
               for w, h in RESIZES for name, code in FILTERS.items()}
    save_file(tensors, folder / "resize.safetensors", {"file": "444.jpg"})


def write_preprocessing(folder):
    """Geometry: odd and even margins, both aspects, enlarging and reducing, square and not."""
    cases, tensors = [], {}
    for width, height in [(29, 21), (21, 29), (40, 40), (33, 97), (8, 50), (16, 17)]:
        image = Image.fromarray(picture(width, height, 11))
        source = f"{width}x{height}"
        tensors["source." + source] = np.array(image)
        for size in [(16, 16), (17, 17), (14, 23)]:
            for crop in (0.9, 1.0):
                for mode in ("center", "squash"):
                    for filter_name in FILTERS:
                        name = f"{source}.{len(cases)}"
                        transform = transforms_imagenet_eval(
                            size, crop, mode, interpolation=filter_name, normalize=False)
                        tensors[name] = transform(image).permute(1, 2, 0).contiguous().numpy()
                        cases.append({"name": name, "source": source,
                                      "config": {"input_size": [3, *size], "crop_pct": crop,
                                                 "crop_mode": mode, "interpolation": filter_name}})
    save_file(tensors, folder / "preprocess.safetensors", {"cases": json.dumps(cases)})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    write_decoding(folder)
    write_resizes(folder)
    write_preprocessing(folder)


if __name__ == "__main__":
    main()
