"""Draws words with real fonts, as input for the PP-OCR text recognition and direction models.

A picture is f32[3, 48, 320], values in [-1, 1]; the word is scaled to 48 rows and the right is padded with zeros. Words are
drawn without accents from the list of `wamerican`, in the upright faces of three font packages, 24 to 36 pixels, random
greys, turned by up to 2 degrees, blurred by up to one pixel, with noise of up to 12 levels; harder ones are of 14 to 20
pixels, turned by up to 4 degrees, with noise of up to 30 levels.
"""

import argparse
import pathlib

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

WORDS = pathlib.Path("/usr/share/dict/american-english")
FONTS = pathlib.Path("/usr/share/fonts/truetype")
FAMILIES = {
    "dejavu/DejaVu{}.ttf": ("Sans", "Sans-Bold", "SansMono", "SansMono-Bold", "Serif", "Serif-Bold"),
    "liberation/Liberation{}-Regular.ttf": ("Mono", "Sans", "SansNarrow", "Serif"),
    "liberation/Liberation{}-Bold.ttf": ("Mono", "Sans", "SansNarrow", "Serif"),
    "freefont/Free{}.ttf": ("Mono", "MonoBold", "Sans", "SansBold", "Serif", "SerifBold"),
}
CONTRAST = 48
# Pixels (from, below), degrees, levels of noise.
USUAL, HARDER = (24, 37, 2, 12), (14, 21, 4, 30)
ROWS, COLUMNS = 48, 320
TEXT_BYTES = 32


def words():
    """The words of three or more letters, all of them ASCII."""
    lines = WORDS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.isascii() and line.isalpha() and 3 <= len(line) <= 16]


def faces():
    """The upright font files, in a fixed order."""
    return [FONTS / pattern.format(style) for pattern, styles in FAMILIES.items() for style in styles]


def greys(random):
    """Two grey levels that differ by at least CONTRAST."""
    while True:
        ink, paper = (int(level) for level in random.integers(0, 256, 2))
        if abs(ink - paper) >= CONTRAST:
            return ink, paper


def draw(random, word, face, harder=False):
    """One word as a grey picture of its own size, u8[rows, columns]."""
    small, large, turn, levels = HARDER if harder else USUAL
    font = ImageFont.truetype(str(face), int(random.integers(small, large)))
    left, top, right, bottom = font.getbbox(word)
    margin = 6
    ink, paper = greys(random)
    picture = Image.new("L", (right - left + 2 * margin, bottom - top + 2 * margin), paper)
    ImageDraw.Draw(picture).text((margin - left, margin - top), word, font=font, fill=ink)
    picture = picture.rotate(random.uniform(-turn, turn), Image.Resampling.BICUBIC, fillcolor=paper)
    picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0, 1)))
    noise = random.uniform(0, levels) * random.uniform(-1, 1, (picture.height, picture.width))
    return np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)


def prepare(grey, columns=COLUMNS):
    """The model's input for a grey picture: f32[3, 48, columns]."""
    height, width = grey.shape
    scaled = min(columns, int(np.ceil(ROWS * width / height)))
    picture = Image.fromarray(grey).resize((scaled, ROWS), Image.Resampling.BILINEAR)
    result = np.zeros((3, ROWS, columns), np.float32)
    result[:, :, :scaled] = (np.asarray(picture, np.float32) / 255 - 0.5) / 0.5
    return result


def make(count, seed):
    """(pictures f32[count, 3, 48, 320], words)"""
    random = np.random.default_rng(seed)
    chosen = random.choice(np.array(words()), count)
    styles = faces()
    drawn = [draw(random, str(word), styles[random.integers(len(styles))]) for word in chosen]
    return np.stack([prepare(grey) for grey in drawn]), [str(word) for word in chosen]


def make_directions(count, seed):
    """(pictures f32[count, 3, 48, 192], labels i64[count]): label 1 is a picture turned by 180 degrees."""
    random = np.random.default_rng(seed)
    chosen = random.choice(np.array(words()), count)
    styles = faces()
    labels = random.integers(0, 2, count)
    pictures = []
    for word, label in zip(chosen, labels):
        grey = draw(random, str(word), styles[random.integers(len(styles))])
        pictures.append(prepare(np.rot90(grey, 2) if label else grey, columns=192))
    return np.stack(pictures), labels


def alphabet(character):
    """What each class of the recognition model means, from the metadata `character`; class 0 is the blank of CTC."""
    return ["", *character.split("\n"), " "]


def read_alphabet(model):
    import onnx

    metadata = {entry.key: entry.value for entry in onnx.load(model, load_external_data=False).metadata_props}
    return alphabet(metadata["character"])


def decode(scores, letters):
    """The texts of scores[count, steps, classes]: the best class of each step, repeats joined, blanks dropped."""
    texts = []
    for best in scores.argmax(axis=-1):
        kept = best[np.r_[True, best[1:] != best[:-1]]]
        texts.append("".join(letters[index] for index in kept if index).strip())
    return texts


def pack_texts(texts):
    """Texts as u8[count, 32], UTF-8 padded with zeros."""
    return np.stack([np.frombuffer(text.encode().ljust(TEXT_BYTES, b"\0"), np.uint8) for text in texts])


def unpack_texts(packed):
    return [bytes(row).rstrip(b"\0").decode() for row in packed]


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.ocr_data", description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directions", action="store_true", help="pictures for the direction model, with labels")
    parser.add_argument("-o", "--output", required=True, help=".npz with `x` and `text` (or `label`)")
    arguments = parser.parse_args()
    if arguments.directions:
        x, labels = make_directions(arguments.count, arguments.seed)
        np.savez_compressed(arguments.output, x=x, label=labels)
    else:
        x, texts = make(arguments.count, arguments.seed)
        np.savez_compressed(arguments.output, x=x, text=pack_texts(texts))


if __name__ == "__main__":
    main()
