"""A reader's own photograph: a file of any kind becomes a square picture, or is refused in one line."""

from __future__ import annotations

import io
import logging
import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
"""What is opened. The list is short on purpose: a rarely used decoder is where hostile files find their bugs."""

MOST_PIXELS = 50_000_000
"""Of a file, before it is made smaller: some 200 MB when unpacked."""

_CHOOSE = "choose a PNG, JPEG, WebP, BMP, TIFF or GIF file of at most 50 million pixels"

_ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""

logging.getLogger("PIL").addHandler(logging.NullHandler())  # what it logs of damaged files is told by the error


class PhotographError(ValueError):
    """A file that is no photograph that can be read; the message says what it is and what to choose instead."""


def read_photograph(data: bytes | bytearray | memoryview, size: int) -> Tensor:
    """The square in the middle of an image file, upright, as RGB, scaled to size × size.

    Transparent places become white, greyscale is spread over the three channels, 16 bits a channel are rounded to 8,
    and of an animation the first frame is taken. Needs Pillow.

    Args:
        data: the content of the file.
        size: pixels along a side of the result.

    Returns:
        (3, size, size), float32 in [0, 1].

    Raises:
        PhotographError: the file is empty, of another format, damaged, cut off or too large, or its numbers have no
            agreed range of brightness.
        ValueError: size is below 1.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, but is {size}")
    if not isinstance(data, bytes | bytearray | memoryview):
        raise PhotographError(f"a photograph is read from the bytes of a file, but was given as {type(data).__name__}")
    if len(data) == 0:
        raise PhotographError(f"the file is empty; {_CHOOSE}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow warns of is either refused here or harmless
        image = _decoded(bytes(data))
        rgb = _upright(_rgb(image), image)
    pixels = np.asarray(_square(rgb, size), dtype=np.float32) / 255
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _decoded(data: bytes) -> Image:
    """The image with its pixels, of the first frame."""
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height <= MOST_PIXELS:
            image.load()
    except UnidentifiedImageError:
        raise PhotographError(
            f"the file, which begins with {data[:12]!r}, is no image that is known; {_CHOOSE}"
        ) from None
    except Image.DecompressionBombError:
        raise PhotographError(f"the image has far too many pixels; {_CHOOSE}") from None
    except Exception as error:  # damaged files make the decoders raise whatever there is, from KeyError to struct.error
        raise PhotographError(
            f"the image is damaged or cut off ({_one_line(error)}); save it again, or {_CHOOSE}"
        ) from None
    if image.width * image.height > MOST_PIXELS:
        raise PhotographError(f"the image is {image.width} × {image.height} pixels, which is too large; {_CHOOSE}")
    if 0 in image.size:
        raise PhotographError(f"the image is {image.width} × {image.height} pixels, which is nothing; {_CHOOSE}")
    return image


def _rgb(image: Image) -> Image:
    """Of mode RGB, over white."""
    from PIL import Image

    if image.mode.startswith("I;16"):  # Pillow would cut off what is above 255
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F", "LAB"):
        raise PhotographError(
            f"the image has pixels of kind {image.mode}; save it as RGB or grey, of 8 or 16 bits a channel"
        )
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _upright(pixels: Image, image: Image) -> Image:
    """Turned as the camera was held, according to the EXIF data of the file."""
    from PIL import Image

    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    try:
        turn = turns.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # rotten EXIF data, which raise whatever there is, leave a good picture
        return pixels
    return pixels if turn is None else pixels.transpose(turn)


def _square(image: Image, size: int) -> Image:
    """The largest square in the middle, smoothed as it is made smaller."""
    from PIL import Image

    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    return image.crop((left, top, left + edge, top + edge)).resize((size, size), Image.Resampling.LANCZOS)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 80 else f"{text[:77]}..."
