"""Axes, pixel sizes and their units, parts of an image, and hostile OME-XML."""

import numpy as np
import pytest
import tifffile

from napari_utile.errors import UserError
from napari_utile.io.images import open_image
from napari_utile.io.tiff_metadata import stack_axes

PLANES = np.random.default_rng(0).integers(1, 255, (6, 16, 20), np.uint8)
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
SCHEMA = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
SIZES = 'SizeX="20" SizeY="16" SizeZ="6" SizeC="1" SizeT="1"'


def pixels_of(inside="<TiffData/>", sizes=SIZES, more=""):
    return (
        f'<Image ID="Image:0" Name="s"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        f'Type="uint8" {sizes} {more}><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{inside}'
        "</Pixels></Image>"
    )


@pytest.fixture
def ome(tmp_path):
    """Write pages with OME-XML, which is made by hand."""

    def write(inside, planes=PLANES, name="a.ome.tif", head=HEAD, attributes=""):
        xml = f"{head}<OME {SCHEMA} {attributes}>{inside}</OME>".encode()
        path = tmp_path / name
        with tifffile.TiffWriter(path) as writer:
            for z, plane in enumerate(planes):
                said = {"description": xml} if z == 0 else {}
                writer.write(
                    plane, contiguous=False, metadata=None, photometric="minisblack", **said
                )
        return path

    return write


@pytest.mark.parametrize(
    ("text", "name"),
    [("Å", "angstrom"), ("µm", "micrometer"), ("μm", "micrometer"), ("inch", "inch")],
)
def test_every_axis_has_the_unit_that_ome_gives_it(ome, text, name):
    more = (
        f'PhysicalSizeX="0.5" PhysicalSizeXUnit="{text}" PhysicalSizeY="0.25" PhysicalSizeZ="2"'
    )
    stack = open_image(ome(pixels_of(more=more)))
    assert stack.scale == (2.0, 0.25, 0.5)
    assert stack.units == ("micrometer", "micrometer", name)
    assert stack.doubts == ()


@pytest.mark.parametrize("given", ["0", "nan", "inf", "", "wide"])
def test_a_size_that_is_none_is_said(ome, given):
    stack = open_image(ome(pixels_of(more=f'PhysicalSizeX="{given}"')))
    assert (stack.scale[2], stack.units[2]) == (1.0, "pixel")
    assert "for a pixel along x, which is not understood" in stack.doubts[0]


def test_a_unit_that_is_not_understood_is_said(ome):
    more = 'PhysicalSizeY="0.5" PhysicalSizeYUnit="furlong"'
    stack = open_image(ome(pixels_of(more=more)))
    assert "gives 0.5 'furlong' for a pixel along y" in stack.doubts[0]


def test_the_scale_is_that_of_the_image_which_is_read(ome):
    small = SIZES.replace('"20"', '"10"').replace('"6"', '"1"')
    empty = pixels_of("", small, 'PhysicalSizeX="9"').replace('Name="s"', 'Name="none"')
    stack = open_image(ome(empty + pixels_of(more='PhysicalSizeX="0.5"')))
    assert stack.scale == (1.0, 1.0, 0.5)


MICRO = ["µm", "μm", "\\u00B5m", "um", "micron", "microns", "Micrometers", "micrometres"]


@pytest.mark.parametrize(
    ("text", "name"), [*((t, "micrometer") for t in MICRO), ("Å", "angstrom"), ("inch", "inch")]
)
@pytest.mark.parametrize("coding", ["utf-8", "latin-1"])
def test_imagej_units_are_read_however_they_are_spelled(tmp_path, text, name, coding):
    path = tmp_path / "a.tif"
    said = f"ImageJ=1.54f\nimages=6\nslices=6\nunit={text}\nspacing=0.5\n"
    how = {"description": said.encode(coding, "ignore"), "metadata": None}
    tifffile.imwrite(path, PLANES, resolution=(4, 8), photometric="minisblack", **how)
    if text == "μm" and coding == "latin-1":
        return  # has no Greek letters
    stack = open_image(path)
    assert (stack.scale, stack.units) == ((0.5, 0.125, 0.25), (name,) * 3)
    assert stack.doubts == ()


def test_imagej_may_have_a_unit_per_axis(tmp_path):
    path = tmp_path / "a.tif"
    said = {"unit": "nm", "yunit": "um", "zunit": "mm", "spacing": -0.5, "axes": "ZYX"}
    tifffile.imwrite(path, PLANES, imagej=True, resolution=(4, 4), metadata=said)
    assert open_image(path).units == ("millimeter", "micrometer", "nanometer")
    assert open_image(path).scale[0] == 0.5


def test_resolution_in_centimeters_is_a_scale_unless_it_is_that_of_a_screen(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PLANES, resolution=(20_000, 10_000), resolutionunit="CENTIMETER")
    stack = open_image(path)
    assert stack.scale == pytest.approx((1, 1e-4, 5e-5))
    assert stack.units == ("pixel", "centimeter", "centimeter")
    tifffile.imwrite(path, PLANES, resolution=(28.346, 28.346), resolutionunit="CENTIMETER")
    assert open_image(path).units == ("pixel",) * 3


def parts(names, path_of):
    data = "".join(
        f'<TiffData FirstZ="{z}" FirstC="0" FirstT="0" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{path_of(name)}">urn:uuid:{name}</UUID></TiffData>'
        for z, name in enumerate(names)
    )
    return pixels_of(data)


NAMES = [f"z{z}.ome.tif" for z in range(6)]


def write_parts(ome, path_of=str):
    for z, name in enumerate(NAMES):
        inside = parts(NAMES, path_of)
        ome(inside, PLANES[z : z + 1], name, attributes=f'UUID="urn:uuid:{name}"')


def test_an_image_of_several_files_is_read(ome, tmp_path):
    write_parts(ome)
    stack = open_image(tmp_path / "z2.ome.tif")
    np.testing.assert_array_equal(stack.read(), PLANES)
    assert stack.doubts == ()


def test_a_missing_part_is_named(ome, tmp_path):
    write_parts(ome)
    (tmp_path / "z3.ome.tif").unlink()
    with pytest.raises(UserError, match=r"is one of 6 files .* 1 of them is missing: z3\.ome"):
        open_image(tmp_path / "z0.ome.tif")
    (tmp_path / "z4.ome.tif").rename(tmp_path / "other.tif")
    with pytest.raises(UserError, match=r"2 of them are missing: z3\.ome\.tif, z4\.ome\.tif"):
        open_image(tmp_path / "z0.ome.tif")


@pytest.mark.parametrize("place", ["../", "/etc/", "sub/"])
def test_a_part_in_another_folder_is_not_opened(ome, tmp_path, place):
    write_parts(ome, lambda name: place + name)
    with pytest.raises(UserError, match="names one in another folder"):
        open_image(tmp_path / "z0.ome.tif")


def test_a_plane_that_no_file_holds_is_said(ome):
    data = '<TiffData FirstZ="0" IFD="0" PlaneCount="3"/><TiffData FirstZ="5" IFD="3"/>'
    with pytest.raises(UserError, match="lacks 2 of its 6 planes, the first of them plane 4"):
        open_image(ome(pixels_of(data), PLANES[:4]))


def test_a_part_without_the_description_is_said(ome):
    inside = '<BinaryOnly MetadataFile="all.companion.ome" UUID="urn:uuid:1"/>'
    (doubt,) = open_image(ome(inside)).doubts
    assert "is a part of the image that 'all.companion.ome' describes: its own 6 pages" in doubt


def test_fewer_planes_than_pages_are_said(ome):
    stack = open_image(ome(pixels_of(sizes=SIZES.replace('"6"', '"4"'))))
    assert stack.shape == (4, 16, 20)
    assert "4 of 6 pages" in stack.doubts[0]


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
def test_hostile_descriptions_are_refused(ome, inside, head, said):
    with pytest.raises(UserError, match=said):
        open_image(ome(inside, head=head))


def test_a_description_that_is_cut_off_is_said(ome, tmp_path):
    path = ome(pixels_of())
    content = path.read_bytes()
    path.write_bytes(content.replace(b"</Pixels>", b"<Pixels/>"))
    doubts = open_image(path).doubts
    assert any("OME" in doubt for doubt in doubts)


@pytest.mark.parametrize(
    ("axes", "shape", "expected"),
    [
        ("IYXS", (5, 8, 9, 3), ("zyxc", (5, 8, 9, 3))),
        ("QYX", (8, 9, 1), ("yxc", (8, 9, 1))),
        ("QYXQ", (5, 8, 9, 1), ("zyxc", (5, 8, 9, 1))),
        ("QQYX", (1, 5, 8, 9), ("tzyx", (1, 5, 8, 9))),
        ("QQSYX", (1, 1, 3, 8, 9), ("tzcyx", (1, 1, 3, 8, 9))),
        ("ZQYX", (5, 2, 8, 9), ("ztyx", (5, 2, 8, 9))),
        ("TZCYXS", (2, 3, 1, 8, 9, 3), ("tzyxc", (2, 3, 8, 9, 3))),
    ],
)
def test_axes_are_translated(axes, shape, expected):
    assert stack_axes(axes, shape) == expected


def test_colors_and_channels_at_once_are_told_how_to_be_saved():
    with pytest.raises(UserError, match="without colors, or its channels as slices"):
        stack_axes("CYXS", (3, 8, 9, 3))
