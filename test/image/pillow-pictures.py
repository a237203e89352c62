"""Writes pillow-pictures.json: odd picture files and the RGB that Pillow reads from them.

Run with Pillow 13 and numpy; the tests need only the JSON.
"""

import base64
import io
import json
import pathlib
import struct
import zlib

import numpy as np
import PIL
from PIL import Image, ImageCms, ImageOps

HEIGHT, WIDTH = 5, 7
random = np.random.default_rng(3)
rgb = random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
alpha = random.integers(0, 256, (HEIGHT, WIDTH, 1), dtype=np.uint8)
alpha[0, :2, 0] = 0, 255
grey = rgb[..., 0]
grey16 = random.integers(0, 65536, (HEIGHT, WIDTH)).astype(">u2")
grey16[0, :3] = 0, 100, 255
rgb16 = random.integers(0, 65536, (HEIGHT, WIDTH, 3)).astype(">u2")
y, x = np.mgrid[0:20, 0:30]
smooth = np.stack([(x * 8) % 256, y * 12, (x * y) // 3 % 256], 2).astype(np.uint8)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(colour_type: int, depth: int, rows: list[bytes], extra: bytes = b"") -> bytes:
    """A PNG by hand, for the kinds Pillow does not write."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour_type, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + extra + pixels + chunk(b"IEND", b"")


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def oriented(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x112] = value
    return exif


# Red and green primaries exchanged: a reader that applies it cannot go unnoticed.
swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
swapped = swapped.replace(b"rXYZ", b"TEMP", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"TEMP", b"gXYZ", 1)

colour = Image.fromarray(rgb)
palette = colour.quantize(8)
files = {
    "rgb.png": saved(colour, "PNG"),
    "rgba.png": saved(Image.fromarray(np.concatenate([rgb, alpha], 2)), "PNG"),
    "grey.png": saved(Image.fromarray(grey), "PNG"),
    "grey-alpha.png": saved(Image.fromarray(np.stack([grey, alpha[..., 0]], 2)), "PNG"),
    "palette.png": saved(palette, "PNG"),
    "palette-one-transparent.png": saved(palette, "PNG", transparency=3),
    "palette-alpha.png": saved(palette, "PNG", transparency=bytes([0, 50, 255, 9])),
    "1-bit.png": saved(Image.fromarray(grey > 128), "PNG"),
    "1-bit-transparent.png": png(0, 1, [bytes([0b10110010])] * HEIGHT, chunk(b"tRNS", b"\0\1")),
    "2-bit.png": png(0, 2, [bytes([0b00011011, 0b11100100])] * HEIGHT),
    "4-bit.png": png(0, 4, [bytes([0x01, 0x23, 0x89, 0xF0])] * HEIGHT),
    "grey-16.png": png(0, 16, [row.tobytes() for row in grey16]),
    "grey-alpha-16.png": png(4, 16, [np.stack([row, row[::-1]], 1).tobytes() for row in grey16]),
    "rgb-16.png": png(2, 16, [row.tobytes() for row in rgb16]),
    "rgba-16.png": png(6, 16, [np.concatenate([row, row[:, :1]], 1).tobytes() for row in rgb16]),
    "gamma.png": png(2, 8, [row.tobytes() for row in rgb], chunk(b"gAMA", struct.pack(">I", 100000))),
    "profile.png": saved(colour, "PNG", icc_profile=swapped),
    "profile.jpg": saved(Image.fromarray(smooth), "JPEG", icc_profile=swapped),
    "smooth.jpg": saved(Image.fromarray(smooth), "JPEG", quality=85),
    "progressive.jpg": saved(Image.fromarray(smooth), "JPEG", progressive=True),
    "grey.jpg": saved(Image.fromarray(smooth[..., 0]), "JPEG"),
    "cmyk.jpg": saved(Image.fromarray(smooth).convert("CMYK"), "JPEG"),
    "lossy.webp": saved(Image.fromarray(smooth), "WEBP", quality=80),
    "alpha.webp": saved(Image.fromarray(np.concatenate([rgb, alpha], 2)), "WEBP", lossless=True, exact=True),
    "palette.gif": saved(palette, "GIF"),
    "two-frames.gif": saved(palette, "GIF", save_all=True, append_images=[Image.fromarray(rgb[::-1]).quantize(8)]),
    "1xN.png": saved(colour.crop((0, 0, 1, HEIGHT)), "PNG"),
    "Nx1.png": saved(colour.crop((0, 0, WIDTH, 1)), "PNG"),
}
for value in range(1, 9):
    files[f"orientation-{value}.jpg"] = saved(Image.fromarray(smooth), "JPEG", exif=oriented(value))
    files[f"orientation-{value}.png"] = saved(colour, "PNG", exif=oriented(value))
    files[f"orientation-{value}.webp"] = saved(colour, "WEBP", exif=oriented(value), lossless=True)


def entry(name: str, data: bytes) -> dict:
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    return {
        "name": name,
        "file": base64.b64encode(data).decode(),
        "width": image.width,
        "height": image.height,
        "rgb": base64.b64encode(image.tobytes()).decode(),
    }


text = json.dumps({"pillow": PIL.__version__, "pictures": [entry(*item) for item in files.items()]}, indent=1)
pathlib.Path(__file__).with_suffix(".json").write_text(text + "\n")
