"""Records checkpoints of families that cut pictures into tiles: test/goldens/{llava_next,llava_onevision_clip,idefics3,smolvlm_video}.

Between them they have what the other goldens of these families lack: files as transformers 5.x writes them, CLIP under
OneVision, several feature layers, Mistral's window, a shrunk picture, pictures of one conversation, tiles that are not of
the tower's own size, a video of SmolVLM. Tokenizers and pictures come from those other goldens. Random weights are drawn
anew until the best token leads by enough everywhere.

Run with transformers 5.23, torch, torchvision, Pillow 13 and num2words.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
import transformers as hf
from PIL import Image
from safetensors.torch import save_file
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.smolvlm.processing_smolvlm import DEFAULT_CHAT_TEMPLATE as SMOLVLM_VIDEO_TEMPLATE
from transformers.video_utils import VideoMetadata

GOLDENS = Path(__file__).resolve().parents[2] / "test" / "goldens"
MIN_LEAD = 0.02
NEW_TOKENS = 24
TEXT = {"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "max_position_embeddings": 1024}
TOWER = {"hidden_size": 40, "intermediate_size": 64, "num_attention_heads": 4}
FRAMES = [f"video_0_frame_{i}.png" for i in range(4)]


def draw(model, seed):
    generator = torch.Generator().manual_seed(seed)

    def normal(parameter):
        return torch.randn(parameter.shape, generator=generator)

    for name, parameter in model.named_parameters():
        fan_in = int(np.prod(parameter.shape[1:])) or 1
        if parameter.ndim == 1:
            is_scale = "norm" in name and name.endswith("weight")
            parameter.data = (1 if is_scale else 0) + 0.1 * normal(parameter)
        else:
            parameter.data = normal(parameter) * (1 if "embed" in name else 1.6 / fan_in**0.5)
    return model.to(torch.bfloat16)


def inputs_of(processor, folder, run):
    template = {"chat_template": SMOLVLM_VIDEO_TEMPLATE} if run.get("video") and run["family"] == "smolvlm" else {}
    text = processor.apply_chat_template(run["messages"], add_generation_prompt=True, tokenize=False, **template)
    parts = [part for message in run["messages"] for part in message["content"]]
    pictures = [Image.open(folder / part["image"]).convert("RGB") for part in parts if part["type"] == "image"]
    media = {}
    if pictures:
        media["images"] = [pictures] if run["together"] else pictures
    if run.get("video"):
        frames = np.stack([np.array(Image.open(folder / name).convert("RGB")) for name in run["video"]["frames"]])
        fps = run["video"]["fps"]
        metadata = VideoMetadata(
            total_num_frames=len(frames), fps=fps, duration=len(frames) / fps, frames_indices=list(range(len(frames)))
        )
        media |= {"videos": [frames], "video_metadata": [metadata], "do_sample_frames": False}
    bos = processor.tokenizer.bos_token
    special = not (bos and text.startswith(bos))
    return processor(text=text, return_tensors="pt", add_special_tokens=special, **media)


def record(model, inputs):
    """Features, logits and the greedy answer, and by how much its tokens lead."""
    recorded = {f"inputs.{name}": value for name, value in inputs.items()}
    pictures = {
        name: inputs[name]
        for name in ("pixel_values", "image_sizes", "batch_num_images", "pixel_attention_mask")
        if name in inputs
    }
    if pictures:
        output = model.model.get_image_features(**pictures)
        is_split = hasattr(model.config, "scale_factor")
        name = "projector.output" if is_split else "projector.output_packed"
        recorded[name] = torch.cat(list(output.pooler_output), 0)
        if is_split:
            recorded["vision.last_hidden_state"] = output.last_hidden_state
    if "pixel_values_videos" in inputs:
        output = model.model.get_video_features(inputs["pixel_values_videos"])
        recorded["projector.output_pooled"] = output.pooler_output
    recorded["logits"] = model(**inputs).logits
    answer = model.generate(
        **inputs,
        do_sample=False,
        max_new_tokens=NEW_TOKENS,
        output_logits=True,
        return_dict_in_generate=True,
    )
    recorded["generated.logits"] = torch.stack(answer.logits, dim=1)
    top = recorded["generated.logits"][0].topk(2).values
    ids = answer.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    return recorded, ids, (top[:, 0] - top[:, 1]).min().item()


def make(name, source, model_class, config, processor, runs, frames_from=None):
    folder = GOLDENS / name
    shutil.rmtree(folder, ignore_errors=True)
    for seed in range(1000):
        model = draw(model_class(config).eval(), seed)
        model.generation_config.eos_token_id = model.generation_config.pad_token_id = 2
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        for picture in {part["image"] for run in runs for m in run["messages"] for part in m["content"] if "image" in part}:
            shutil.copy(GOLDENS / source / picture, folder)
        if any(run.get("video") for run in runs):
            for frame in FRAMES:
                shutil.copy(GOLDENS / (frames_from or source) / frame, folder)
        model = model_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        tensors, described, leads, varied = {}, [], [], []
        with torch.no_grad():
            for run in runs:
                recorded, ids, lead = record(model, inputs_of(processor, folder, run))
                tensors |= {f"{run['name']}.{stage}": tensor for stage, tensor in recorded.items()}
                text = processor.tokenizer.decode(ids, skip_special_tokens=True)
                kept = {field: run[field] for field in ("name", "messages", "video") if run.get(field)}
                described.append({**kept, "generated_ids": ids, "generated_text": text, "smallest_lead": lead})
                leads.append(lead)
                varied.append(len(ids) == NEW_TOKENS and len(set(ids)) > NEW_TOKENS // 3)
        if min(leads) >= MIN_LEAD and all(varied):
            break
    if hasattr(model.model, "image_newline"):
        tensors["image_newline"] = model.model.image_newline
    save_file({stage: tensor.detach().contiguous().clone() for stage, tensor in tensors.items()}, folder / "reference.safetensors")
    versions = {"transformers": hf.__version__, "torch": torch.__version__}
    reference = {"class": model_class.__name__, "seed": seed, "versions": versions, "runs": described}
    (folder / "reference.json").write_text(json.dumps(reference, indent=1))
    print(name, "seed", seed, "leads", [round(lead, 3) for lead in leads])


def run(name, *parts, family="llava", together=False, fps=None):
    content = [
        {"type": "video"} if part == "video" else {"type": "image", "image": part} if part.endswith(".png") else {"type": "text", "text": part}
        for part in parts
    ]
    video = {"frames": FRAMES, "fps": fps} if fps else None
    messages = [{"role": "user", "content": content}]
    return {"name": name, "messages": messages, "video": video, "family": family, "together": together}


def tokenizer(golden):
    return hf.AutoTokenizer.from_pretrained(GOLDENS / golden)


def template(golden):
    file = GOLDENS / golden / "chat_template.jinja"
    if file.exists():
        return file.read_text()
    return json.loads((GOLDENS / golden / "chat_template.json").read_text())["chat_template"]


def llava_next():
    pinpoints = [[24, 48], [48, 24], [48, 48], [72, 24], [24, 72]]
    config = hf.LlavaNextConfig(
        text_config=hf.MistralConfig(**TEXT, num_attention_heads=6, num_key_value_heads=3, vocab_size=512, sliding_window=24),
        vision_config=hf.CLIPVisionConfig(**TOWER, num_hidden_layers=4, image_size=24, patch_size=8),
        vision_feature_layer=[-2, 1],
        image_grid_pinpoints=pinpoints,
        image_token_index=482,
    )
    images = LlavaNextImageProcessorPil(
        size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24}, image_grid_pinpoints=pinpoints
    )
    processor = hf.LlavaNextProcessor(
        images,
        tokenizer("llava_next_video"),
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template("llava_next_video"),
    )
    runs = [run("image", "image_0.png", "What is it?"), run("two_images", "image_0.png", "image_0.png", "Compare.")]
    make("llava_next", "llava_next_video", hf.LlavaNextForConditionalGeneration, config, processor, runs)


def llava_onevision_clip():
    pinpoints = [[28, 56], [56, 28], [56, 56], [84, 28], [28, 84], [84, 56]]
    config = hf.LlavaOnevisionConfig(
        text_config=hf.LlamaConfig(**TEXT, num_attention_heads=4, num_key_value_heads=2, vocab_size=416),
        vision_config=hf.CLIPVisionConfig(**TOWER, num_hidden_layers=3, image_size=28, patch_size=4),
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        image_grid_pinpoints=pinpoints,
        vision_aspect_ratio="anyres_max_1",
        image_token_index=404,
        video_token_index=405,
    )
    processor = hf.LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessorPil(size={"height": 28, "width": 28}, image_grid_pinpoints=pinpoints, resample=2),
        tokenizer("llava_onevision"),
        hf.LlavaOnevisionVideoProcessor(size={"height": 28, "width": 28}),
        num_image_tokens=50,
        vision_feature_select_strategy="default",
        vision_aspect_ratio="anyres_max_1",
        chat_template=template("llava_onevision"),
    )
    runs = [
        run("image", "image_0.png", "What is it?"),
        run("conversation", "image_0.png", "image_1.png", "Compare.", together=True),
        run("video", "video", "What happens?", fps=1.0),
    ]
    make("llava_onevision_clip", "llava_onevision", hf.LlavaOnevisionForConditionalGeneration, config, processor, runs)


def idefics3():
    config = hf.Idefics3Config(
        text_config=hf.MistralConfig(**TEXT, num_attention_heads=6, num_key_value_heads=2, vocab_size=448, sliding_window=None),
        vision_config={**TOWER, "num_hidden_layers": 2, "image_size": 48, "patch_size": 8},
        scale_factor=2,
        image_token_id=423,
    )
    processor = hf.Idefics3Processor(
        Idefics3ImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32}),
        tokenizer("smolvlm"),
        image_seq_len=4,
        chat_template=template("smolvlm"),
    )
    runs = [run("image", "image_0.png", "What is it?")]
    make("idefics3", "smolvlm", hf.Idefics3ForConditionalGeneration, config, processor, runs)


def smolvlm_video():
    config = hf.SmolVLMConfig(
        text_config=hf.LlamaConfig(**TEXT, num_attention_heads=6, num_key_value_heads=2, vocab_size=448),
        vision_config={**TOWER, "num_hidden_layers": 2, "image_size": 24, "patch_size": 4},
        scale_factor=3,
        image_token_id=423,
    )
    processor = hf.SmolVLMProcessor(
        SmolVLMImageProcessorPil(size={"longest_edge": 72}, max_image_size={"longest_edge": 24}),
        tokenizer("smolvlm"),
        hf.SmolVLMVideoProcessor(size={"longest_edge": 48}, max_image_size={"longest_edge": 24}, num_frames=64, fps=1),
        image_seq_len=4,
        chat_template=template("smolvlm"),
    )
    runs = [run("video", "video", "What happens?", family="smolvlm", fps=1.0)]
    make("smolvlm_video", "smolvlm", hf.SmolVLMForConditionalGeneration, config, processor, runs, "llava_next_video")


for record_golden in (llava_next, llava_onevision_clip, idefics3, smolvlm_video):
    record_golden()
