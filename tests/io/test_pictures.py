"""PNG and JPEG pictures: the values a viewer shows, colors of palettes, and what is refused."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from napari_utile.errors import UserError
from napari_utile.io import memory, pictures
from napari_utile.io.images import open_image
from napari_utile.io.pictures import colored_image_doubts, open_picture, palette_doubts

PLANE = np.random.default_rng(0).integers(0, 255, (20, 30), np.uint8)
COLOR = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 128]
"""The first colors of a palette of labels; one of them is gray."""


def png(path, rows, width, depth, color=0, chunks=b""):
    """Write a PNG by its specification, with rows of packed samples."""

    def chunk(name, content):
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = struct.pack(">IIBBBBB", width, len(rows), depth, color, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = chunk(b"IHDR", head) + chunks + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


def indexed(path, ids, palette):
    picture = Image.fromarray(np.array(ids, np.uint8), mode="P")
    picture.putpalette(palette)
    picture.save(path)
    return open_image(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_png(tmp_path, dtype):
    Image.fromarray(PLANE.astype(dtype)).save(tmp_path / "a.png")
    stack = open_image(tmp_path / "a.png")
    assert (stack.axes, stack.dtype, stack.doubts) == ("yx", dtype, ())
    np.testing.assert_array_equal(stack.plane()[0], PLANE)


@pytest.mark.parametrize(
    ("depth", "row", "shown"),  # W3C PNG, sec. 13.12: samples are scaled to 8 bits
    [
        (1, b"\x50", [0, 255, 0, 255]),
        (2, b"\x1b", [0, 85, 170, 255]),
        (4, b"\x01\x2f", [0, 17, 34, 255]),
    ],
)
def test_few_bits_of_gray_are_what_a_viewer_shows(tmp_path, depth, row, shown):
    stack = open_image(png(tmp_path / "a.png", [row], 4, depth))
    assert (stack.read().tolist(), stack.dtype) == ([shown], np.uint8)


def test_color_png_and_jpeg(tmp_path):
    Image.fromarray(COLOR).save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        open_image(tmp_path / "a.png").plane(), COLOR.transpose(2, 0, 1)
    )
    for mode in ("RGB", "CMYK"):
        Image.fromarray(COLOR).convert(mode).save(tmp_path / "a.jpg", quality=100)
        stack = open_image(tmp_path / "a.jpg")
        assert stack.channels == 3
        assert abs(stack.read().mean() - COLOR.mean()) < 5


def test_alpha_of_a_png_is_left_out_and_said_where_it_hides_something(tmp_path):
    alpha = np.full((20, 30, 1), 255, np.uint8)
    alpha[:4] = 7
    Image.fromarray(np.concatenate([COLOR, alpha], axis=-1)).save(tmp_path / "a.png")
    stack = open_image(tmp_path / "a.png")
    np.testing.assert_array_equal(stack.plane(), COLOR.transpose(2, 0, 1))
    assert "a.png is transparent in 20.0% of its pixels" in stack.doubts[0]
    opaque = np.full_like(PLANE, 255)
    Image.fromarray(np.stack([PLANE, opaque], axis=-1), mode="LA").save(tmp_path / "b.png")
    stack = open_image(tmp_path / "b.png")
    np.testing.assert_array_equal(stack.plane(), PLANE[None])
    assert stack.doubts == ()


def test_a_palette_of_colors_keeps_its_ids(tmp_path):
    stack = indexed(tmp_path / "labels.png", PLANE % 3, VOC)
    np.testing.assert_array_equal(stack.read(), PLANE % 3)
    assert stack.colors == {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0)}
    assert stack.doubts == ()
    # grays of a palette that has colors, too, are ids
    assert indexed(tmp_path / "car.png", [[0, 3]], VOC).read().tolist() == [[0, 3]]


def test_a_palette_of_grays_stands_for_the_grays(tmp_path):
    """Programs that shrink PNG files renumber few grays; the picture stays the same."""
    for number, ids in enumerate([(0, 1, 5), (0, 5, 9)]):
        shrunk = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
        stack = indexed(tmp_path / f"{number}.png", shrunk, np.repeat(ids, 3).tolist())
        np.testing.assert_array_equal(stack.read(), np.array(ids)[shrunk])
        assert stack.colors is None


def test_a_palette_that_shows_two_ids_alike_keeps_them(tmp_path):
    black = indexed(tmp_path / "a.png", [[0, 1, 2]], [0] * 9)
    assert black.read().tolist() == [[0, 1, 2]]


def test_palettes_that_differ_are_said(tmp_path):
    voc = [indexed(tmp_path / f"{n}.png", [[0, n]], VOC) for n in (1, 2)]
    assert palette_doubts(voc) == []
    other = indexed(tmp_path / "other.png", [[0, 2]], [0, 0, 0, 5, 0, 0, 9, 0, 0])
    (said,) = palette_doubts([*voc, other])
    assert "Id 2 has the color (0, 128, 0)" in said
    assert "(9, 0, 0)" in said
    gray = indexed(tmp_path / "gray.png", [[0, 1]], [0, 0, 0, 9, 9, 9])
    assert palette_doubts([gray, gray]) == []
    assert palette_doubts([*voc, gray])[0].startswith("2 of 3 labels have a palette of colors")
    assert colored_image_doubts([gray]) == []
    assert "taken for brightness" in colored_image_doubts([gray, *voc])[0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_pictures_are_turned_as_viewers_do(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(PLANE).save(path, exif=exif)
    with Image.open(path) as stored:
        shown = np.asarray(ImageOps.exif_transpose(stored))
        np.testing.assert_array_equal(open_image(path).read(), shown)
        np.testing.assert_array_equal(open_picture(path, upright=False).read(), stored)
    # labels of a picture that lies on its side would have another shape
    assert bool(open_image(path).doubts) == (orientation in (2, 3, 4))


@pytest.mark.parametrize(("suffix", "kind"), [("png", "PNG"), ("jpg", "MPO")])
def test_further_pictures_of_a_file_are_counted(tmp_path, suffix, kind):
    path, others = tmp_path / f"a.{suffix}", [Image.fromarray(PLANE + n) for n in (1, 2)]
    Image.fromarray(PLANE).save(path, kind, save_all=True, append_images=others)
    assert "holds 3 pictures, of which 1 is read" in open_image(path).doubts[0]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_picture_that_is_cut_off_or_damaged(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(COLOR).save(path)
    whole = path.read_bytes()
    for length in (len(whole) // 2, len(whole) * 3 // 4):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=rf"a\.{suffix} is cut off: not all of its pixels"):
            open_image(path)
    path.write_bytes(whole[:20] + bytes(len(whole) - 20))
    with pytest.raises(UserError, match=rf"a\.{suffix} is .*; copy|a\.{suffix} .* damaged"):
        open_image(path)


def test_sixteen_bits_per_color_are_refused(tmp_path):
    path = png(tmp_path / "a.png", [bytes(range(6))], 1, 16, color=2)
    with pytest.raises(UserError, match="16 bits per color, of which 8 would be lost"):
        open_image(path)


def test_a_picture_larger_than_the_memory_is_refused_unread(tmp_path, monkeypatch):
    Image.fromarray(PLANE).save(tmp_path / "a.png")
    monkeypatch.setattr(memory, "memory_budget", lambda: 100)
    monkeypatch.setattr(pictures.np, "asarray", None)
    with pytest.raises(UserError, match=r"a\.png takes 600 bytes of memory"):
        open_image(tmp_path / "a.png")


def test_a_picture_of_which_the_memory_runs_out(tmp_path, monkeypatch):
    Image.fromarray(PLANE).save(tmp_path / "a.png")
    monkeypatch.setattr(pictures, "_shown_pixels", lambda _: np.empty(2**45))
    with pytest.raises(UserError, match=r"a\.png does not fit into the memory"):
        open_image(tmp_path / "a.png")
