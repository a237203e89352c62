"""Writes tilings.json: how transformers' image processors cut pictures of many sizes into tiles.

Run with transformers 5.23, torch, Pillow 13 and numpy; the tests need only the JSON. Pixels are left as 8-bit levels, and
a hash of all tiles in a row stands for them.
"""

import hashlib
import json
import pathlib

import numpy as np
import PIL
import transformers
from PIL import Image
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

random = np.random.default_rng(5)
LEVELS = {"do_rescale": False, "do_normalize": False}
PATCH = 4


def pattern(width: int, height: int) -> Image.Image:
    """Every test draws it again from this formula."""
    y, x, channel = np.mgrid[0:height, 0:width, 0:3]
    return Image.fromarray(((x * 37 + y * 101 + channel * 59 + x * y * 7 + (x ^ y) * 13) % 256).astype(np.uint8))


def sizes(count: int) -> list[tuple[int, int]]:
    return [tuple(int(size) for size in pair) for pair in np.exp(random.uniform(0.7, np.log(150), (count, 2)))]


def digest(tiles: np.ndarray) -> dict:
    levels = np.ascontiguousarray(tiles).astype(np.uint8)
    return {"tiles": list(levels.shape[-4:]), "sha256": hashlib.sha256(levels.tobytes()).hexdigest()}


def bare(processor_class, image_processor, **fields):
    """A processor without its tokenizer, of which counting tokens needs nothing."""
    processor = processor_class.__new__(processor_class)
    for name, value in {"image_processor": image_processor, **fields}.items():
        setattr(processor, name, value)
    return processor


def splits() -> list[dict]:
    entries = []
    for model_type, cls in [("smolvlm", SmolVLMImageProcessorPil), ("idefics3", Idefics3ImageProcessorPil)]:
        for width, height in sizes(18):
            side = int(random.choice([8, 12, 16]))
            config = {
                "size": {"longest_edge": int(random.integers(8, 60))},
                "max_image_size": {"longest_edge": side},
                "resample": int(random.choice([1, 2, 3])),
                "do_image_splitting": bool(random.random() < 0.85),
                "do_resize": bool(random.random() < 0.85),
                **LEVELS,
            }
            done = cls(**config)(pattern(width, height), return_tensors="np", return_row_col_info=True)
            grid = [int(done["rows"][0][0]), int(done["cols"][0][0])]
            entries.append(
                {
                    "modelType": model_type,
                    "config": config,
                    "size": [height, width],
                    "grid": grid,
                    **digest(done["pixel_values"][0]),
                }
            )
    return entries


def pinpoints(side: int) -> list[list[int]]:
    grids = [[1, 1], [1, 2], [2, 1], [2, 2], [1, 3], [3, 1], [2, 3], [3, 2]]
    count = int(random.integers(2, len(grids) + 1))
    return [[side * rows, side * columns] for rows, columns in random.permutation(grids)[:count].tolist()]


def next_tilings() -> list[dict]:
    entries = []
    for width, height in sizes(24):
        side = int(random.choice([8, 12, 16]))
        config = {
            "size": {"shortest_edge": side},
            "crop_size": {"height": side, "width": side},
            "image_grid_pinpoints": pinpoints(side),
            "resample": int(random.choice([1, 2, 3])),
            **LEVELS,
        }
        image_processor = LlavaNextImageProcessorPil(**config)
        done = image_processor(pattern(width, height), return_tensors="np")
        processor = bare(
            LlavaNextProcessor,
            image_processor,
            patch_size=PATCH,
            num_additional_image_tokens=1,
            vision_feature_select_strategy="default",
        )
        tokens = processor._get_number_of_features(height, width, side, side) - 1
        entries.append(
            {
                "modelType": "llava_next",
                "config": config,
                "size": [height, width],
                "tokens": tokens,
                **digest(done["pixel_values"][0]),
            }
        )
    return entries


def onevision_tilings() -> list[dict]:
    entries = []
    for i, (width, height) in enumerate(sizes(32)):
        side = int(random.choice([8, 12, 16]))
        aspect_ratio = f"anyres_max_{int(random.choice([1, 2, 4, 9]))}"
        together = i % 4 == 3
        config = {
            "size": {"height": side, "width": side},
            "image_grid_pinpoints": pinpoints(side),
            "resample": int(random.choice([1, 2, 3])),
            **LEVELS,
        }
        image_processor = LlavaOnevisionImageProcessorPil(**config)
        picture = pattern(width, height)
        done = image_processor([[picture, picture]] if together else [picture], return_tensors="np")
        processor = bare(
            LlavaOnevisionProcessor,
            image_processor,
            num_image_tokens=(side // PATCH) ** 2,
            image_token="x",
            vision_aspect_ratio=aspect_ratio,
            vision_feature_select_strategy="full",
        )
        tokens = len(processor.replace_image_token(done, 0))
        entries.append(
            {
                "modelType": "llava_onevision",
                "config": config,
                "aspectRatio": aspect_ratio,
                "together": together,
                "size": [height, width],
                "tokens": tokens,
                **digest(done["pixel_values"][0]),
            }
        )
    return entries


entries = [*splits(), *next_tilings(), *onevision_tilings()]
lines = ",\n".join(json.dumps(entry) for entry in entries)
versions = {"transformers": transformers.__version__, "pillow": PIL.__version__}
text = f'{{"versions": {json.dumps(versions)}, "tilings": [\n{lines}\n]}}\n'
pathlib.Path(__file__).with_suffix(".json").write_text(text)
