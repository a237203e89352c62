# SPDX-License-Identifier: Apache-2.0
"""Synthetic emoji scenes with captions and questions, for the Tessera demo model.

Everything is generated: a scene is a set of emoji sprites pasted on a plain,
graded or lightly noisy background, and every sentence about it follows from the
list of placed objects, so captions and answers are exact by construction.

The same seed always gives the same scene. Pairs of kinds picked by
`is_held_out_pair` never appear together in a training scene.
"""
import os
import zlib

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONT = os.environ.get("EMOJI_FONT", "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
SIZE = 128          # image side the model sees
PATCH = 16          # patch side; the dense training targets live on this grid
GRID = SIZE // PATCH

# name | plural (blank: regular) | code point | category
_KINDS = """
cat||1F431|animal
dog||1F436|animal
mouse|mice|1F42D|animal
rabbit||1F430|animal
fox|foxes|1F98A|animal
panda||1F43C|animal
tiger||1F42F|animal
lion||1F981|animal
cow||1F42E|animal
pig||1F437|animal
frog||1F438|animal
monkey||1F435|animal
penguin||1F427|animal
duck||1F986|animal
owl||1F989|animal
horse||1F434|animal
bee||1F41D|animal
butterfly|butterflies|1F98B|animal
snail||1F40C|animal
turtle||1F422|animal
snake||1F40D|animal
octopus|octopuses|1F419|animal
crab||1F980|animal
fish|fish|1F420|animal
elephant||1F418|animal
pear||1F350|food
lemon||1F34B|food
banana||1F34C|food
watermelon||1F349|food
strawberry|strawberries|1F353|food
pineapple||1F34D|food
tomato|tomatoes|1F345|food
carrot||1F955|food
mushroom||1F344|food
pizza||1F355|food
burger||1F354|food
donut||1F369|food
cookie||1F36A|food
cake||1F382|food
car||1F697|vehicle
bus|buses|1F68C|vehicle
tractor||1F69C|vehicle
bicycle||1F6B2|vehicle
train||1F682|vehicle
rocket||1F680|vehicle
helicopter||1F681|vehicle
sailboat||26F5|vehicle
football||26BD|thing
basketball||1F3C0|thing
guitar||1F3B8|thing
umbrella||2614|thing
clock||23F0|thing
key||1F511|thing
balloon||1F388|thing
present||1F381|thing
camera||1F4F7|thing
crown||1F451|thing
robot||1F916|thing
ghost||1F47B|thing
house||1F3E0|thing
tree||1F333|thing
cactus|cactuses|1F335|thing
sunflower||1F33B|thing
star||2B50|thing
apple||1F34E|food
heart||2764|thing
"""
KINDS = []
for _line in _KINDS.strip().splitlines():
    _n, _p, _c, _g = _line.split("|")
    KINDS.append(dict(name=_n, plural=_p or _n + "s", char=chr(int(_c, 16)), group=_g))
NAMES = [k["name"] for k in KINDS]
NK = len(KINDS)

# colour name -> HSV box (hue in degrees, may exceed 360; saturation; value)
COLOURS = {
    "red": ((352, 368), (.75, .95), (.70, .95)),
    "orange": ((22, 33), (.80, 1.0), (.90, 1.0)),
    "yellow": ((49, 58), (.60, .95), (.92, 1.0)),
    "green": ((105, 145), (.50, .90), (.45, .85)),
    "blue": ((208, 235), (.55, .95), (.55, .95)),
    "purple": ((270, 288), (.50, .85), (.45, .80)),
    "pink": ((325, 345), (.25, .50), (.93, 1.0)),
    "brown": ((20, 30), (.55, .75), (.32, .50)),
    "black": ((0, 360), (0, .10), (.02, .13)),
    "grey": ((0, 360), (0, .05), (.42, .66)),
    "white": ((0, 360), (0, .03), (.94, 1.0)),
}
COLOUR_NAMES = list(COLOURS)
NUMBERS = ["no", "one", "two", "three", "four", "five", "six"]


def _held_out(a, b):
    key = "+".join(sorted((NAMES[a], NAMES[b])))
    return a != b and zlib.crc32(key.encode()) % 15 == 0


_HELD = [[_held_out(a, b) for b in range(NK)] for a in range(NK)]


def is_held_out_pair(a, b):
    """About one pair of kinds in fifteen, by a hash of the names."""
    return _HELD[a][b]


# ---------------------------------------------------------------- sprites

def sprite(kind):
    """One emoji as a square, tightly cropped RGBA picture at the font's own size."""
    font = ImageFont.truetype(FONT, 109)
    im = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
    ImageDraw.Draw(im).text((10, 10), KINDS[kind]["char"], font=font, embedded_color=True)
    im = im.crop(im.getchannel("A").getbbox())
    side = max(im.size)
    out = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    out.paste(im, ((side - im.width) // 2, (side - im.height) // 2))
    return out


def render_sprite(base, size, angle):
    pad = Image.new("RGBA", (base.width * 5 // 4,) * 2, (0, 0, 0, 0))
    pad.paste(base, ((pad.width - base.width) // 2,) * 2)
    pad = pad.rotate(angle, Image.BICUBIC)
    side = max(2, round(size * 1.25))
    return np.asarray(pad.resize((side, side), Image.LANCZOS, reducing_gap=None))


SIZES = [28, 32, 36, 40, 44, 49, 54, 60, 67, 74]
ANGLES = [-15, -10, -5, 0, 5, 10, 15]


class Bank:
    """All sprites, drawn once at a grid of sizes and angles (premultiplied)."""

    def __init__(self):
        self.base = [sprite(k) for k in range(NK)]
        self.cache = {}

    def get(self, kind, si, ai):
        key = (kind, si, ai)
        got = self.cache.get(key)
        if got is None:
            a = render_sprite(self.base[kind], SIZES[si], ANGLES[ai]).astype(np.float32)
            alpha = a[..., 3:] / 255
            got = self.cache[key] = (a[..., :3] * alpha, 1 - alpha)
        return got


# ---------------------------------------------------------------- scenes

def hsv(h, s, v):
    h = (h % 360) / 60
    i = int(h)
    f = h - i
    p, q, t = v * (1 - s), v * (1 - s * f), v * (1 - s * (1 - f))
    return np.array([(v, t, p), (q, v, p), (p, v, t), (p, q, v), (t, p, v), (v, p, q)][i % 6], np.float32)


def pick_colour(rng, name):
    return hsv(*(rng.uniform(a, b) for a, b in COLOURS[name])) * 255


def plan_packed(rng):
    """Nine small objects on a jittered grid: the most dense supervision per picture for the encoder."""
    while True:
        kinds = [int(k) for k in rng.choice(NK, 9, replace=False)]
        if not any(is_held_out_pair(a, b) for i, a in enumerate(kinds) for b in kinds[:i]):
            break
    sx, sy = rng.uniform(-6, 6, 2)
    objects = []
    for i, k in enumerate(kinds):
        x = np.clip(64 + sx + (i % 3 - 1) * 42 + rng.uniform(-6, 6), 18, SIZE - 18)
        y = np.clip(64 + sy + (i // 3 - 1) * 42 + rng.uniform(-6, 6), 18, SIZE - 18)
        objects.append((k, float(x), float(y), int(rng.integers(0, 5)), int(rng.integers(len(ANGLES)))))
    return dict(objects=objects, colour=COLOUR_NAMES[rng.integers(len(COLOUR_NAMES))],
                style=int(rng.integers(3)))


# how many kinds a scene has: the test's shares, and the harder ones trained on
SHARES = dict(mix=[.30, .45, .25], train=[.15, .45, .40])


def plan_scene(rng, mode="mix", held_out=False):
    """Choose what is in a scene and where. `objects` holds (kind, x, y, size index, angle index)."""
    if mode == "packed":
        return plan_packed(rng)
    if mode == "single":
        counts = [1]
    else:
        n = rng.choice(3, p=SHARES[mode]) + 1
        if held_out:
            n = max(n, 2)
        counts = []
        left = 6
        for i in range(n):
            c = int(rng.choice(4, p=[.52, .24, .14, .10])) + 1
            c = min(c, left - (n - 1 - i))
            left -= c
            counts.append(c)
    while True:
        kinds = [int(k) for k in rng.choice(NK, len(counts), replace=False)]
        pairs = [is_held_out_pair(a, b) for i, a in enumerate(kinds) for b in kinds[:i]]
        if any(pairs) == held_out:
            break
    total = sum(counts)
    hi = {1: 10, 2: 9, 3: 7, 4: 6, 5: 5, 6: 4}[total]
    lo = 4 if mode == "single" else (2 if total == 1 else 0)
    while True:   # place by rejection: little overlap, kinds separable left to right
        objects = []
        for kind, c in zip(kinds, counts):
            for _ in range(c):
                for _try in range(30):
                    si = int(rng.integers(lo, hi))
                    r = SIZES[si] / 2
                    x, y = rng.uniform(r, SIZE - r, 2)
                    if all(max(abs(x - o[1]), abs(y - o[2])) > .92 * (r + SIZES[o[3]] / 2) for o in objects):
                        objects.append((kind, float(x), float(y), si, int(rng.integers(len(ANGLES)))))
                        break
        if len(objects) < total:
            continue
        first = sorted(min(o[1] for o in objects if o[0] == k) for k in kinds)
        if all(b - a > 6 for a, b in zip(first, first[1:])):
            break
    return dict(objects=objects, colour=COLOUR_NAMES[rng.integers(len(COLOUR_NAMES))],
                style=int(rng.integers(3)))


_NOISE = None


def draw_scene(scene, rng, bank, scale=1.0, width=SIZE, height=SIZE):
    """Draw a planned scene. With scale > 1 the planned square sits in the middle of a larger canvas."""
    global _NOISE
    if _NOISE is None:
        _NOISE = np.random.default_rng(0).normal(size=(2 * SIZE, 2 * SIZE, 3)).astype(np.float32)
    ca = pick_colour(rng, scene["colour"])
    canvas = np.empty((height, width, 3), np.float32)
    if scene["style"] == 1:     # a gradient between two shades of the same colour
        cb = pick_colour(rng, scene["colour"])
        th = rng.uniform(0, 2 * np.pi)
        gx = np.linspace(-.5, .5, width, dtype=np.float32)[None, :, None]
        gy = np.linspace(-.5, .5, height, dtype=np.float32)[:, None, None]
        t = np.clip(.5 + .8 * (gx * np.float32(np.cos(th)) + gy * np.float32(np.sin(th))), 0, 1)
        canvas[:] = ca + (cb - ca) * t
    else:
        canvas[:] = ca
        if scene["style"] == 2:
            sigma = np.float32(rng.uniform(2, 9))
            oy, ox = rng.integers(0, SIZE, 2)
            n = _NOISE[oy:oy + SIZE, ox:ox + SIZE]
            if scale != 1:
                n = np.resize(_NOISE, (height, width, 3))
            canvas += n * sigma
    offx, offy = (width - SIZE * scale) / 2, (height - SIZE * scale) / 2
    for kind, x, y, si, ai in scene["objects"]:
        if scale == 1:
            rgb, keep = bank.get(kind, si, ai)
        else:
            a = render_sprite(bank.base[kind], SIZES[si] * scale, ANGLES[ai]).astype(np.float32)
            keep = 1 - a[..., 3:] / 255
            rgb = a[..., :3] * (1 - keep)
        side = rgb.shape[0]
        x0, y0 = round(offx + x * scale - side / 2), round(offy + y * scale - side / 2)
        xa, ya, xb, yb = max(x0, 0), max(y0, 0), min(x0 + side, width), min(y0 + side, height)
        gain = np.float32(rng.uniform(.82, 1.12))
        sy, sx = slice(ya - y0, yb - y0), slice(xa - x0, xb - x0)
        canvas[ya:yb, xa:xb] = canvas[ya:yb, xa:xb] * keep[sy, sx] + rgb[sy, sx] * gain
    canvas *= np.float32(rng.uniform(.95, 1.04))
    return np.clip(canvas + .5, 0, 255).astype(np.uint8)


_PC = (np.arange(GRID, dtype=np.float32) + .5) * PATCH


def dense_targets(scene):
    """Per patch: which kind covers it (NK = background), whether an object's centre lies in it, and, where
    something covers it, how many of that kind there are, the kind's place from left to right, and how
    many kinds there are (each from 0; -100 where nothing is, or in a packed scene)."""
    lab = np.full((GRID, GRID), NK, np.int64)
    best = np.full((GRID, GRID), 1e9, np.float32)
    ctr = np.zeros((GRID, GRID), np.float32)
    for kind, x, y, si, _ in scene["objects"]:
        d = np.maximum(np.abs(_PC[None] - x), np.abs(_PC[:, None] - y)) / SIZES[si]
        m = (d < .42) & (d < best)
        lab[m] = kind
        best[m] = d[m]
        cy, cx = min(int(y / PATCH), GRID - 1), min(int(x / PATCH), GRID - 1)
        ctr[cy, cx] = 1
        lab[cy, cx] = kind
    order, n, _ = facts(scene)
    tell = np.full((NK + 1, 3), -100, np.int64)
    if len(order) <= 3:
        for i, k in enumerate(order):
            tell[k] = n[k] - 1, i, len(order) - 1
    lab = lab.reshape(-1)
    return dict(lab=lab, ctr=ctr.reshape(-1), tell=tell[lab], col=COLOUR_NAMES.index(scene["colour"]))


# ---------------------------------------------------------------- language

def an(name):
    return ("an " if name[0] in "aeiou" and not name.startswith("uni") else "a ") + name


def some(kind, n):
    """'a cat', 'two cats'"""
    return an(NAMES[kind]) if n == 1 else NUMBERS[n] + " " + KINDS[kind]["plural"]


def noun(kind, n):
    return NAMES[kind] if n == 1 else KINDS[kind]["plural"]


def join(parts):
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def cap(s):
    return s[0].upper() + s[1:]


def facts(scene):
    """Kinds from left to right by their leftmost object, with counts and centres."""
    by = {}
    for o in scene["objects"]:
        by.setdefault(o[0], []).append(o)
    order = sorted(by, key=lambda k: min(o[1] for o in by[k]))
    return order, {k: len(by[k]) for k in by}, by


DESCRIBE = ["Describe the image.", "Describe this picture.", "Describe the picture.", "What does the image show?",
            "Write a caption for this image.", "Describe this image."]
WHAT = ["What is in the picture?", "What is in the image?", "What do you see?", "What is this?",
        "What can you see in the picture?", "What objects are in the image?"]
HOW_MANY = ["How many {} are there?", "How many {} are in the picture?", "How many {} do you see?",
            "How many {} can you see?", "How many {} are in the image?"]
IS_A = ["Is there {} in the picture?", "Is there {}?", "Can you see {}?", "Do you see {}?", "Is there {} in the image?"]
ARE_ANY = ["Are there any {}?", "Are there any {} in the picture?", "Do you see any {}?"]
COLOUR_Q = ["What colour is the background?", "What color is the background?", "What is the background colour?",
            "What is the background color?", "Which colour is the background?"]
REL = ["left of", "right of"]
REL_FORMS = {"left of": ["left of", "to the left of"], "right of": ["right of", "to the right of"]}
def caption(scene):
    order, n, _ = facts(scene)
    return cap(join([some(k, n[k]) for k in order])) + f" on {an(scene['colour'])} background."


def listing(scene):
    order, n, _ = facts(scene)
    return cap(join([some(k, n[k]) for k in order])) + "."


def holds(rel, a, b):
    """Whether object a stands in the relation to object b: True, False or None (too close to call)."""
    d = b[1] - a[1] if rel == "left of" else a[1] - b[1]
    return True if d > 12 else False if d < -12 else None


def absent(rng, scene_kinds):
    while True:
        k = int(rng.integers(NK))
        if k not in scene_kinds:
            return k


def q_caption(scene, rng):
    return DESCRIBE[rng.integers(len(DESCRIBE))], caption(scene)


def q_what(scene, rng):
    return WHAT[rng.integers(len(WHAT))], listing(scene)


def q_count(scene, rng, kind=None):
    order, n, _ = facts(scene)
    if kind is None:
        kind = absent(rng, n) if rng.random() < .15 else order[rng.integers(len(order))]
    c = n.get(kind, 0)
    q = HOW_MANY[rng.integers(len(HOW_MANY))].format(KINDS[kind]["plural"])
    return q, f"There {'is' if c == 1 else 'are'} {NUMBERS[c]} {noun(kind, c)}."


def q_exists(scene, rng, yes=None):
    order, n, _ = facts(scene)
    yes = rng.random() < .5 if yes is None else yes
    kind = order[rng.integers(len(order))] if yes else absent(rng, n)
    c = n.get(kind, 0)
    if rng.random() < .7:
        q = IS_A[rng.integers(len(IS_A))].format(an(NAMES[kind]))
        no = f"No, there is no {NAMES[kind]}."
    else:
        q = ARE_ANY[rng.integers(len(ARE_ANY))].format(KINDS[kind]["plural"])
        no = f"No, there are no {KINDS[kind]['plural']}."
    return q, (f"Yes, there {'is' if c == 1 else 'are'} {some(kind, c)}." if c else no)


def q_colour(scene, rng):
    return COLOUR_Q[rng.integers(len(COLOUR_Q))], f"The background is {scene['colour']}."


def q_relation(scene, rng):
    """'What is left of the pizza?' where exactly one kind, or nothing, is on that side."""
    order, n, by = facts(scene)
    singles = [k for k in order if n[k] == 1]
    if len(order) < 2 or not singles:
        return None
    ref = singles[rng.integers(len(singles))]
    rels = list(rng.permutation(2))
    keep_nothing = rng.random() < .25
    for r in rels:
        rel = REL[r]
        side = [[holds(rel, o, by[ref][0]) for o in by[k]] for k in order if k != ref]
        if any(v is None for s in side for v in s):
            continue
        found = [k for k, s in zip([k for k in order if k != ref], side) if any(s)]
        if len(found) > 1 or (not found and not keep_nothing):
            continue
        form = REL_FORMS[rel][rng.integers(len(REL_FORMS[rel]))]
        q = f"What is {form} the {NAMES[ref]}?"
        if not found:
            return q, f"Nothing is {rel} the {NAMES[ref]}."
        if not all(holds(rel, o, by[ref][0]) for o in by[found[0]]):
            continue
        c = n[found[0]]
        return q, f"{cap(some(found[0], c))} {'is' if c == 1 else 'are'} {rel} the {NAMES[ref]}."
    return None


# name -> (maker, weight in training)
TASKS = dict(caption=(q_caption, 1.3), what=(q_what, 1.0), count=(q_count, 1.6),
             exists=(q_exists, .4), colour=(q_colour, .1), relation=(q_relation, 4.))
_TN = list(TASKS)
_TW = np.array([TASKS[t][1] for t in _TN])
_TW = _TW / _TW.sum()


def plan_training(rng):
    """A scene to train on: of up to three, the first about which a left/right question has an answer."""
    for _ in range(3):
        scene = plan_scene(rng, "train")
        if q_relation(scene, rng):
            break
    return scene


def questions(scene, rng, k):
    """k different question-answer pairs about a scene, as (task, question, answer)."""
    out, seen = [], set()
    for _ in range(20 * k):
        if len(out) == k:
            break
        t = _TN[rng.choice(len(_TN), p=_TW)]
        qa = TASKS[t][0](scene, rng)
        if qa and qa[0] not in seen:
            seen.add(qa[0])
            out.append((t, *qa))
    return out


HEAD = "USER: <image>\n"


def prompt(question):
    return f"{HEAD}{question} ASSISTANT:"


if __name__ == "__main__":   # python data.py FOLDER: a sheet of the sprites and one of scenes, some questions
    import sys
    bank = Bank()
    sheet = Image.new("RGB", (12 * 70, -(-NK // 12) * 70), "white")
    for i in range(NK):
        s = bank.base[i].resize((64, 64))
        sheet.paste(s, (i % 12 * 70 + 3, i // 12 * 70 + 3), s)
    sheet.save(sys.argv[1] + "/sheet.png")
    rng = np.random.default_rng(1)
    demo = Image.new("RGB", (6 * 132, 4 * 132))
    for i in range(24):
        sc = plan_scene(rng)
        demo.paste(Image.fromarray(draw_scene(sc, rng, bank)), (i % 6 * 132, i // 6 * 132))
        if i < 8:
            for t in questions(sc, rng, 6):
                print(t)
    demo.save(sys.argv[1] + "/scenes.png")
