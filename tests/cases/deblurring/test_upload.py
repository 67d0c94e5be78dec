"""Uploads: whatever the file is, there is a picture or one clear line, and never a warning or another exception."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from implicit_lib.cases.deblurring import PhotographError, photographs, read_photograph

MODES = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "JPEG": ["L", "RGB", "CMYK"],
    "WEBP": ["RGB", "RGBA"],
    "BMP": ["1", "L", "P", "RGB"],
    "TIFF": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I;16B"],
    "GIF": ["L", "P", "RGB", "RGBA"],
}
SIDES = st.integers(1, 70)
KINDS = [(kind, mode) for kind, modes in MODES.items() for mode in modes]


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def picture(mode: str, width: int, height: int, level: int = 128) -> Image.Image:
    """Of one grey level of 255."""
    if mode.startswith("I;16"):
        array = np.full((height, width), level * 257, dtype=">u2" if mode.endswith("B") else "<u2")
        return Image.fromarray(array)
    return Image.new("L", (width, height), level).convert("RGB").convert(mode, palette=Image.Palette.ADAPTIVE)


def outcome(data: bytes, size: int = 8) -> torch.Tensor | str:
    """The picture, checked, or the line that refuses it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = read_photograph(data, size)
        except PhotographError as refusal:
            assert "\n" not in str(refusal) and 20 < len(str(refusal)) < 300
            return str(refusal)
    assert found.shape == (3, size, size) and found.dtype is torch.float32 and found.is_contiguous()
    assert found.min() >= 0 and found.max() <= 1
    return found


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(KINDS), st.integers(1, 70), st.integers(1, 70), st.integers(1, 40), st.sampled_from([0, 200, 255])
)
def test_every_mode_of_every_size(kind: tuple[str, str], width: int, height: int, size: int, level: int) -> None:
    found = outcome(encoded(picture(kind[1], width, height, level), kind[0]), size)
    assert isinstance(found, torch.Tensor), found
    if kind[1] != "1" or level != 200:  # which one bit renders as a pattern
        assert (found - level / 255).abs().max() < 0.02


def test_the_square_in_the_middle_scaled_without_steps() -> None:
    array = np.zeros((100, 300, 3), dtype=np.uint8)
    array[:, 100:200] = np.arange(0, 200, 2, dtype=np.uint8)[:, None, None]
    found = outcome(encoded(Image.fromarray(array), "PNG"), 10)
    expected = torch.from_numpy(array[:, 100:110].reshape(10, 10, 10, 3).mean(axis=1) / 255).permute(2, 0, 1)
    torch.testing.assert_close(found.double()[:, 1:-1], expected[:, 1:-1], rtol=0, atol=0.01)


def test_a_picture_of_the_right_size_stays_as_it_is() -> None:
    pixels = photographs()["cat"]
    array = pixels.mul(255).round().byte().permute(1, 2, 0).numpy()
    assert torch.equal(outcome(encoded(Image.fromarray(array), "PNG"), 128), pixels)


def test_transparent_is_white() -> None:
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert outcome(encoded(half, "PNG")).mean() == pytest.approx(1 - 128 / 255, abs=0.005)
    clear = Image.new("RGBA", (4, 4), (9, 9, 9, 0))
    for kind in ("PNG", "WEBP", "TIFF", "GIF"):
        assert (outcome(encoded(clear, kind)) == 1).all(), kind
    for mode, colour in [("P", 0), ("L", 0), ("RGB", (0, 0, 0))]:
        keyed = encoded(Image.new(mode, (4, 4), colour), "PNG", transparency=colour)
        assert (outcome(keyed) == 1).all(), mode


def png16(colour_type: int, samples: list[int]) -> bytes:
    """A PNG of one pixel with 16 bits a channel."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, colour_type, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" + struct.pack(f">{len(samples)}H", *samples))),
        (b"IEND", b""),
    ]
    packed = (struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize(
    ("colour_type", "samples", "expected"),
    [
        (0, [40_000], [40_000] * 3),
        (2, [10_000, 40_000, 65_535], [10_000, 40_000, 65_535]),
        (4, [40_000, 65_535], [40_000] * 3),
        (6, [10_000, 40_000, 60_000, 65_535], [10_000, 40_000, 60_000]),
    ],
    ids=["grey", "RGB", "grey with alpha", "RGB with alpha"],
)
def test_sixteen_bits(colour_type: int, samples: list[int], expected: list[int]) -> None:
    found = outcome(png16(colour_type, samples), 1)
    assert (found.flatten() * 65_535 - torch.tensor(expected)).abs().max() < 260


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_picture_is_upright(orientation: int) -> None:
    """A red corner at the top left of the upright picture, stored as a camera held otherwise does."""
    upright = np.zeros((16, 16, 3), dtype=np.uint8)
    upright[:8, :8, 0], upright[:8, 8:, 1] = 255, 255
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    torch.testing.assert_close(outcome(data, 16), torch.from_numpy(upright / np.float32(255)).permute(2, 0, 1))


def test_rotten_exif_data_leave_the_picture() -> None:
    data = encoded(picture("RGB", 8, 8), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff rotten")
    assert isinstance(outcome(data), torch.Tensor)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    found = outcome(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert found[0].min() > 0.9 and found[1:].max() < 0.1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty; choose a PNG, JPEG, WebP, BMP, TIFF or GIF file of at most 50 million pixels"),
        (b"hello", "the file, which begins with b'hello', is no image that is known; choose a PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no image that is known"),
        (b"%PDF-1.7", "is no image that is known"),
        (b"P6\n1 1\n255\nabc", "is no image that is known"),
        (b"\0\0\0\x18ftypheic", "is no image that is known"),
        (b"\x89PNG\r\n\x1a\n", "choose a PNG"),
        (encoded(picture("RGB", 300, 300), "PNG")[:400], "the image is damaged or cut off"),
        (encoded(Image.new("F", (4, 4)), "TIFF"), "the image has pixels of kind F; save it as RGB or grey"),
        (encoded(Image.new("I", (4, 4)), "TIFF"), "the image has pixels of kind I; save it"),
        (encoded(Image.new("LAB", (4, 4)), "TIFF"), "the image has pixels of kind LAB; save it"),
        ("a path.png", "is read from the bytes of a file, but was given as str"),
        (None, "but was given as NoneType"),
    ],
)
def test_what_is_refused(data: Any, message: str) -> None:
    with pytest.raises(PhotographError) as refused:
        read_photograph(data, 8)
    assert message in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(("width", "height"), [(9_000, 9_000), (12_000, 12_000), (60_000, 60_000), (2**31 - 1, 1)])
def test_too_many_pixels_are_refused_before_they_are_unpacked(width: int, height: int) -> None:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    refusal = outcome(data)
    assert isinstance(refusal, str) and "at most 50 million pixels" in refusal


def test_other_containers_of_bytes() -> None:
    data = encoded(picture("RGB", 8, 8), "PNG")
    for kind in (bytearray, memoryview):
        assert torch.equal(read_photograph(kind(data), 8), read_photograph(data, 8))


def test_a_size_that_is_none() -> None:
    with pytest.raises(ValueError, match="size must be at least 1 pixel, but is 0"):
        read_photograph(b"", 0)


def small(kind: str, mode: str) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    return encoded(Image.fromarray(noise).convert(mode) if not mode.startswith("I;16") else picture(mode, 10, 12), kind)


HOSTILE = [("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("WEBP", "RGB")]
HOSTILE += [("BMP", "RGB"), ("BMP", "P"), ("TIFF", "RGB"), ("GIF", "P")]


@pytest.mark.parametrize(("kind", "mode"), HOSTILE)
def test_a_file_cut_off_anywhere(kind: str, mode: str) -> None:
    data = small(kind, mode)
    assert isinstance(outcome(data), torch.Tensor)
    outcomes = [outcome(data[:length]) for length in range(len(data))]
    assert isinstance(outcomes[0], str) and isinstance(outcomes[len(data) // 2], str)


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(HOSTILE), st.data())
def test_a_file_with_wrong_bytes(kind: tuple[str, str], data: st.DataObject) -> None:
    content = bytearray(small(*kind))
    for place, byte in data.draw(
        st.dictionaries(st.integers(0, len(content) - 1), st.integers(0, 255), max_size=6)
    ).items():
        content[place] = byte
    outcome(bytes(content))


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0"])
)
def test_bytes_of_any_kind(tail: bytes, magic: bytes) -> None:
    outcome(magic + tail)
