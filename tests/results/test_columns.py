"""Names with units, and a table as text and back."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_utile.arrays.objects.measures import ObjectMeasures
from napari_utile.io.stack import Stack
from napari_utile.results.columns import Calibration, object_columns, read_table, table_lines
from tests.fixtures.measured_labels import boxes, summed


def stack(axes="zyx", scale=(5, 2, 2), unit="nanometer"):
    return Stack(
        np.zeros((3,) * len(axes), np.uint8), axes, scale=scale[-len(axes) :],
        translate=(100, 10, 0)[-len(axes) :], units=(unit,) * len(axes),
    )  # fmt: skip


def test_lengths_are_in_um_where_the_unit_is_known():
    found = Calibration.of(stack())
    assert found.unit == "um"
    assert found.spacing == pytest.approx((0.005, 0.002, 0.002))
    assert found.origin == pytest.approx((0.1, 0.01, 0))


def test_without_a_unit_lengths_are_in_pixels_and_an_unknown_scale_is_said():
    found = Calibration.of(stack(unit="pixel"))
    assert (found.unit, found.spacing, found.origin) == ("px", (1, 1, 1), (0, 0, 0))
    assert "pixels of 5 x 2 x 2 in an unknown unit" in found.doubt
    assert Calibration.of(stack(scale=(1, 1, 1), unit="pixel")).doubt == ""


def test_time_is_no_length():
    stack = Stack(
        np.zeros((2, 3, 3), int), "tyx", scale=(30, 2, 2), units=("second", *["um"] * 2)
    )
    assert Calibration.of(stack).axes == "yx"


def table(shape, time=None, **more):
    labels = boxes(shape)
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    measures = ObjectMeasures.of(
        summed(labels, [image, image]), (0.5,) * len(shape), (1,) * len(shape)
    )
    calibration = Calibration(
        "zyx"[-len(shape) :], (0.5,) * len(shape), (1,) * len(shape), "um"
    )
    return object_columns(measures, calibration, [""], 255, time, **more)


def test_the_columns_of_a_stack_and_of_an_image_at_a_time():
    assert list(table((3, 12, 13))) == [
        "id", "voxels", "volume_um3", "centroid_z_um", "centroid_y_um", "centroid_x_um",
        "z_start_px", "z_stop_px", "y_start_px", "y_stop_px", "x_start_px", "x_stop_px",
        "axis_major_um", "axis_middle_um", "axis_minor_um", "surface_um2", "slices",
        "touches_border", "intensity_mean", "intensity_sd", "probability_mean",
    ]  # fmt: skip
    assert list(table((12, 13), time=4)) == [
        "id", "t", "pixels", "area_um2", "centroid_y_um", "centroid_x_um", "y_start_px",
        "y_stop_px", "x_start_px", "x_stop_px", "axis_major_um", "axis_minor_um",
        "boundary_um", "touches_border", "intensity_mean", "intensity_sd", "probability_mean",
    ]  # fmt: skip
    found = table((12, 13), time=4)
    assert set(found["t"]) == {4}
    np.testing.assert_allclose(found["probability_mean"] * 255, found["intensity_mean"])


@pytest.mark.parametrize("shape", [(3, 12, 13), (12, 13)])
def test_a_table_is_read_as_it_was_written(shape):
    columns = table(shape, time=0)
    columns["intensity_sd"][1] = np.nan
    columns["id"][0] = 2**64 - 1
    read = read_table(",".join(columns) + "\n" + table_lines(columns))
    assert list(read) == list(columns)
    for name, values in columns.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(read[name], values, rtol=1e-8)
        else:
            assert_array_equal(read[name], values)
            assert read[name].dtype.kind == values.dtype.kind


def test_a_table_without_rows():
    columns = {name: values[:0] for name, values in table((12, 13)).items()}
    assert table_lines(columns) == ""
    assert [len(each) for each in read_table(",".join(columns) + "\n").values()] == [0] * len(
        columns
    )
