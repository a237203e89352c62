"""A training step of the bench in torch on the CPU. Reads requests and writes replies, a line of JSON each."""

import base64
import json
import sys
import time

import torch
import torch.nn.functional as F


def tensors_of(request):
    def tensor(shape, data):
        values = torch.frombuffer(bytearray(base64.b64decode(data)), dtype=torch.float32)
        return values.reshape(shape).clone()

    return {name: tensor(**value) for name, value in request["tensors"].items()}


def open_training(request):
    one, adamw = request["one"], request["adamw"]
    tensors = tensors_of(request)
    seq, hidden, heads = one["seq"], one["hidden"], one["heads"]
    trained = [t.requires_grad_() for name, t in tensors.items() if name.endswith((".weight", ".bias"))]
    optimizer = torch.optim.AdamW(
        trained,
        lr=adamw["rate"],
        betas=(adamw["beta1"], adamw["beta2"]),
        eps=adamw["eps"],
        weight_decay=adamw["weightDecay"],
    )

    def linear(x, name):
        return F.linear(x, tensors[name + ".weight"], tensors[name + ".bias"])

    def norm(x, name):
        return F.layer_norm(x, (hidden,), tensors[name + ".weight"], tensors[name + ".bias"], 1e-6)

    def split(x, name):
        return linear(x, "self_attn." + name).reshape(1, seq, heads, hidden // heads).transpose(1, 2)

    def step():
        x = tensors["x"]
        h = norm(x, "layer_norm1")
        y = F.scaled_dot_product_attention(split(h, "q_proj"), split(h, "k_proj"), split(h, "v_proj"))
        x = x + linear(y.transpose(1, 2).reshape(1, seq, hidden), "self_attn.out_proj")
        y = x + linear(F.gelu(linear(norm(x, "layer_norm2"), "mlp.fc1")), "mlp.fc2")
        loss = F.mse_loss(y, tensors["target"])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


step = None
print(json.dumps({"ok": True, "version": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    try:
        if request["kind"] == "open":
            step = open_training(request)
            value = [step() for _ in range(request["steps"])]
        elif request["kind"] == "sample":
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(request["reps"]):
                step()
            value = {
                "ms": 1000 * (time.perf_counter() - wall),
                "cpuMs": 1000 * (time.process_time() - cpu),
            }
        else:
            step, value = None, 0
        print(json.dumps({"ok": True, "value": value}), flush=True)
    except Exception as error:  # whatever is wrong is a reason in the report
        print(json.dumps({"ok": False, "reason": str(error)}), flush=True)
