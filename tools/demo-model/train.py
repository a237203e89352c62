# SPDX-License-Identifier: Apache-2.0
"""Train the Tessera demo model: a LLaVA-architecture model of under five million weights.

Phases, each timed (the learning rate follows the share of the time used, so a phase ends
cleanly on a slow machine as well); README.md has the commands:

1. vision: the encoder learns, per patch, which kind covers it and whether an object's centre
   lies there, mostly on scenes packed with nine small objects. This gives far more signal per
   picture than a caption does.
2. oracle: the decoder learns to answer from stand-in image features built from the true
   layout: the decoder's own embedding of the word for what covers a patch, plus its place.
   Describing then begins as copying, and no picture has to be drawn or encoded.
3. joint: the projector is fitted to the stand-in features, then encoder, projector and
   decoder train together on pictures and answers, with the dense targets as a side loss.
4. export: writes model/ in the stock LLaVA classes' layout, weights in float16.

Several questions share one picture: they stand behind one copy of its image tokens, cannot
see each other, and each starts at the same position, which equals training on each alone.

Environment: EMOJI_FONT, the Noto Color Emoji font file; RUN_DIR, the checkpoints' folder;
THREADS, the threads to compute with.
"""
import argparse
import json
import os
import re
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch import multiprocessing as mp

import data

OUT = os.environ.get("RUN_DIR", "run")
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])

VISION = dict(image_size=data.SIZE, patch_size=data.PATCH, hidden_size=192, intermediate_size=768,
              num_hidden_layers=6, num_attention_heads=3, hidden_act="quick_gelu", projection_dim=128)
TEXT = dict(hidden_size=192, intermediate_size=512, num_hidden_layers=4, num_attention_heads=6,
            num_key_value_heads=2, head_dim=32, max_position_embeddings=512, tie_word_embeddings=True,
            rms_norm_eps=1e-5)
FEATURE_LAYER = -2


# ---------------------------------------------------------------- data workers

def dense(scenes):
    targets = [data.dense_targets(s) for s in scenes]
    return {k: torch.from_numpy(np.stack([t[k] for t in targets])) for k in targets[0]}


def _worker(q, seed, batch, n_q, packed, stop):
    rng = np.random.default_rng(seed)
    bank = data.Bank()
    torch.set_num_threads(1)
    while not stop.is_set():
        scenes = [data.plan_scene(rng, "packed" if rng.random() < packed else "train") for _ in range(batch)]
        px = np.stack([data.draw_scene(s, rng, bank) for s in scenes])
        item = dict(px=torch.from_numpy(px), **dense(scenes))
        if n_q:
            item["qa"] = [data.questions(s, rng, n_q) for s in scenes]
        q.put(item)


def batches(seed, batch, n_q=0, packed=0.):
    ctx = mp.get_context("fork")
    q, stop = ctx.Queue(6), ctx.Event()
    p = ctx.Process(target=_worker, args=(q, seed, batch, n_q, packed, stop), daemon=True)
    p.start()
    while True:
        yield q.get()


def pixels(px):
    return ((px.float() / 255 - MEAN) / STD).permute(0, 3, 1, 2).contiguous()


# ---------------------------------------------------------------- vision phase

def encode(vision, px):
    """Hidden state the projector reads (class token first), with the stock class's weights and arithmetic;
    skips the layers behind it. Plain matrix products beat the fused attention at this size on a CPU."""
    h = vision.pre_layrnorm(vision.embeddings(px))
    n, d = VISION["num_attention_heads"], VISION["hidden_size"] // VISION["num_attention_heads"]
    B, T, _ = h.shape
    for L in vision.encoder.layers[:FEATURE_LAYER + 1]:
        a, x = L.self_attn, L.layer_norm1(h)
        q, k, v = (f(x).view(B, T, n, d).transpose(1, 2) for f in (a.q_proj, a.k_proj, a.v_proj))
        p = (q * d ** -.5 @ k.transpose(2, 3)).softmax(-1)
        h = h + a.out_proj((p @ v).transpose(1, 2).reshape(B, T, -1))
        h = h + L.mlp(L.layer_norm2(h))
    return h


class Heads(nn.Module):
    """Training-only heads on the patch features: what `data.dense_targets` gives, so that the encoder
    works out kinds, counts and order and the decoder need only look them up."""

    def __init__(self, d=VISION["hidden_size"]):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.kind = nn.Linear(d, data.NK + 1)
        self.ctr = nn.Linear(d, 1)
        self.col = nn.Linear(d, len(data.COLOUR_NAMES))
        self.tell = nn.Linear(d, 10)

    def forward(self, h, b):
        h = self.norm(h[:, 1:])
        kind, ctr, col = self.kind(h), self.ctr(h)[..., 0], self.col(h.mean(1))
        w = torch.ones(data.NK + 1)
        w[-1] = .2
        l_kind = F.cross_entropy(kind.float().flatten(0, 1), b["lab"].flatten(), weight=w)
        l_ctr = F.binary_cross_entropy_with_logits(ctr.float(), b["ctr"], pos_weight=torch.tensor(4.))
        l_col = F.cross_entropy(col.float(), b["col"])
        here = b["tell"][..., 0] >= 0
        tell, want = self.tell(h[here]).split([4, 3, 3], -1), b["tell"][here]
        l_tell = sum(F.cross_entropy(t.float(), want[:, i]) for i, t in enumerate(tell)) if len(want) else 0.
        with torch.no_grad():
            fg = b["lab"] < data.NK
            ok = (kind.argmax(-1) == b["lab"])
            self.stat = dict(fg=ok[fg].float().mean().item(), bg=ok[~fg].float().mean().item(),
                             ctr=((ctr > 0) == (b["ctr"] > .5)).all(1).float().mean().item(),
                             col=(col.argmax(-1) == b["col"]).float().mean().item())
            for i, n in enumerate(("count", "place", "kinds")):
                self.stat[n] = (tell[i].argmax(-1) == want[:, i]).float().mean().item()
        return l_kind + l_ctr + .3 * l_col + l_tell


class Muon(torch.optim.Optimizer):
    """Muon for the matrices (momentum made orthogonal by a Newton-Schulz iteration, scaled to AdamW's
    usual step size), AdamW for embeddings, vectors and the training-only heads. Of `ranks` processes
    that share weights and state, each updates every so-manieth parameter."""

    def __init__(self, modules, lr, wd, heads=None):
        mats, rest = [], list(heads.parameters()) if heads is not None else []
        for m in modules:
            for n, p in m.named_parameters():
                (rest if p.ndim != 2 or "embed" in n else mats).append(p)
        super().__init__([dict(params=mats, muon=True), dict(params=rest, muon=False)], dict(lr=lr, wd=wd))
        self.steps = 0
        for p in mats + rest:
            self.state[p]["m"] = torch.zeros_like(p).share_memory_()
        for p in rest:
            self.state[p]["v"] = torch.zeros_like(p).share_memory_()

    def state_dict(self):
        return dict(steps=self.steps, **super().state_dict())

    def load_state_dict(self, d):
        self.steps = d["steps"]
        super().load_state_dict({k: v for k, v in d.items() if k != "steps"})
        for st in self.state.values():
            for t in st.values():
                t.share_memory_()

    def mine(self, rank, ranks):
        return [p for g in self.param_groups for p in g["params"][rank::ranks] if p.grad is not None]

    @torch.no_grad()
    def step(self, lr, rank=0, ranks=1):
        self.steps += 1
        for g in self.param_groups:
            ps = [p for p in g["params"][rank::ranks] if p.grad is not None]
            if not g["muon"]:
                b1, b2, n = .9, .98, self.steps
                for p in ps:
                    m, v = self.state[p]["m"].lerp_(p.grad, 1 - b1), self.state[p]["v"]
                    v.mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                    p.addcdiv_(m, (v / (1 - b2 ** n)).sqrt_().add_(1e-8), value=-lr / (1 - b1 ** n))
                continue
            shapes = {}
            for p in ps:
                self.state[p]["m"].mul_(.95).add_(p.grad)
                shapes.setdefault(p.shape, []).append(p)
            for shape, group in shapes.items():
                flip = shape[0] > shape[1]
                u = torch.stack([p.grad + .95 * self.state[p]["m"] for p in group])
                u = u.transpose(1, 2) if flip else u
                u = (u / (u.norm(dim=(1, 2), keepdim=True) + 1e-9)).to(torch.bfloat16)
                for _ in range(5):
                    aa = u @ u.transpose(1, 2)
                    u = 3.4445 * u + (-4.7750 * aa + 2.0315 * aa @ aa) @ u
                u = (u.transpose(1, 2) if flip else u).float()
                for p, d in zip(group, u):
                    p.mul_(1 - lr * g["wd"]).add_(d, alpha=-.2 * max(shape) ** .5 * lr)


def rate(t, warm, hold=.3):
    """Warm-up, a plateau, then a straight line to zero: a function of the share of the time used."""
    return min(t / warm, 1., max(0., (1 - t) / (1 - hold)))


def save(path, **parts):
    os.makedirs(OUT, exist_ok=True)
    torch.save({k: v.state_dict() if hasattr(v, "state_dict") else v for k, v in parts.items()}, path + ".tmp")
    os.replace(path + ".tmp", path)


def new_vision():
    from transformers import CLIPVisionConfig, CLIPVisionModel
    m = CLIPVisionModel(CLIPVisionConfig(**VISION))
    return getattr(m, "vision_model", m)


def train_vision(a):
    torch.manual_seed(0)
    vision, heads = new_vision(), Heads()
    opt = Muon([vision], a.lr, .05, heads)
    it = batches(1000, a.batch, packed=.6)
    t0 = last = time.time()
    step, run = 0, None
    while True:
        t = (time.time() - t0) / (60 * a.minutes)
        if t >= 1:
            break
        b = next(it)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            h = encode(vision, pixels(b["px"]))
        loss = heads(h.float(), b)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(vision.parameters(), 1.)
        opt.step(a.lr * rate(t, .04))
        step += 1
        s = dict(loss=loss.item(), **heads.stat)
        run = s if run is None else {k: .95 * run[k] + .05 * s[k] for k in s}
        if step % 50 == 0:
            print(step, step * a.batch, f"{time.time()-t0:.0f}s", {k: round(v, 3) for k, v in run.items()}, flush=True)
        if time.time() - last > 60:
            save(OUT + "/vision.pt", vision=vision, heads=heads, step=step)
            last = time.time()
    save(OUT + "/vision.pt", vision=vision, heads=heads, step=step)
    print("vision done", step, step * a.batch)


# ---------------------------------------------------------------- tokenizer

SPECIAL = ["<unk>", "<s>", "</s>", "<pad>", "<image>"]


def build_tokenizer():
    """Llama-style BPE with byte fallback. Its corpus holds mostly singular nouns, so that a regular
    plural is the singular's token and an 's': the decoder can copy what it sees and add the ending."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    tok = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    nouns = [k["name"] for k in data.KINDS]
    odd = [k["plural"] for k in data.KINDS if k["plural"] != k["name"] + "s" or k["name"][-1] in "ae"]
    words = set(data.COLOUR_NAMES + data.NUMBERS + nouns + odd)
    for t in (data.DESCRIBE + data.WHAT + data.HOW_MANY + data.IS_A + data.ARE_ANY + data.COLOUR_Q +
              ["Yes No there is are There is are no a an A An and on a background Two Three Four Five Six",
               "What is to the left of the right of the Nothing is left of The background is USER ASSISTANT"]):
        words |= set("".join(c if c.isalpha() else " " for c in t).split())
    trainer = trainers.BpeTrainer(vocab_size=1024, special_tokens=SPECIAL + [f"<0x{i:02X}>" for i in range(256)],
                                  initial_alphabet=list("▁.,:?'!-") + [chr(c) for c in range(48, 58)] +
                                  [chr(c) for c in range(65, 91)] + [chr(c) for c in range(97, 123)],
                                  show_progress=False)
    tok.train_from_iterator(sorted(words), trainer)
    # the merges never cross a space, so the Llama export form (a normalizer, no pre-tokenizer) is equal
    tok.pre_tokenizer = None
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                     decoders.Strip(" ", 1, 0)])
    bos = tok.token_to_id("<s>")
    tok.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", bos)])
    return tok


# ---------------------------------------------------------------- language phase

def text_batches(seed, batch, n_q, want_pixels, packed=0):
    ctx = mp.get_context("fork")
    q, stop = ctx.Queue(6), ctx.Event()
    ctx.Process(target=_text_worker, args=(q, seed, batch, n_q, want_pixels, stop, packed), daemon=True).start()
    while True:
        yield q.get()


def pack(tok, scenes_qa):
    """Every scene's questions behind one copy of its image tokens, without padding.

    The text after the image is one flat run of N tokens; `gather` [B, Q, S] lays it out one row a
    question (padded with 0; the causal mask hides that). `src` holds the flat places that predict an
    answer token and `target` those tokens; `agather`, `aoff` and `aplace` lay out `src` alone."""
    img = tok.token_to_id("<image>")
    asst = tok.token_to_id("▁ASSISTANT")
    enc = [e.ids for e in tok.encode_batch([data.prompt(q) + " " + a + "</s>" for qa in scenes_qa for _, q, a in qa])]
    cut = enc[0].index(img)
    head = enc[0][:cut]
    B, Q, P = len(scenes_qa), len(scenes_qa[0]), cut + data.GRID ** 2
    segs = [e[cut + 1:] for e in enc]
    first = [s.index(asst) + 2 for s in segs]
    S, A = max(map(len, segs)), max(len(s) - f for s, f in zip(segs, first))
    R = B * Q
    gather, place = torch.zeros(R, S, dtype=torch.long), []
    agather, aoff, aplace = torch.zeros(R, A, dtype=torch.long), torch.zeros(R, A, dtype=torch.long), []
    ids, pos, src, target = [], [], [], []
    for r, (s, f) in enumerate(zip(segs, first)):
        n, m = len(s), len(s) - f
        gather[r, :n] = torch.arange(len(ids), len(ids) + n)
        agather[r, :m] = torch.arange(len(src), len(src) + m)
        aoff[r, :m] = torch.arange(f - 1, n - 1)
        place += range(r * S, r * S + n)
        aplace += range(r * A, r * A + m)
        src += range(len(ids) + f - 1, len(ids) + n - 1)
        target += s[f:]
        ids += s
        pos += range(P, P + n)
    t = torch.tensor
    return dict(head=t(head), ids=t(ids), pos=t(pos), gather=gather.view(B, Q, S), place=t(place), src=t(src), target=t(target),
                agather=agather.view(B, Q, A), aoff=aoff.view(B, Q, A), aplace=t(aplace))


def _text_worker(q, seed, batch, n_q, want_pixels, stop, packed):
    rng = np.random.default_rng(seed)
    torch.set_num_threads(1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    bank = data.Bank() if want_pixels else None
    tok = build_tokenizer()
    while not stop.is_set():
        scenes = [data.plan_training(rng) for _ in range(batch)]
        item = pack(tok, [data.questions(s, rng, n_q) for s in scenes])
        scenes += [data.plan_packed(rng) for _ in range(packed)]    # pictures for the dense targets alone
        item.update(dense(scenes))
        if want_pixels:
            item["px"] = torch.from_numpy(np.stack([data.draw_scene(s, rng, bank) for s in scenes]))
        q.put(item)


def new_text(tok):
    from transformers import LlamaConfig, LlamaForCausalLM
    ids = {k: tok.token_to_id(t) for k, t in (("bos_token_id", "<s>"), ("eos_token_id", "</s>"), ("pad_token_id", "<pad>"))}
    m = LlamaForCausalLM(LlamaConfig(vocab_size=-(-tok.get_vocab_size() // 32) * 32, **ids, **TEXT))
    nn.init.normal_(m.model.embed_tokens.weight, std=TEXT["hidden_size"] ** -.5)
    return m


def attend(q, kp, vp, ks, vs, off):
    """Questions' attention: every query sees its image's prefix and what stands before it in its own question.

    q [B, Q, S, H, d], prefix keys [B, P, G, d], question keys [B, Q, K, G, d], off [B, Q, S] the
    queries' places in their question. Returns [B * Q * S, H * d]."""
    B, Q, S, H, d = q.shape
    G, P, K = kp.shape[2], kp.shape[1], ks.shape[2]
    r = H // G
    q = (q * d ** -.5).view(B, Q, S, G, r, d).permute(0, 3, 1, 4, 2, 5).reshape(B, G, Q * r * S, d)
    ks, vs = ks.permute(0, 3, 1, 2, 4), vs.permute(0, 3, 1, 2, 4)
    a = (q @ kp.permute(0, 2, 3, 1)).view(B, G, Q, r, S, P)
    b = (q.view(B, G, Q, r * S, d) @ ks.transpose(3, 4)).view(B, G, Q, r, S, K)
    hide = torch.arange(K) > off[:, None, :, None, :, None]
    w = torch.cat([a, b.masked_fill(hide, float("-inf"))], -1).softmax(-1)
    o = (w[..., :P].reshape(B, G, Q * r * S, P) @ vp.permute(0, 2, 1, 3)).view(B, G, Q, r, S, d)
    o = o + (w[..., P:].reshape(B, G, Q, r * S, K) @ vs).view(B, G, Q, r, S, d)
    return o.permute(0, 2, 4, 1, 3, 5).reshape(B * Q * S, H * d)


def decode(text, feats, b):
    """The decoder over packed scenes: the same arithmetic as the stock class, computed only where it is
    needed (the last layer: only where an answer token is predicted). Returns the final state at `src`."""
    m, d = text.model, TEXT["head_dim"]
    H, G, eps = TEXT["num_attention_heads"], TEXT["num_key_value_heads"], TEXT["rms_norm_eps"]
    emb = m.embed_tokens.weight
    B, Q, S = b["gather"].shape
    P = len(b["head"]) + feats.shape[1]
    x = torch.cat([torch.cat([F.embedding(b["head"], emb).expand(B, -1, -1), feats.to(emb.dtype)], 1).view(B * P, -1),
                   F.embedding(b["ids"], emb)])
    pos = torch.cat([torch.arange(P).repeat(B), b["pos"]])
    ang = pos[:, None].float() / (10000. ** (torch.arange(0, d, 2).float() / d))
    cos, sin = (torch.cat([t] * 2, -1)[:, None].to(torch.bfloat16) for t in (ang.cos(), ang.sin()))

    def rot(t, c, s):
        return t * c + torch.cat((-t[..., d // 2:], t[..., :d // 2]), -1) * s

    def norm(t, w):
        return F.rms_norm(t, t.shape[-1:], w, eps).to(torch.bfloat16)

    rows, off = b["gather"], torch.arange(S).expand(B, Q, S)
    early = torch.ones(P, P, dtype=torch.bool).triu(1)
    for i, L in enumerate(m.layers):
        last, a = i == len(m.layers) - 1, L.self_attn
        h = norm(x, L.input_layernorm.weight)
        k, v = rot(a.k_proj(h).view(-1, G, d), cos, sin), a.v_proj(h).view(-1, G, d)
        kp, vp = k[:B * P].view(B, P, G, d), v[:B * P].view(B, P, G, d)
        ks, vs = k[B * P:][rows], v[B * P:][rows]
        if last:
            at = b["src"] + B * P
            x, h, cos, sin = x[at], h[at], cos[at], sin[at]
        q = rot(a.q_proj(h).view(-1, H, d), cos, sin)
        if last:
            o = attend(q[b["agather"]], kp, vp, ks, vs, b["aoff"])[b["aplace"]]
        else:
            o = attend(q[B * P:][rows], kp, vp, ks, vs, off)[b["place"]]
            r = H // G      # the prefix: plain causal attention
            qp = (q[:B * P] * d ** -.5).view(B, P, G, r, d).permute(0, 2, 3, 1, 4).reshape(B, G, r * P, d)
            w = (qp @ kp.permute(0, 2, 3, 1)).view(B, G, r, P, P).masked_fill(early, float("-inf"))
            w = w.softmax(-1).view(B, G, r * P, P)
            op = (w @ vp.permute(0, 2, 1, 3)).view(B, G, r, P, d).permute(0, 3, 1, 2, 4).reshape(B * P, H * d)
            o = torch.cat([op, o])
        x = x + a.o_proj(o)
        h = norm(x, L.post_attention_layernorm.weight)
        x = x + L.mlp.down_proj(F.silu(L.mlp.gate_proj(h)) * L.mlp.up_proj(h))
    return norm(x, m.norm.weight)


def answer_loss(text, feats, b):
    """Cross-entropy on the answer tokens given the image features [B, 64, d]."""
    emb = text.model.embed_tokens.weight
    logits = F.linear(decode(text, feats, b), emb.to(torch.bfloat16)).float()
    return F.cross_entropy(logits, b["target"]), (logits.argmax(-1) == b["target"]).float().mean().item()


class Oracle(nn.Module):
    """Stand-in image features made from the true layout: the embedding of the word for what covers
    each patch (noun or background colour), where it is, and whether a centre lies there."""

    def __init__(self, tok, d=TEXT["hidden_size"]):
        super().__init__()

        def one(w):
            return tok.token_to_id("▁" + w)

        self.register_buffer("noun", torch.tensor([one(n) for n in data.NAMES]))
        self.register_buffer("colour", torch.tensor([one(c) for c in data.COLOUR_NAMES]))
        self.pos = nn.Parameter(torch.randn(data.GRID ** 2, d) * .03)
        self.ctr = nn.Parameter(torch.randn(d) * .1)
        self.fg = nn.Parameter(torch.randn(d) * .05)

    def forward(self, emb, b):
        lab = b["lab"]
        fg = (lab < data.NK)
        word = torch.where(fg, self.noun[lab.clamp(max=data.NK - 1)], self.colour[b["col"]][:, None])
        return F.embedding(word, emb) + self.pos + b["ctr"][..., None] * self.ctr + fg[..., None] * self.fg


def train_oracle(a):
    torch.manual_seed(1)
    tok = build_tokenizer()
    text = new_text(tok)
    oracle = Oracle(tok)
    opt = Muon([text], a.lr, .05, oracle)
    it = text_batches(2000, a.batch, a.questions, False)
    t0 = last = time.time()
    step, run = 0, None
    while True:
        t = (time.time() - t0) / (60 * a.minutes)
        if t >= 1:
            break
        b = next(it)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, acc = answer_loss(text, oracle(text.model.embed_tokens.weight, b), b)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(text.parameters(), 1.)
        opt.step(a.lr * rate(t, .04))
        step += 1
        s = dict(loss=loss.item(), acc=acc)
        run = s if run is None else {k: .95 * run[k] + .05 * s[k] for k in s}
        if step % 25 == 0:
            print(step, step * a.batch, f"{time.time()-t0:.0f}s", {k: round(v, 4) for k, v in run.items()}, flush=True)
        if time.time() - last > 45:
            save(OUT + "/text.pt", text=text, oracle=oracle, step=step)
            last = time.time()
    save(OUT + "/text.pt", text=text, oracle=oracle, step=step)
    print("oracle done", step)


# ---------------------------------------------------------------- joint phase

class Projector(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear_1 = nn.Linear(VISION["hidden_size"], TEXT["hidden_size"])
        self.linear_2 = nn.Linear(TEXT["hidden_size"], TEXT["hidden_size"])

    def forward(self, h):
        return self.linear_2(F.gelu(self.linear_1(h)))


def clock(hm):
    """Today's HH:MM in UTC as seconds since the epoch."""
    h, m = map(int, hm.split(":"))
    return time.time() // 86400 * 86400 + h * 3600 + m * 60


def align(proj, vision, text, oracle, it, minutes):
    """Fit the projector to the stand-in features."""
    opt = torch.optim.AdamW(proj.parameters(), lr=3e-3, weight_decay=0.)
    t0, step = time.time(), 0
    while time.time() - t0 < minutes * 60:
        b = next(it)
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            h = encode(vision, pixels(b["px"]))[:, 1:].float()
            want = oracle(text.model.embed_tokens.weight, b).float()
        for g in opt.param_groups:
            g["lr"] = 3e-3 * rate((time.time() - t0) / (minutes * 60), .05)
        loss = F.mse_loss(proj(h), want)
        opt.zero_grad()
        loss.backward()
        opt.step()
        step += 1
        if step % 20 == 0:
            print("align", step, f"{time.time()-t0:.0f}s", round(loss.item() / want.var().item(), 4), flush=True)


def train_joint(a):
    """Everything together on pictures and answers, in `--ranks` processes of one thread each which share
    the weights: on a busy machine that loses far less to waiting than threads within one process."""
    torch.manual_seed(2)
    torch.set_num_threads(1)
    tok = build_tokenizer()
    vision, heads, text, oracle, proj = new_vision(), Heads(), new_text(tok), Oracle(tok), Projector()
    parts = dict(vision=vision, heads=heads, text=text, proj=proj)
    path = OUT + "/joint.pt"
    if a.resume:
        ck = torch.load(path)
        for k, m in parts.items():
            m.load_state_dict(ck[k], strict=k != "heads")
    else:
        ck = torch.load(OUT + "/vision.pt")
        vision.load_state_dict(ck["vision"])
        heads.load_state_dict(ck["heads"], strict=False)
        ck = torch.load(OUT + "/text.pt")
        text.load_state_dict(ck["text"])
        oracle.load_state_dict(ck["oracle"])
    for m in parts.values():
        m.share_memory()
    opt = Muon([vision, text, proj], a.lr, .05, heads)
    go_on = a.resume and "opt" in ck and not a.fresh
    if go_on:
        opt.load_state_dict(ck["opt"])
    begin = ck["begin"] if go_on and a.end else time.time()   # go on with the same decay
    end = clock(a.end) if a.end else begin + 60 * a.minutes
    spent, seen = (ck.get("spent", 0.), ck["seen"]) if a.resume else (0., 0)
    every = [p for m in parts.values() for p in m.parameters()]
    grads = [[torch.zeros_like(p).share_memory_() for p in every] for _ in range(a.ranks)]
    now_lr = torch.zeros(1).share_memory_()
    ctx = mp.get_context("fork")
    barrier = ctx.Barrier(a.ranks)

    def work(rank):
        nonlocal seen
        torch.set_num_threads(1)
        it = text_batches([3000, seen, rank], a.batch // a.ranks, a.questions, True, a.packed)
        if not a.resume and rank == 0:
            align(proj, vision, text, oracle, it, a.align)
        barrier.wait()
        t0 = last = now = time.time()
        step, run = 0, None
        while now_lr >= 0:
            b = next(it)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                h = encode(vision, pixels(b["px"]))
                loss, acc = answer_loss(text, proj(h[:a.batch // a.ranks, 1:]), b)
            side = heads(h.float(), b)
            opt.zero_grad(set_to_none=True)
            (loss + a.side * side).backward()
            for g, p in zip(grads[rank], every):
                if p.grad is not None:
                    g.copy_(p.grad)
            barrier.wait()
            own = set(map(id, opt.mine(rank, a.ranks)))
            for i, p in enumerate(every):
                if id(p) in own:
                    p.grad = sum(g[i] for g in grads) / a.ranks
            opt.step(now_lr.item(), rank, a.ranks)
            barrier.wait()
            step += 1
            seen += a.batch
            if rank:
                barrier.wait()
                continue
            now = time.time()
            now_lr.fill_(a.lr * rate((now - begin) / (end - begin), .02, a.hold) if now < end else -1.)
            barrier.wait()
            s = dict(loss=loss.item(), acc=acc, **heads.stat)
            run = s if run is None else {k: .97 * run[k] + .03 * s[k] for k in s}
            if step % 25 == 0:
                print(step, seen, f"{now-t0:.0f}s", f"lr {now_lr.item():.2e}", {k: round(v, 4) for k, v in run.items()}, flush=True)
            if now - last > 100 or now >= end:
                save(path, **parts, opt=opt, seen=seen, begin=begin, spent=spent + now - t0)
                last = now
        if rank == 0:
            print("joint done", step, seen, f"minutes in all {(spent + now - t0) / 60:.1f}")

    ranks = [ctx.Process(target=work, args=(r,)) for r in range(a.ranks)]
    for p in ranks:
        p.start()
    for p in ranks:
        p.join()


# ---------------------------------------------------------------- export

CHAT = ("{% for message in messages %}{% if message['role'] == 'user' %}{{ 'USER: ' }}{% else %}{{ 'ASSISTANT: ' }}{% endif %}"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for item in message['content'] %}{% if item['type'] == 'image' %}{{ '<image>\n' }}{% endif %}{% endfor %}"
        "{% for item in message['content'] %}{% if item['type'] == 'text' %}{{ item['text'] }}{% endif %}{% endfor %}{% endif %}"
        "{% if message['role'] == 'user' %}{{ ' ' }}{% else %}{{ eos_token }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")


def export(a):
    """Write model/: the stock LLaVA classes' own layout, weights in float16."""
    from transformers import CLIPVisionConfig, GenerationConfig, LlavaConfig, LlavaForConditionalGeneration
    tok = build_tokenizer()
    ck = torch.load(OUT + "/joint.pt")
    text = new_text(tok)
    text.load_state_dict(ck["text"])
    cfg = LlavaConfig(vision_config=CLIPVisionConfig(**VISION), text_config=text.config,
                      image_token_index=tok.token_to_id("<image>"), projector_hidden_act="gelu",
                      vision_feature_select_strategy="default", vision_feature_layer=FEATURE_LAYER,
                      image_seq_length=data.GRID ** 2, tie_word_embeddings=True)
    model = LlavaForConditionalGeneration(cfg)
    vt = model.model.vision_tower
    getattr(vt, "vision_model", vt).load_state_dict(ck["vision"])
    model.model.multi_modal_projector.load_state_dict(ck["proj"])
    model.model.language_model.load_state_dict(text.model.state_dict())
    model.tie_weights()
    model.generation_config = GenerationConfig(bos_token_id=cfg.text_config.bos_token_id, eos_token_id=cfg.text_config.eos_token_id,
                                               pad_token_id=cfg.text_config.pad_token_id, do_sample=False, max_new_tokens=48)
    model.half().save_pretrained("model")
    # the names LLaVA checkpoints are published with; the classes of any version map them to their own
    from safetensors.torch import load_file, save_file
    path = "model/model.safetensors"
    published = re.compile(r"^vision_tower\.(?!vision_model\.)")
    wts = {published.sub("vision_tower.vision_model.", k): v for k, v in load_file(path).items()}
    save_file(wts, path, metadata=dict(format="pt"))
    os.chmod(path, 0o644)
    tok.save("model/tokenizer.json")
    # The trainer makes special tokens of the bytes; they are text, and decoding is to keep them.
    with open("model/tokenizer.json", encoding="utf8") as f:
        saved = json.load(f)
    saved["added_tokens"] = [t for t in saved["added_tokens"] if not t["content"].startswith("<0x")]
    with open("model/tokenizer.json", "w", encoding="utf8") as f:
        json.dump(saved, f, indent=2, ensure_ascii=False)

    def w(name, obj):
        with open("model/" + name, "w") as f:
            f.write(obj if isinstance(obj, str) else json.dumps(obj, indent=2) + "\n")

    toks = dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>")
    w("special_tokens_map.json", toks)
    w("tokenizer_config.json", dict(tokenizer_class="PreTrainedTokenizerFast", **toks, add_bos_token=True, add_eos_token=False,
                                    clean_up_tokenization_spaces=False, model_max_length=TEXT["max_position_embeddings"],
                                    padding_side="left", extra_special_tokens=dict(image_token="<image>"), image_token="<image>",
                                    processor_class="LlavaProcessor", chat_template=CHAT))
    w("chat_template.jinja", CHAT)
    s = data.SIZE
    w("preprocessor_config.json", dict(image_processor_type="CLIPImageProcessor", do_convert_rgb=True, do_resize=True,
                                       size=dict(shortest_edge=s), resample=3, do_center_crop=True, crop_size=dict(height=s, width=s),
                                       do_rescale=True, rescale_factor=1 / 255, do_normalize=True,
                                       image_mean=[round(x, 8) for x in MEAN.tolist()], image_std=[round(x, 8) for x in STD.tolist()],
                                       processor_class="LlavaProcessor"))
    w("processor_config.json", dict(processor_class="LlavaProcessor", patch_size=data.PATCH, image_token="<image>",
                                    num_additional_image_tokens=1, vision_feature_select_strategy="default"))
    n = sum(p.numel() for p in model.parameters())
    print("exported", n, "weights", os.path.getsize("model/model.safetensors"), "bytes; pictures in the joint phase", ck["seen"])


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("phase", choices=["vision", "oracle", "joint", "export"])
    p.add_argument("--minutes", type=float, default=8)
    p.add_argument("--batch", type=int, default=32, help="scenes a step")
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--questions", type=int, default=6, help="oracle, joint: questions a scene")
    p.add_argument("--align", type=float, default=1., help="joint: minutes of fitting the projector first")
    p.add_argument("--resume", action="store_true", help="joint: go on from its checkpoint")
    p.add_argument("--ranks", type=int, default=2, help="joint: processes")
    p.add_argument("--fresh", action="store_true", help="joint: with --resume, take the weights only")
    p.add_argument("--end", help="joint: end at this time of day (HH:MM, UTC) instead of after --minutes")
    p.add_argument("--hold", type=float, default=.25, help="joint: share of the time at the full rate")
    p.add_argument("--side", type=float, default=.3, help="joint: weight of the dense targets")
    p.add_argument("--packed", type=int, default=0, help="joint: packed pictures added to each batch for the dense targets")
    a = p.parse_args()
    torch.set_num_threads(int(os.environ.get("THREADS", "2")))
    os.makedirs(OUT, exist_ok=True)
    dict(vision=train_vision, oracle=train_oracle, joint=train_joint, export=export)[a.phase](a)
