"""Printed text in a picture: where its words are, and what they say.

The words are found by their ink, exact to the pixel, because their centres are the axes' ticks.
They are read by the recognition model that the `rapidocr` wheel carries, run with onnxruntime
directly: this needs neither OpenCV nor the text detection model.
"""

import functools
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from validation.coinglass.files import Pixels
from validation.coinglass.reference import FloatArray, Unreadable

Mask = NDArray[np.bool_]

MODEL_PACKAGE = "rapidocr"
MODEL_FILE = "models/PP-OCRv6_rec_small.onnx"
MODEL_HEIGHT = 48
MODEL_WIDTH = (16, 1000)
THREADS = 1
BATCH = 8

INK_CONTRAST = 90
FAINTEST_INK = 20  # less in the rows beside the ink is the noise of a JPEG
SMALLEST_TEXT, TALLEST_TEXT = 5, 60
WORD_GAP = 0.9  # of the line's height: more space than this parts two words
MAX_WORDS = 120
MINIMUM_CONFIDENCE = 0.6


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels; `right` and `bottom` lie just outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def x(self) -> float:
        """The centre, where the pixel number i covers i to i + 1."""
        return (self.left + self.right) / 2

    @property
    def y(self) -> float:
        return (self.top + self.bottom) / 2

    def cut(self, pixels: Pixels) -> Pixels:
        return pixels[self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class Word:
    """Text as read (ASCII), the box of its ink, and the ink's middle to a part of a pixel."""

    text: str
    box: Box
    y: float


def read_words(picture: Pixels, region: Box, background: FloatArray) -> list[Word]:
    """The words in `region` that were read with confidence, from top to bottom."""
    part = region.cut(picture)
    contrast = np.abs(part - background).max(axis=2)
    ink = contrast > INK_CONTRAST
    boxes = [
        Box(region.left + b.left, region.top + b.top, region.left + b.right, region.top + b.bottom)
        for b in _blocks(ink, Box(0, 0, region.width, region.height))
        if SMALLEST_TEXT <= b.height <= TALLEST_TEXT
    ]
    if len(boxes) > MAX_WORDS:
        raise Unreadable(f"The picture has {len(boxes)} pieces of text at one edge of the chart.")
    texts = _recognise([_crop(picture, box) for box in boxes])
    return [
        Word(text, box, _middle(contrast, region, box))
        for (text, confidence), box in zip(texts, boxes, strict=True)
        if text and confidence >= MINIMUM_CONFIDENCE
    ]


def _middle(contrast: FloatArray, region: Box, box: Box) -> float:
    """The height of the ink's middle. A row at its edge counts by how dark it is."""
    top, left = box.top - region.top, box.left - region.left
    columns = contrast[:, left : left + box.width]
    rows = np.pad(columns.max(axis=1), 1)[top : top + box.height + 2]
    shares = np.where(rows > FAINTEST_INK, rows, 0.0) / rows.max()
    return float(box.y + (shares[-2] + shares[-1] - shares[0] - shares[1]) / 2)


def runs(flags: Mask) -> list[tuple[int, int]]:
    """Begin and end (just outside) of each run of true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _blocks(ink: Mask, box: Box, depth: int = 6) -> Iterator[Box]:
    """Cuts by blank rows, then by wide blank columns, and again within each piece."""
    inside = ink[box.top : box.bottom, box.left : box.right]
    for top, bottom in runs(np.asarray(inside.any(axis=1))):
        line = inside[top:bottom]
        words = _joined(runs(np.asarray(line.any(axis=0))), WORD_GAP * (bottom - top))
        for left, right in words:
            piece = Box(box.left + left, box.top + top, box.left + right, box.top + bottom)
            if len(words) == 1 or depth == 0:
                yield piece
            else:
                yield from _blocks(ink, piece, depth - 1)


def _joined(spans: list[tuple[int, int]], gap: float) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for begin, end in spans:
        if joined and begin - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined


def _crop(picture: Pixels, box: Box) -> Pixels:
    margin = max(2, box.height // 4)
    height, width = picture.shape[:2]
    return Box(
        max(box.left - margin, 0),
        max(box.top - margin, 0),
        min(box.right + margin, width),
        min(box.bottom + margin, height),
    ).cut(picture)


def _recognise(crops: Sequence[Pixels]) -> list[tuple[str, float]]:
    """Text and mean confidence of each; alike widths share a batch, as batches are padded."""
    found: list[tuple[str, float]] = [("", 0.0)] * len(crops)
    images = [_scaled(crop) for crop in crops]
    order = sorted(range(len(images)), key=lambda number: images[number].shape[2])
    for start in range(0, len(order), BATCH):
        numbers = order[start : start + BATCH]
        batch = np.zeros(
            (len(numbers), 3, MODEL_HEIGHT, images[numbers[-1]].shape[2]), dtype=np.float32
        )
        for row, number in enumerate(numbers):
            batch[row, :, :, : images[number].shape[2]] = images[number]
        for number, result in zip(numbers, _model()(batch), strict=True):
            found[number] = result
    return found


def _scaled(crop: Pixels) -> NDArray[np.float32]:
    """[3, 48, width] from -1 to 1, blue first, as the model was trained."""
    height, width = crop.shape[:2]
    wide = int(np.clip(round(width * MODEL_HEIGHT / height), *MODEL_WIDTH))
    image = Image.fromarray(crop).resize((wide, MODEL_HEIGHT), Image.Resampling.BILINEAR)
    values = np.asarray(image, dtype=np.float32)[:, :, ::-1] / 127.5 - 1
    return np.ascontiguousarray(values.transpose(2, 0, 1))


class _Model:
    """The recogniser with the decoding of its answer (connectionist temporal classification)."""

    def __init__(self, path: Path) -> None:
        import onnxruntime  # only the processes that read pictures pay for it

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name
        # The model's classes are: blank, the characters it names, space.
        named = self._session.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._characters = ["", *named, " "]

    def __call__(self, batch: NDArray[np.float32]) -> list[tuple[str, float]]:
        answers = self._session.run(None, {self._input: batch})[0]
        return [self._decode(answer) for answer in answers]

    def _decode(self, answer: NDArray[np.float32]) -> tuple[str, float]:
        classes = answer.argmax(axis=1)
        kept = classes != 0
        kept[1:] &= classes[1:] != classes[:-1]
        if not kept.any():
            return "", 0.0
        text = "".join(self._characters[number] for number in classes[kept])
        return text.strip(), float(answer.max(axis=1)[kept].mean())


@functools.cache
def _model() -> _Model:
    """Loaded at the first word and kept for the process."""
    package = importlib.util.find_spec(MODEL_PACKAGE)
    if package is None or package.origin is None:
        raise ModuleNotFoundError(f"{MODEL_PACKAGE} is not installed; see requirements.txt.")
    return _Model(Path(package.origin).parent / MODEL_FILE)
