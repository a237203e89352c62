"""Records the gradients of CLIP's contrastive loss by torch: test/goldens/clip → test/goldens/clip_gradients.

The loss is the model's own (return_loss) on the first three pairs of the recorded inputs.
"""
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPModel

GOLDENS = Path(__file__).resolve().parents[2] / "test" / "goldens"
PAIRS = 3

source = GOLDENS / "clip"
recorded = load_file(source / "reference.safetensors")
model = CLIPModel.from_pretrained(source, attn_implementation="eager").float().eval()

loss = model(
    input_ids=recorded["inputs.input_ids"][:PAIRS],
    attention_mask=recorded["inputs.attention_mask"][:PAIRS],
    pixel_values=recorded["inputs.pixel_values"][:PAIRS],
    return_loss=True,
).loss
loss.backward()

tensors = {"loss": loss.detach().reshape(1)}
for name, parameter in model.named_parameters():
    if parameter.grad is not None:
        tensors[f"grad.{name}"] = parameter.grad.contiguous()

target = GOLDENS / "clip_gradients"
target.mkdir(exist_ok=True)
save_file(tensors, target / "reference.safetensors")
versions = {"torch": torch.__version__, "transformers": __import__("transformers").__version__}
(target / "reference.json").write_text(json.dumps({"loss": loss.item(), "versions": versions}, indent=1) + "\n")
print(f"loss {loss.item():.6f}, {len(tensors) - 1} gradients")
