"""Records the gradients of LLaVA's next-token loss by torch: test/goldens/llava15 → test/goldens/llava15_gradients.

The loss is the mean cross entropy of every token of the recorded run `chat` that is no image token, given those before it.
"""
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import LlavaForConditionalGeneration

GOLDENS = Path(__file__).resolve().parents[2] / "test" / "goldens"
IGNORED = -100

source = GOLDENS / "llava15"
recorded = load_file(source / "reference.safetensors")
model = LlavaForConditionalGeneration.from_pretrained(source, attn_implementation="eager").float().eval()

input_ids = recorded["chat.inputs.input_ids"]
labels = torch.full_like(input_ids, IGNORED)
labels[0, :-1] = input_ids[0, 1:]
labels[labels == model.config.image_token_id] = IGNORED

logits = model(
    input_ids=input_ids,
    pixel_values=recorded["chat.inputs.pixel_values"],
    attention_mask=recorded["chat.inputs.attention_mask"],
).logits
loss = torch.nn.functional.cross_entropy(logits[0], labels[0], ignore_index=IGNORED)
loss.backward()

# Names as in the file, which 4.x wrote: the model's own are those of 5.x.
IN_FILE = [
    ("model.vision_tower.", "vision_tower.vision_model."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
    ("model.language_model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
]


def in_file(name: str) -> str:
    for own, written in IN_FILE:
        if name.startswith(own):
            return written + name[len(own):].removeprefix("vision_model.")
    raise ValueError(f"{name} has no name in the file")


tensors = {"labels": labels[0].to(torch.int32), "loss": loss.detach().reshape(1)}
for name, parameter in model.named_parameters():
    if parameter.grad is not None and parameter.grad.abs().max() > 0:
        tensors[f"grad.{in_file(name)}"] = parameter.grad.contiguous()

target = GOLDENS / "llava15_gradients"
target.mkdir(exist_ok=True)
save_file(tensors, target / "reference.safetensors")
versions = {"torch": torch.__version__, "transformers": __import__("transformers").__version__}
(target / "reference.json").write_text(json.dumps({"loss": loss.item(), "versions": versions}, indent=1) + "\n")
print(f"loss {loss.item():.6f}, {len(tensors) - 2} gradients")
