"""Writes frame-sampling.json: the frames that transformers' video processors pick, for many lengths and rates.

Run with transformers 5.23 and numpy; torch is stood in for, since of it only `arange` is used. The tests need only the
JSON. Usage: frame-sampling.py FOLDER, the one that holds `transformers/`.
"""

import ast
import json
import math
import pathlib
import sys
import types

import numpy as np

ROOT = pathlib.Path(sys.argv[1]) / "transformers"


class Metadata(dict):
    """Both ways in which processors read it."""

    __getattr__ = dict.get


def torch_arange(start, end, step=1):
    """As torch on a CPU: the number of values in double, the values in float where the step is one."""
    count = math.ceil((end - start) / step)
    values = start + np.arange(count, dtype=np.float64) * step
    values = values.astype(np.float32) if isinstance(step, float) else values
    return types.SimpleNamespace(int=lambda: values.astype(np.int32))


def load(file, name):
    """One function of a module, without what the module imports."""
    tree = ast.parse((ROOT / file).read_text())
    found = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name)
    found.returns, found.decorator_list = None, []
    for argument in found.args.args:
        argument.annotation = None
    scope = {"np": np, "math": math, "torch": types.SimpleNamespace(arange=torch_arange)}
    exec(compile(ast.Module([found], []), file, "exec"), scope)
    return scope[name]


default = load("video_utils.py", "default_sample_indices_fn")
qwen2_vl = load("models/qwen2_vl/video_processing_qwen2_vl.py", "sample_frames")
qwen3_vl = load("models/qwen3_vl/video_processing_qwen3_vl.py", "sample_frames")
smolvlm = load("models/smolvlm/video_processing_smolvlm.py", "sample_frames")

QWEN2 = {"temporal_patch_size": 2, "min_frames": 4, "max_frames": 768}
QWEN3 = {"min_frames": 4, "max_frames": 768}
cases = []


def add(rule, options, frames, fps, pick):
    metadata = Metadata(total_num_frames=frames, fps=fps, duration=frames / fps)
    try:
        indices = [int(i) for i in pick(metadata)]
    except (ValueError, ZeroDivisionError):
        indices = None
    if indices is not None and (not indices or indices[-1] >= frames):
        indices = None  # Out of the video: nothing to follow.
    cases.append({"rule": rule, **options, "frames": frames, "fps": fps, "indices": indices})


for frames, fps in [(1, 24), (3, 10), (20, 10), (49, 25), (97, 24), (100, 30000 / 1001), (301, 24000 / 1001), (900, 30)]:
    for n in (1, 2, 7, 8, 16, 32):
        wish = {"num_frames": n, "fps": None}
        add("uniform", {"n": n}, frames, fps, lambda m: default(m, num_frames=n))
        add("qwen2_vl", {"n": n}, frames, fps, lambda m: qwen2_vl(types.SimpleNamespace(num_frames=None, fps=None), m, **QWEN2, **wish))
        self3 = types.SimpleNamespace(fps=None, **QWEN3)
        add("qwen3_vl", {"n": n}, frames, fps, lambda m: qwen3_vl(self3, m, num_frames=n))
    for rate in (0.5, 1, 2, 3.7):
        wish = {"num_frames": None, "fps": rate}
        add("fps", {"rate": rate}, frames, fps, lambda m: default(m, fps=rate))
        add("qwen2_vl", {"rate": rate}, frames, fps, lambda m: qwen2_vl(types.SimpleNamespace(num_frames=None, fps=None), m, **QWEN2, **wish))
        self3 = types.SimpleNamespace(fps=rate, **QWEN3)
        add("qwen3_vl", {"rate": rate}, frames, fps, lambda m: qwen3_vl(self3, m))
        for n in (4, 64):
            self_smol = types.SimpleNamespace(num_frames=n, fps=rate)
            add("smolvlm", {"rate": rate, "n": n}, frames, fps, lambda m: smolvlm(self_smol, m))

text = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
pathlib.Path(__file__).with_suffix(".json").write_text(f'{{"transformers":"5.23.0","cases":[\n{text}\n]}}\n')
print(len(cases), sum(case["indices"] is None for case in cases))
