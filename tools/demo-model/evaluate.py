# SPDX-License-Identifier: Apache-2.0
"""Measure the exported checkpoint through the stock classes in float32, and write the examples.

    python evaluate.py metrics                   # model/metrics.json
    python evaluate.py examples                  # examples/*.png and expected.json
    python evaluate.py card                      # model/README.md
"""
import argparse
import json
import os
import re
from collections import Counter, defaultdict

import numpy as np
import torch
from PIL import Image

import data

torch.set_num_threads(int(os.environ.get("THREADS", "2")))


def load(path="model"):
    from transformers import AutoTokenizer, LlavaForConditionalGeneration
    model = LlavaForConditionalGeneration.from_pretrained(path, dtype=torch.float32).eval()
    tok = AutoTokenizer.from_pretrained(path)
    return model, tok, json.load(open(path + "/preprocessor_config.json"))


def preprocess(im, cfg):
    """CLIPImageProcessor's steps with PIL: shorter side to 128 (bicubic), middle square, scale, normalise."""
    s = cfg["size"]["shortest_edge"]
    im = im.convert("RGB")
    w, h = im.size
    if min(w, h) != s or w != h:
        nw, nh = (s, int(s * h / w)) if w <= h else (int(s * w / h), s)
        im = im.resize((nw, nh), Image.BICUBIC)
        x, y = (nw - s) // 2, (nh - s) // 2
        im = im.crop((x, y, x + s, y + s))
    a = np.asarray(im, np.float32) / 255
    a = (a - np.array(cfg["image_mean"], np.float32)) / np.array(cfg["image_std"], np.float32)
    return torch.from_numpy(a.transpose(2, 0, 1).copy())


@torch.no_grad()
def answer(model, tok, cfg, pairs, batch=64):
    """Greedy answers for [(image, question)]: dicts of text, promptIds (one id per image patch, as the
    model is fed), answerIds (with the final </s>) and minGap, the smallest lead of a chosen token's
    logit over the second best. Rows of one length go together, so nothing is padded."""
    n_img, eos = model.config.image_seq_length, model.generation_config.eos_token_id
    by = defaultdict(list)
    for i, (im, q) in enumerate(pairs):
        ids = tok(data.prompt(q).replace("<image>", "<image>" * n_img))["input_ids"]
        by[len(ids)].append((i, ids, im))
    out = [None] * len(pairs)
    for rows in by.values():
        for j in range(0, len(rows), batch):
            r = rows[j:j + batch]
            ids = torch.tensor([x[1] for x in r])
            px = torch.stack([preprocess(x[2], cfg) for x in r])
            g = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=px, do_sample=False,
                               max_new_tokens=40, return_dict_in_generate=True, output_logits=True)
            top = torch.stack(g.logits, 1).float().topk(2, -1).values
            for x, y, t in zip(r, g.sequences[:, ids.shape[1]:].tolist(), top):
                y = y[:y.index(eos) + 1] if eos in y else y
                gap = (t[:len(y), 0] - t[:len(y), 1]).min().item()
                out[x[0]] = dict(text=tok.decode(y, skip_special_tokens=True).strip(), promptIds=x[1], answerIds=y,
                                 minGap=round(gap, 5))
    return out


WORDS = {}
for _k in data.KINDS:
    WORDS[_k["name"]] = WORDS[_k["plural"]] = _k["name"]


def nouns(s):
    """Kinds and counts named in an answer."""
    out = {}
    for n, w in re.findall(r"\b(an?|one|no|two|three|four|five|six) (\w+)", s.lower()):
        if w in WORDS:
            out[WORDS[w]] = {"a": 1, "an": 1}.get(n) or data.NUMBERS.index(n)
    return out


def colour(s):
    m = [c for c in data.COLOUR_NAMES if re.search(rf"\b{c}\b", s)]
    return m[-1] if m else None


def score(rows):
    """rows: (task, question, reference, answer)."""
    r = defaultdict(list)
    base = defaultdict(Counter)
    def add(name, ok, ref):
        r[name].append(ok)
        base[name][ref] += 1
    for task, _q, ref, got in rows:
        add(task + " exact", ref == got, ref)
        if task in ("caption", "what"):
            a, b = nouns(ref), nouns(got)
            add("object set (captions)", set(a) == set(b), str(sorted(a)))
            add("objects and counts (captions)", a == b, str(sorted(a.items())))
        if task == "caption":
            add("background colour (captions)", colour(ref) == colour(got), colour(ref))
        if task == "count":

            def num(s):
                return next((w for w in s.lower().split() if w in data.NUMBERS), None)

            add("count number", num(ref) == num(got), num(ref))
        if task == "exists":
            add("yes/no", ref.split(",")[0] == got.split(",")[0], ref.split(",")[0])
        if task == "relation":

            def pick(s):
                return "nothing" if s.startswith("Nothing") else str(sorted(nouns(s.split(" of the ")[0])))

            add("left/right (kind named)", pick(ref) == pick(got), pick(ref))
    return {k: dict(accuracy=round(float(np.mean(v)), 4), n=len(v), majority=round(base[k].most_common(1)[0][1] / len(v), 4))
            for k, v in sorted(r.items())}


def build(seed, n, held_out):
    """n scenes, one question of each task about each, then scenes asked about left and right alone
    until n / 2 such questions are there (most scenes have none with a plain answer)."""
    rng = np.random.default_rng(seed)
    bank = data.Bank()
    rows, pairs = [], []
    i = sides = 0
    while i < n or sides < n // 2:
        s = data.plan_scene(rng, held_out=held_out)
        im = Image.fromarray(data.draw_scene(s, rng, bank))
        for t in data.TASKS if i < n else ["relation"]:
            qa = data.TASKS[t][0](s, rng)
            if qa:
                rows.append((t, *qa))
                pairs.append((im, qa[0]))
                sides += t == "relation"
        i += 1
    return rows, pairs


SETS = (("fresh scenes", 987654321, False), ("scenes with a held-out pair", 987654322, True))


def metrics(a):
    model, tok, cfg = load()
    res = {}
    for name, seed, held in SETS:
        rows, pairs = build(seed, a.scenes, held)
        got = [g["text"] for g in answer(model, tok, cfg, pairs)]
        res[name] = dict(seed=seed, scenes=a.scenes, questions=len(rows), measures=score([(*r, g) for r, g in zip(rows, got)]))
        print(name)
        for k, v in res[name]["measures"].items():
            print(f"  {k:34s} {v}", flush=True)
        for r, g in [(r, g) for r, g in zip(rows, got) if r[2] != g][:a.misses]:
            print("   miss:", r, "->", g)
    with open("model/metrics.json", "w") as f:
        json.dump(res, f, indent=1)
        f.write("\n")


def example_scene(i, rng, bank):
    """The next candidate for example i, and its seven questions. Odd ones (from 0) hold a held-out pair;
    the last two are drawn larger and not square, so that resizing and cropping are exercised."""
    while True:
        s = data.plan_scene(rng, held_out=i % 2 == 1)
        if data.q_relation(s, rng):
            break
    im = data.draw_scene(s, rng, bank) if i < 8 else data.draw_scene(s, rng, bank, 3, *((512, 384), (400, 560))[i - 8])
    order, n, _ = data.facts(s)
    kind, c = order[0], n[order[0]]
    qa = [("Describe the image.", data.caption(s)), ("What is in the picture?", data.listing(s)),
          (f"How many {data.KINDS[kind]['plural']} are there?",
           f"There {'is' if c == 1 else 'are'} {data.NUMBERS[c]} {data.noun(kind, c)}."),
          ("What colour is the background?", f"The background is {s['colour']}.")]
    for f in (data.q_relation, lambda s, r: data.q_exists(s, r, True), lambda s, r: data.q_exists(s, r, False)):
        got = None
        while not got:      # a left/right question drawn at random may have no plain answer
            got = f(s, rng)
        qa.append(got)
    return im, qa


def examples(a):
    """Ten scenes from one seed, in order; a scene with fewer than --at-least answers right is passed over.
    scene.png is a copy of scene-02.png."""
    model, tok, cfg = load()
    os.makedirs("examples", exist_ok=True)
    rng = np.random.default_rng(24681357)
    bank = data.Bank()
    out, passed = [], 0
    for i in range(10):
        while True:
            im, qa = example_scene(i, rng, bank)
            im = Image.fromarray(im)
            got = answer(model, tok, cfg, [(im, q) for q, _ in qa])
            right = [g["text"] == ref for g, (_, ref) in zip(got, qa)]
            if sum(right) >= a.at_least:
                break
            passed += 1
        name = f"scene-{i + 1:02d}.png"
        im.save("examples/" + name)
        if i == 1:
            im.save("examples/scene.png")
        out.append(dict(image=name, width=im.width, height=im.height, questions=[
            dict(question=q, prompt=data.prompt(q), reference=ref, answer=g["text"], right=ok, promptIds=g["promptIds"],
                 answerIds=g["answerIds"], minGap=g["minGap"]) for (q, ref), g, ok in zip(qa, got, right)]))
    text = json.dumps(out, indent=1, ensure_ascii=False)
    text = re.sub(r"\[[\s\d,]*\]", lambda m: re.sub(r"\s+", " ", m[0]).replace("[ ", "[").replace(" ]", "]"), text)
    with open("examples/expected.json", "w") as f:
        f.write(text + "\n")
    ok = [x["right"] for o in out for x in o["questions"]]
    gaps = sorted(x["minGap"] for o in out for x in o["questions"])
    print("examples right", sum(ok), "of", len(ok), "scenes passed over", passed, "smallest gaps", gaps[:3])


CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
language: en
tags: [llava, tiny, demo, synthetic]
---

# Tessera demo model

A very small but real vision language model: the stock LLaVA architecture (a CLIP vision
encoder, a two-layer projector, a Llama decoder), trained from random weights on generated
scenes of emoji. It exists so that an engine can show a meaningful answer offline, with
nothing to download, and so that tests have a model whose answers can be right or wrong.

## What it is

| part | shape |
| --- | --- |
| vision | CLIP ViT, {size} x {size} pixels, patch {patch}, width {vw}, {vl} layers (features from the layer before the last, class token dropped), {vh} heads, quick_gelu |
| projector | {vw} -> {tw} -> {tw}, GELU |
| decoder | Llama, width {tw}, {tl} layers, {th} heads of {hd}, {tk} key/value heads, MLP {ti}, tied embeddings, RoPE, RMSNorm |
| tokenizer | Llama-style BPE with byte fallback, {vocab} entries |
| weights | {params:,}, float16, {mb:.1f} MB |

The last vision layer, the final vision norm and the class token's output are not read by
LLaVA's feature choice and stayed at their starting values; they are there because the
stock class has them.

Prompt: `USER: <image>\\n{{question}} ASSISTANT:`; the answer ends with `</s>`. Greedy decoding.

## What it can see and answer

One to three kinds of object out of {nk}, up to four of each and six in all, on a plain background of
one of {nc} colours, asked in these forms:

- "Describe the image." / "What is in the picture?"
- "How many cats are there?"
- "Is there a dog in the picture?" / "Are there any dogs?"
- "What colour is the background?"
- "What is left of the pizza?" / "What is to the right of the pizza?"

On fresh scenes it names exactly the right set of kinds {set:.1f} % of the time, gives the right number
{count:.1f} %, the background colour {colour:.1f} %, yes or no {yes:.1f} %, and what stands left or right
{rel:.1f} %. A whole caption is right, to the letter, {caption:.1f} % of the time.

Kinds: {kinds}.

Background colours: {colours}.

## What it cannot see

- Anything else. A photograph, another style of emoji, text, a person or a kind outside the list gets a
  fluent and wrong answer; it never says that it does not know.
- What is above, below, behind, near or large: it was never asked. It has no word for size or for an
  object's own colour.
- More than six objects, more than four of a kind or more than three kinds: it was never asked about them.
- Other wording may be misread, and it cannot hold a conversation: every example had one question.
- Objects of less than about {small} pixels in its {size} x {size} picture; larger pictures are scaled down
  and cropped to the middle square first.

## Data

Scenes are generated by `data.py`: emoji sprites (Noto Color Emoji, see ATTRIBUTION.md) of
random size, place, small rotation and brightness on a plain, graded or lightly noisy
background, with questions and answers that follow from the list of placed objects.
About one pair of kinds in fifteen never appears together in training.
{facts}

## Measured

The exported float16 checkpoint, loaded with `from_pretrained` (computed in float32), greedy,
on scenes from seeds not used in training. "majority" is the score of always giving the most
common reference answer of that test set.

{tables}

"exact" means equal to the reference to the letter, order and counts included; "object set" looks only
at which kinds are named, in captions and "what" answers together (a kind named twice does not count
against it); "objects and counts" at the kinds with their numbers; "count number" at the number alone.

## Where it goes wrong

- Counting and order, more than recognition: a kind is named twice or with the wrong number, most often in
  scenes with three kinds or three and more of one kind.
- Pairs of kinds never seen together in training are harder (second table).
- It is a demonstration. Not for any decision about the real world.

## Licence

Weights, tokenizer and code: Apache-2.0. Sprites in the training and example pictures: see ATTRIBUTION.md.
"""


def card(a):
    from safetensors import safe_open
    import train
    res = json.load(open("model/metrics.json"))
    with safe_open("model/model.safetensors", "pt") as f:
        n = sum(int(np.prod(f.get_slice(k).get_shape())) for k in f.keys())
    tables = ""
    for name, entry in res.items():
        r = entry["measures"]
        tables += f"**{name.capitalize()}** (seed {entry['seed']}, {entry['scenes']} scenes)\n\n| measure | model | majority | n |\n| --- | --- | --- | --- |\n"
        tables += "".join(f"| {k} | {v['accuracy'] * 100:.1f} % | {v['majority'] * 100:.1f} % | {v['n']} |\n" for k, v in r.items()) + "\n"
    V, T = train.VISION, train.TEXT
    fresh = {k: 100 * v["accuracy"] for k, v in res["fresh scenes"]["measures"].items()}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "training.txt")) as f:
        facts = f.read().strip()
    text = CARD.format(size=data.SIZE, patch=data.PATCH, vw=V["hidden_size"], vl=V["num_hidden_layers"], vh=V["num_attention_heads"],
                       tw=T["hidden_size"], tl=T["num_hidden_layers"], th=T["num_attention_heads"], hd=T["head_dim"],
                       tk=T["num_key_value_heads"], ti=T["intermediate_size"], vocab=train.build_tokenizer().get_vocab_size(),
                       params=n, mb=os.path.getsize("model/model.safetensors") / 1e6, nk=data.NK, kinds=", ".join(data.NAMES),
                       colours=", ".join(data.COLOUR_NAMES), facts=facts, nc=len(data.COLOUR_NAMES), small=min(data.SIZES),
                       set=fresh["object set (captions)"], count=fresh["count number"], colour=fresh["background colour (captions)"],
                       yes=fresh["yes/no"], rel=fresh["left/right (kind named)"], caption=fresh["caption exact"],
                       tables=tables.strip())
    with open("model/README.md", "w") as f:
        f.write(text)


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=["metrics", "examples", "card"])
    p.add_argument("--scenes", type=int, default=300, help="metrics: scenes per set")
    p.add_argument("--misses", type=int, default=0, help="metrics: wrong answers to print")
    p.add_argument("--at-least", type=int, default=0, help="examples: right answers of seven a scene must have")
    a = p.parse_args()
    dict(metrics=metrics, examples=examples, card=card)[a.what](a)
