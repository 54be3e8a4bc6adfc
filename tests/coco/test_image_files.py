"""Files of images, found by the names that COCO files of all kinds of tools have."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from napari_utile.coco.image_files import (
    END_ONLY,
    LINK,
    SPELLING,
    ImageFolder,
    check_header,
    image_folder,
    sizes_in_header,
)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "images"
    for name in ("train/a.png", "b.png", "IMG 1.JPG", unicodedata.normalize("NFD", "ü/ä.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("name", "file", "doubt"),
    [
        ("b.png", "b.png", ""),
        ("./train//a.png", "train/a.png", ""),
        ("train\\a.png", "train/a.png", ""),
        ("images/train/a.png", "train/a.png", ""),
        ("C:\\data\\images\\b.png", "b.png", END_ONLY),
        ("elsewhere/b.png", "b.png", END_ONLY),
        ("../../b.png", "b.png", END_ONLY),
        ("/b.png", "b.png", ""),
        ("https://host/train/a.png?v=1#x", "train/a.png", ""),
        ("IMG%201.JPG", "IMG 1.JPG", SPELLING),
        ("img 1.jpg", "IMG 1.JPG", SPELLING),
        ("ü/ä.png", unicodedata.normalize("NFD", "ü/ä.png"), ""),
        ("a.png", None, None),
        ("../images", None, None),
        ("..", None, None),
        ("train", None, None),
        ("x" * 300 + ".png", None, None),
        ("a\0b.png", None, None),
        ("\ud800.png", None, None),
    ],
)
def test_an_image_is_found_as_tools_name_it(folder, name, file, doubt):
    found = ImageFolder(folder).find(name)
    if file is None:
        assert found is None
    else:
        assert (found.path, found.doubt) == (folder / file, doubt)


def test_names_that_differ_in_case_alone_are_not_mixed_up(folder):
    (folder / "B.png").touch()
    assert ImageFolder(folder).find("B.png").path == folder / "B.png"
    (folder / "x.PNG").touch(), (folder / "X.png").touch()
    assert ImageFolder(folder).find("x.png") is None


def test_a_link_out_of_the_folder_is_doubtful(folder, tmp_path):
    (tmp_path / "secret.png").touch()
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "own.png").symlink_to(folder / "b.png")
    (folder / "pipe.png").symlink_to("/dev/zero")
    look = ImageFolder(folder)
    assert look.find("link.png").doubt == LINK
    assert look.find("own.png").doubt == ""
    assert look.find("pipe.png") is None


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_size_of_a_turned_picture_is_known_both_ways(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(np.zeros((4, 9), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    sizes = [(9, 4), (4, 9)] if orientation == 6 else [(4, 9)]
    assert sizes_in_header(tmp_path / "a.jpg") == sizes
    check_header(tmp_path / "a.jpg", (4, 9), "a.json", 1)
    with pytest.raises(ValueError, match=r"a\.jpg is . x . pixels, but a.json says 9 x 9 of"):
        check_header(tmp_path / "a.jpg", (9, 9), "a.json", 1)


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "a.png").write_text("hosts")
    with pytest.raises(ValueError, match=r"cannot be used: .*a\.png is no image"):
        check_header(tmp_path / "a.png", (4, 9), "a.json", 1)


@pytest.mark.parametrize("place", ["sets", "sets/val", "sets/images", ".", "val", "images"])
def test_the_folder_of_the_images_is_near_the_file(tmp_path, place):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / place / "a.png").touch()
    found = image_folder(tmp_path / "sets" / "instances_val.json", ["x.png", "a.png"])
    assert found.resolve() == (tmp_path / place).resolve()
    assert image_folder(tmp_path / "sets" / "instances_val.json", ["x.png"]) is None
