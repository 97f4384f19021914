"""Draws single characters with real fonts: the data of the glyph classifier.

A picture is f32[1, 32, 32] with values in [-1, 1]; the label is one of CLASSES, in which characters that look alike in
isolation are one. Font files are divided: those that the classifier was trained on, those for choosing recipes and those
for final figures have no file in common; calibration takes pictures in training faces that no training run drew. A file
that is held out has relatives among those trained on: another weight or slope of its family, or a design like it.

A harder split has the font files of the final one, with every distortion half as large again as in training.

python glyph_data.py SPLIT COUNT OUT.npz     writes `image` f32[COUNT, 1, 32, 32] and `label` i64[COUNT]
"""

import pathlib
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = pathlib.Path("/usr/share/fonts/truetype")
CLASSES = (
    "0Oo", "1lI", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "Cc", "D", "E", "F", "G", "H", "J", "Kk", "L", "M",
    "N", "Pp", "Q", "R", "Ss", "T", "Uu", "Vv", "Ww", "Xx", "Yy", "Zz", "a", "b", "d", "e", "f", "g", "h", "i", "j", "m",
    "n", "q", "r", "t",
)  # fmt: skip
EDGE = 32
CONTRAST = 64
SELECTION = (
    "dejavu/DejaVuSansMono-Bold", "dejavu/DejaVuSerif-Italic", "freefont/FreeSansOblique", "liberation/LiberationMono-Regular",
    "liberation/LiberationSerif-Italic",
)  # fmt: skip
FINAL = (
    "dejavu/DejaVuSansCondensed-Bold", "dejavu/DejaVuSerifCondensed", "dejavu/DejaVuSans-Oblique", "freefont/FreeMonoBold",
    "freefont/FreeSerif", "freefont/FreeSansBold", "liberation/LiberationSansNarrow-Regular", "liberation/LiberationSerif-Bold",
    "liberation/LiberationSans-Italic",
)  # fmt: skip
SEEDS = {"train": 1, "calibration": 2, "selection": 3, "final": 4, "harder": 5}


def faces(split):
    """The font files of a split, in a fixed order."""
    held_out = {"selection": SELECTION, "final": FINAL, "harder": FINAL}
    if split in held_out:
        return [FONTS / f"{name}.ttf" for name in held_out[split]]
    names = sorted(path for path in FONTS.glob("*/*.ttf") if "Math" not in path.name)
    taken = {str(FONTS / f"{name}.ttf") for name in SELECTION + FINAL}
    families = ("dejavu", "freefont", "liberation")
    return [path for path in names if path.parent.name in families and str(path) not in taken]


def draw(random, character, face, strain=1):
    """One character as f32[32, 32], its distortions `strain` times as large as usual."""
    font = ImageFont.truetype(str(face), int(random.integers(20, 29)))
    left, top, right, bottom = font.getbbox(character)
    while True:
        ink, paper = (int(level) for level in random.integers(0, 256, 2))
        if abs(ink - paper) >= CONTRAST:
            break
    x = (EDGE - (right - left)) / 2 - left + random.uniform(-2, 2) * strain
    y = (EDGE - (bottom - top)) / 2 - top + random.uniform(-2, 2) * strain
    picture = Image.new("L", (EDGE, EDGE), paper)
    ImageDraw.Draw(picture).text((x, y), character, font=font, fill=ink)
    picture = picture.rotate(random.uniform(-8, 8) * strain, Image.Resampling.BICUBIC, fillcolor=paper)
    picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0, 1) * strain))
    noise = strain * random.uniform(0, 16) * random.uniform(-1, 1, (EDGE, EDGE))
    return (np.clip(np.asarray(picture) + noise, 0, 255) / 255 - 0.5).astype(np.float32) * 2


def make(split, count):
    """(pictures f32[count, 1, 32, 32], labels i64[count]); every class is as likely, and every character of it."""
    random = np.random.default_rng(SEEDS[split])
    files = faces(split)
    labels = random.integers(len(CLASSES), size=count)
    pictures = np.empty((count, 1, EDGE, EDGE), np.float32)
    for i, label in enumerate(labels):
        characters = CLASSES[label]
        character, face = characters[random.integers(len(characters))], files[random.integers(len(files))]
        pictures[i, 0] = draw(random, character, face, 1.5 if split == "harder" else 1)
    return pictures, labels.astype(np.int64)


if __name__ == "__main__":
    image, label = make(sys.argv[1], int(sys.argv[2]))
    np.savez(sys.argv[3], image=image, label=label)
