"""Writes qwen-vl-inputs.json: what transformers' processors of Qwen-VL make of pictures and videos of many sizes.

Run with transformers 5.23, torch, torchvision, Pillow 13 and numpy; the tests need only the JSON. Hashes stand for pixel
values and positions; in texts, a number in braces stands for as many placeholders.
"""

import functools
import hashlib
import json
import pathlib
import re
import types

import numpy as np
import PIL
import torch
import transformers
from PIL import Image
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLModel
from transformers.models.qwen2_vl.processing_qwen2_vl import Qwen2VLProcessor
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLModel
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

random = np.random.default_rng(17)
FAMILIES = {
    "qwen2_vl": (Qwen2VLVideoProcessor, Qwen2VLProcessor, Qwen2VLModel),
    "qwen2_5_vl": (Qwen2VLVideoProcessor, Qwen2_5_VLProcessor, Qwen2_5_VLModel),
    "qwen3_vl": (Qwen3VLVideoProcessor, Qwen3VLProcessor, Qwen3VLModel),
}
IMAGE, VIDEO = "<image>", "<video>"
TEXT = f"Here {VIDEO} and {IMAGE} are."


def pattern(width: int, height: int, frame: int = 0) -> np.ndarray:
    """Every test draws it again from this formula."""
    y, x, channel = np.mgrid[0:height, 0:width, 0:3]
    return ((x * 37 + y * 101 + channel * 59 + x * y * 7 + (x ^ y) * 13 + frame * 29) % 256).astype(np.uint8)


def sizes(lowest: int, highest: int) -> list[int]:
    return [int(size) for size in np.exp(random.uniform(np.log(lowest), np.log(highest), 2))]


def digest(array) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def sampling(family: str) -> dict:
    options = [
        {"do_sample_frames": False},
        {"do_sample_frames": True, "fps": float(random.choice([0.7, 1, 2.5]))},
        {"do_sample_frames": True, "fps": 3, "max_frames": 6, "min_frames": 3},
        {"do_sample_frames": True, "num_frames": int(random.integers(4, 8)), "fps": None},
        {},
    ]
    chosen = dict(options[random.integers(len(options))])
    # Qwen3VLVideoProcessor takes a number of frames from the call alone.
    if family == "qwen3_vl" and "num_frames" in chosen:
        chosen = {"do_sample_frames": True, "fps": 2}
    if random.random() < 0.25:
        chosen["cap_pixels_per_frame"] = True
        chosen["max_video_tokens"] = int(random.integers(8, 40))
    return chosen


def entry(family: str) -> dict:
    video_class, processor_class, model_class = FAMILIES[family]
    patch, merge, temporal = (int(random.choice(choices)) for choices in ([3, 4, 5], [1, 2, 3], [1, 2, 2, 3]))
    patches = {"patch_size": patch, "merge_size": merge, "temporal_patch_size": temporal}
    least = int(random.integers(1, 5)) * (patch * merge) ** 2
    size = {"shortest_edge": least, "longest_edge": least * int(random.integers(4, 12))}
    image_config = {**patches, "size": size, "resample": int(random.choice([2, 3]))}
    frames_bound = size if family != "qwen3_vl" else {**size, "longest_edge": size["longest_edge"] * 6}
    video_config = {**patches, "size": frames_bound, "resample": int(random.choice([2, 3])), **sampling(family)}
    width, height = sizes(8, 120)
    video_width, video_height = sizes(9, 70)
    frames = int(random.integers(7, 13))
    fps = float(random.choice([3, 5, 7.5, 24, 29.97]))

    image_processor = Qwen2VLImageProcessorPil(**image_config)
    video_processor = video_class(**video_config)
    images = image_processor([Image.fromarray(pattern(width, height))], return_tensors="pt")
    clip = np.stack([pattern(video_width, video_height, frame) for frame in range(frames)])
    metadata = [{"total_num_frames": frames, "fps": fps, "duration": frames / fps, "frames_indices": list(range(frames))}]
    videos = video_processor([clip], video_metadata=metadata, return_tensors="pt", return_metadata=True)

    processor = processor_class.__new__(processor_class)
    processor.image_processor, processor.video_processor = image_processor, video_processor
    processor.image_token, processor.video_token = IMAGE, VIDEO
    processor.vision_start_token, processor.vision_end_token = "<|vision_start|>", "<|vision_end|>"
    sampled_fps = videos["video_metadata"][0].sampled_fps
    text = TEXT.replace(IMAGE, processor.replace_image_token(images, 0))
    text = text.replace(VIDEO, processor.replace_video_token(videos, 0))

    tokens = re.findall(f"{IMAGE}|{VIDEO}|.", text)
    kinds = torch.tensor([[{IMAGE: 1, VIDEO: 2}.get(token, 0) for token in tokens]])
    model = types.SimpleNamespace(
        config=types.SimpleNamespace(
            vision_config=types.SimpleNamespace(spatial_merge_size=merge, tokens_per_second=5)
        )
    )
    model.get_vision_position_ids = functools.partial(model_class.get_vision_position_ids, model)
    clock = {"second_per_grid_ts": torch.tensor([temporal / sampled_fps])} if family == "qwen2_5_vl" else {}
    positions, delta = model_class.get_rope_index(
        model, kinds, kinds, images["image_grid_thw"], videos["video_grid_thw"], **clock
    )
    return {
        "modelType": family,
        "patches": patches,
        "imageProcessor": image_config,
        "videoProcessor": video_config,
        "picture": [width, height],
        "video": {"size": [video_width, video_height], "frames": frames, "fps": fps},
        "imageGrid": images["image_grid_thw"][0].tolist(),
        "videoGrid": videos["video_grid_thw"][0].tolist(),
        "imageValues": digest(images["pixel_values"].numpy()),
        "videoValues": digest(videos["pixel_values_videos"].numpy()),
        "text": re.sub(f"({IMAGE}|{VIDEO})+", lambda run: f"{{{len(run[0]) // len(IMAGE)}}}", text),
        "positions": digest(positions.numpy().astype(np.int32)),
        "delta": int(delta),
    }


inputs = [entry(family) for family in FAMILIES for _ in range(16)]
versions = {"transformers": transformers.__version__, "torch": torch.__version__, "pillow": PIL.__version__}
text = json.dumps({"versions": versions, "inputs": inputs}, indent=2)
pathlib.Path(__file__).with_suffix(".json").write_text(text + "\n")
