"""TIFF files of ours say what their pixels are."""

import numpy as np
import pytest
import tifffile

from napari_utile.io.images import open_image, write_tiff
from napari_utile.io.stack import Stack
from napari_utile.io.tiff import create_tiff
from napari_utile.io.tiff_statement import read_statement


@pytest.mark.parametrize("holds", ["probabilities", "labels", "instances", "classes", ""])
def test_what_is_written_is_read(tmp_path, holds):
    write_tiff(tmp_path / "a.tif", np.zeros((4, 5), np.uint8), holds=holds)
    assert open_image(tmp_path / "a.tif").holds == holds


def test_probabilities_name_the_class_of_each_channel(tmp_path):
    like = Stack(np.zeros((4, 5)), "yx")
    create_tiff(tmp_path / "a.tif", (3, 4, 5), np.uint8, like, "probabilities", (0, 5, 9))
    stack = open_image(tmp_path / "a.tif")
    assert (stack.holds, stack.ids, stack.channels) == ("probabilities", (0, 5, 9), 3)


def test_it_is_an_annotation_that_others_keep_and_a_description_that_humans_read(tmp_path):
    write_tiff(tmp_path / "a.tif", np.zeros((4, 5), np.float32), holds="probabilities")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        xml = tif.ome_metadata
    assert '<MapAnnotation ID="Annotation:0" Namespace="napari-utile">' in xml
    assert "<Description>Probabilities; in whole numbers the largest" in xml


@pytest.mark.parametrize(
    "change",
    [
        lambda xml: "",
        lambda xml: "<OME>napari-utile</OME>",
        lambda xml: xml.replace("probabilities", "wishes"),
        lambda xml: xml.replace('K="ids"', ""),
        lambda xml: xml.replace("napari-utile", "another"),
        lambda xml: xml[:-9],
    ],
)
def test_what_is_no_statement_says_nothing(tmp_path, change):
    write_tiff(tmp_path / "a.tif", np.zeros((4, 5), np.float32), holds="probabilities")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert read_statement(change(tif.ome_metadata)) == ("", (), {})
