import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ratatouille.tasks.images import UnreadableError, check, decode, quiet

RED, WHITE = (255, 0, 0), (255, 255, 255)


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM"])
def test_every_listed_format_is_decoded(form: str) -> None:
    data = encoded(Image.new("RGB", (40, 20), RED), form)
    check(data)
    pixels = decode(data, 8)
    assert pixels.shape == (8, 8, 3)
    assert np.abs(pixels.astype(int) - RED).max() <= 4


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "L", "CMYK"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    data = encoded(Image.new("RGBA", (4, 4), WHITE).convert(mode), "TIFF")
    assert (decode(data, 2) == 255).all()


def test_a_photograph_with_several_frames_gives_its_first() -> None:
    for form in ("MPO", "GIF", "TIFF"):
        frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, WHITE)]
        data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
        assert np.abs(decode(data, 2).astype(int) - RED).max() <= 4


def test_transparent_pixels_become_white() -> None:
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert (decode(encoded(image), 4) == 255).all()
    image.putpixel((0, 0), (*RED, 255))
    assert tuple(decode(encoded(image), 4)[0, 0]) == RED
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    assert (decode(encoded(palette, transparency=0), 4) == 255).all()


def test_orientation_is_honoured() -> None:
    image = Image.new("RGB", (2, 2), WHITE)
    image.putpixel((0, 0), RED)
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the scene is on the right of the stored picture
    assert tuple(decode(encoded(image, exif=exif), 2)[0, 1]) == RED


def test_sixteen_bits_keep_their_high_byte() -> None:
    image = Image.fromarray(np.full((4, 4), 0x80FF, dtype=np.uint16))
    assert (decode(encoded(image), 2) == 0x80).all()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no image"),
        (b"not an image at all", "no image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", "no image"),
        (encoded(Image.effect_noise((64, 64), 90).convert("RGB"))[:-2000], "damaged"),
        (encoded(Image.effect_noise((64, 64), 90).convert("RGB"), "JPEG")[:-900], "damaged"),
        (encoded(Image.new("F", (4, 4)), "TIFF"), "32 bits"),
    ],
)
def test_unusable_bytes_are_refused_with_a_reason(data: bytes, why: str) -> None:
    for use in (check, lambda data: decode(data, 4)):
        with pytest.raises(UnreadableError, match=why):
            use(data)


SAMPLES = [
    encoded(Image.effect_noise((12, 9), 90).convert(mode), form)
    for form, mode in [("PNG", "RGBA"), ("JPEG", "RGB"), ("GIF", "P"), ("BMP", "RGB"), ("PPM", "L")]
]


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4))
def test_damage_is_found_at_the_check_or_not_at_all(data: bytes, damage: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for place, byte in damage:
        damaged[place % len(damaged)] = byte
    with quiet():
        try:
            check(bytes(damaged))
        except UnreadableError:
            with pytest.raises(UnreadableError):
                decode(bytes(damaged), 4)
        else:
            assert decode(bytes(damaged), 4).shape == (4, 4, 3)


@pytest.mark.parametrize("pixels", [1_000, 10_000])
def test_a_decompression_bomb_is_not_unpacked(pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.new("L", (pixels // 10, 10)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 999)
    with quiet(), pytest.raises(UnreadableError, match=r"safe"):
        check(data)
