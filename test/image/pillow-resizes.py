"""Writes pillow-resizes.json: hashes of a fixed pattern resized by Pillow between random sizes.

Run with Pillow 13 and numpy; the tests need only the JSON.
"""

import hashlib
import json
import pathlib

import numpy as np
import PIL
from PIL import Image

FILTERS = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]
random = np.random.default_rng(11)


def pattern(width: int, height: int) -> np.ndarray:
    """Every test draws it again from this formula."""
    y, x, channel = np.mgrid[0:height, 0:width, 0:3]
    return ((x * 37 + y * 101 + channel * 59 + x * y * 7 + (x ^ y) * 13) % 256).astype(np.uint8)


def entry(sizes: np.ndarray, code: int) -> dict:
    in_width, in_height, out_width, out_height = (int(size) for size in sizes)
    image = Image.fromarray(pattern(in_width, in_height)).resize((out_width, out_height), code)
    return {
        "filter": FILTERS[code],
        "from": [in_width, in_height],
        "to": [out_width, out_height],
        "sha256": hashlib.sha256(image.tobytes()).hexdigest(),
    }


def log_uniform(count: int) -> np.ndarray:
    return np.exp(random.uniform(0, np.log(400), count)).astype(int)


resizes = [entry(log_uniform(4), code) for code in range(6) for _ in range(20)]
lines = ",\n".join(json.dumps(item) for item in resizes)
text = f'{{"pillow": "{PIL.__version__}", "resizes": [\n{lines}\n]}}\n'
pathlib.Path(__file__).with_suffix(".json").write_text(text)
