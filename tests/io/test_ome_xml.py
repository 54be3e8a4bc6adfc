"""OME-XML: parts of an image, and what is hostile."""

import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.io.images import open_image
from tests.fixtures.ome_tiff import HEAD, PLANES, SIZES, pixels_of, write_ome, write_parts


def test_an_image_of_several_files_is_read(tmp_path):
    write_parts(tmp_path)
    stack = open_image(tmp_path / "z2.ome.tif")
    np.testing.assert_array_equal(stack.read(), PLANES)
    assert stack.doubts == ()


def test_a_missing_part_is_named(tmp_path):
    write_parts(tmp_path)
    (tmp_path / "z3.ome.tif").unlink()
    with pytest.raises(UserError, match=r"is one of 6 files .* 1 of them is missing: z3\.ome"):
        open_image(tmp_path / "z0.ome.tif")
    (tmp_path / "z4.ome.tif").rename(tmp_path / "other.tif")
    with pytest.raises(UserError, match=r"2 of them are missing: z3\.ome\.tif, z4\.ome\.tif"):
        open_image(tmp_path / "z0.ome.tif")


@pytest.mark.parametrize("place", ["../", "/etc/", "sub/"])
def test_a_part_in_another_folder_is_not_opened(tmp_path, place):
    write_parts(tmp_path, lambda name: place + name)
    with pytest.raises(UserError, match="names one in another folder"):
        open_image(tmp_path / "z0.ome.tif")


def test_a_plane_that_no_file_holds_is_said(tmp_path):
    data = '<TiffData FirstZ="0" IFD="0" PlaneCount="3"/><TiffData FirstZ="5" IFD="3"/>'
    with pytest.raises(UserError, match="lacks 2 of its 6 planes, the first of them plane 4"):
        open_image(write_ome(tmp_path, pixels_of(data), PLANES[:4]))


def test_a_part_without_the_description_is_said(tmp_path):
    inside = '<BinaryOnly MetadataFile="all.companion.ome" UUID="urn:uuid:1"/>'
    (doubt,) = open_image(write_ome(tmp_path, inside)).doubts
    assert "is a part of the image that 'all.companion.ome' describes: its own 6 pages" in doubt


ENTITIES = '<!DOCTYPE b [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("inside", "head", "said"),
    [
        (pixels_of(), HEAD + ENTITIES, "defines entities"),
        (
            pixels_of(sizes=SIZES.replace('"6"', '"999999999"')),
            HEAD,
            "claims 999999999 planes",
        ),
        (pixels_of(sizes=SIZES.replace('"6"', '"-3"')), HEAD, "claims -3 planes"),
        (pixels_of('<TiffData PlaneCount="999999999"/>'), HEAD, "gives PlaneCount=999999999"),
        (
            "<StructuredAnnotations><X ID='a' Namespace='modulo'><Y><Z><ModuloAlongZ Start='0' "
            "End='1e15' Step='1'/></Z></Y></X></StructuredAnnotations>" + pixels_of(),
            HEAD,
            "divides an axis without end",
        ),
    ],
)
def test_hostile_descriptions_are_refused(tmp_path, inside, head, said):
    with pytest.raises(UserError, match=said):
        open_image(write_ome(tmp_path, inside, head=head))


def test_a_description_that_is_cut_off_is_said(tmp_path):
    path = write_ome(tmp_path, pixels_of())
    content = path.read_bytes()
    path.write_bytes(content.replace(b"</Pixels>", b"<Pixels/>"))
    doubts = open_image(path).doubts
    assert any("OME" in doubt for doubt in doubts)
