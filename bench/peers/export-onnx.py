"""The ONNX form of a Llama checkpoint, beside its weights as on the Hub: FOLDER/onnx, which transformers.js reads.

    python3 -m venv .venv
    .venv/bin/pip install torch==2.15.0 transformers==5.23.0 onnx==1.23.2 onnx-ir==1.1.0 onnxruntime==1.32.0 \
        onnxruntime-genai==0.18.0
    .venv/bin/python bench/peers/export-onnx.py FOLDER

model.onnx is what ONNX Runtime's own model builder makes for its WebGPU provider: f32, attention as its fused op, logits of
the last token alone. plain.onnx has the same weights and attention of plain ops, for adapters where the fused op is wrong.
"""

import json
import os
import subprocess
import sys
import tempfile

import onnx
import onnx.inliner
import onnx.parser

make = onnx.helper.make_node
DATA = "model.onnx_data"

# Attention as exports had it before the fused op: keys and values repeated for every head of queries, and a mask that is added.
PLAIN = """
<ir_version: 10, opset_import: ["" : OPSET, "plain" : 1]>
none (float[1] x) => (float[1] y) { y = Identity(x) }

<domain: "plain", opset_import: ["" : OPSET]>
Positions (ids, past_key, cos_table, sin_table) => (cos, sin, bias)
{
    zero = Constant <value_ints: ints = [0]> ()
    one = Constant <value_ints: ints = [1]> ()
    S = Shape <start = 1, end = 2> (ids)
    P = Shape <start = 2, end = 3> (past_key)
    T = Add (P, S)
    cos = Slice (cos_table, P, T, zero)
    sin = Slice (sin_table, P, T, zero)
    first = Constant <value_int: int = 0> ()
    step = Constant <value_int: int = 1> ()
    begin = Squeeze (P, zero)
    end = Squeeze (T, zero)
    columns = Range (first, end, step)
    queries = Range (begin, end, step)
    rows = Unsqueeze (queries, one)
    later = Greater (columns, rows)
    low = Constant <value_float: float = -3.4e38> ()
    none = Constant <value_float: float = 0.0> ()
    bias = Where (later, low, none)
}

<domain: "plain", opset_import: ["" : OPSET, "plain" : 1]>
Attention <parts, q_shape, kv_shape, repeats, keys_shape, y_shape, scale>
    (packed, past_key, past_value, cos, sin, bias) => (y, present_key, present_value)
{
    widths = Constant <value_ints: ints = @parts> ()
    query, key, value = Split <axis = -1> (packed, widths)
    to_q = Constant <value_ints: ints = @q_shape> ()
    to_kv = Constant <value_ints: ints = @kv_shape> ()
    q_rows = Reshape (query, to_q)
    k_rows = Reshape (key, to_kv)
    v_rows = Reshape (value, to_kv)
    q_heads = Transpose <perm = [0, 2, 1, 3]> (q_rows)
    k_heads = Transpose <perm = [0, 2, 1, 3]> (k_rows)
    v_heads = Transpose <perm = [0, 2, 1, 3]> (v_rows)
    q = plain.Rotate (q_heads, cos, sin)
    k = plain.Rotate (k_heads, cos, sin)
    present_key = Concat <axis = 2> (past_key, k)
    present_value = Concat <axis = 2> (past_value, v_heads)
    axis = Constant <value_ints: ints = [2]> ()
    k_apart = Unsqueeze (present_key, axis)
    v_apart = Unsqueeze (present_value, axis)
    by = Constant <value_ints: ints = @repeats> ()
    k_grouped = Expand (k_apart, by)
    v_grouped = Expand (v_apart, by)
    to_keys = Constant <value_ints: ints = @keys_shape> ()
    keys = Reshape (k_grouped, to_keys)
    values = Reshape (v_grouped, to_keys)
    keys_turned = Transpose <perm = [0, 1, 3, 2]> (keys)
    products = MatMul (q, keys_turned)
    factor = Constant <value_float: float = @scale> ()
    scores = Mul (products, factor)
    masked = Add (scores, bias)
    weights = Softmax <axis = -1> (masked)
    sums = MatMul (weights, values)
    sums_rows = Transpose <perm = [0, 2, 1, 3]> (sums)
    to_y = Constant <value_ints: ints = @y_shape> ()
    y = Reshape (sums_rows, to_y)
}

<domain: "plain", opset_import: ["" : OPSET]>
Rotate (x, cos, sin) => (y)
{
    a, b = Split <axis = -1, num_outputs = 2> (x)
    a_cos = Mul (a, cos)
    b_sin = Mul (b, sin)
    b_cos = Mul (b, cos)
    a_sin = Mul (a, sin)
    first = Sub (a_cos, b_sin)
    second = Add (b_cos, a_sin)
    y = Concat <axis = -1> (first, second)
}
"""


def build(folder, out, head_dim):
    """What the builder makes, with its weights in one file of the name that transformers.js takes them by."""
    with tempfile.TemporaryDirectory() as made:
        command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", folder, "-o", made, "-c", made]
        subprocess.run(command + ["-p", "fp32", "-e", "webgpu", "--extra_options", "prune_lm_head=true"], check=True)
        model = onnx.load(os.path.join(made, "model.onnx"))
    # transformers.js makes the first, empty cache by these shapes.
    for value in [*model.graph.input, *model.graph.output]:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param == "kv_cache_dim":
                dim.dim_value = head_dim
    os.makedirs(out, exist_ok=True)
    if os.path.exists(os.path.join(out, DATA)):
        os.remove(os.path.join(out, DATA))
    onnx.save(model, os.path.join(out, "model.onnx"), save_as_external_data=True, location=DATA)


def write_plain(out, D):
    """model.onnx with every fused attention replaced; it refers to the same file of weights."""
    model = onnx.load(os.path.join(out, "model.onnx"), load_external_data=False)
    nodes = []
    for node in model.graph.node:
        if node.op_type != "GroupQueryAttention":
            nodes.append(node)
            continue
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        packed, key, _, past_key, past_value, _, _, cos, sin = node.input[:9]
        if key or not attributes.get("do_rotary") or attributes.get("rotary_interleaved"):
            sys.exit(f"{node.name}: expected queries, keys and values as one, and rotation in halves")
        if nodes[0].name != "positions":
            tables = ["input_ids", past_key, cos, sin]
            nodes.insert(0, make("Positions", tables, ["cos", "sin", "bias"], name="positions", domain="plain"))
        H, KV = attributes["num_heads"], attributes["kv_num_heads"]
        plain = make(
            "Attention",
            [packed, past_key, past_value, "cos", "sin", "bias"],
            node.output[:3],
            name=node.name,
            domain="plain",
            parts=[H * D, KV * D, KV * D],
            q_shape=[0, 0, H, D],
            kv_shape=[0, 0, KV, D],
            repeats=[1, 1, H // KV, 1, 1],
            keys_shape=[0, H, -1, D],
            y_shape=[0, 0, H * D],
            scale=attributes.get("scale") or D**-0.5,
        )
        nodes.append(plain)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    model.functions.extend(onnx.parser.parse_model(PLAIN.replace("OPSET", str(opset))).functions)
    model.opset_import.append(onnx.helper.make_opsetid("plain", 1))
    onnx.save(onnx.inliner.inline_local_functions(model), os.path.join(out, "plain.onnx"))


folder = os.path.abspath(sys.argv[1])
out = os.path.join(folder, "onnx")
with open(os.path.join(folder, "config.json")) as file:
    config = json.load(file)
head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
build(folder, out, head_dim)
write_plain(out, head_dim)
print(f"wrote {out}")
