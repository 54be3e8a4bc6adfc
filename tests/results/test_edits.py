"""Corrections by hand: written whole or not at all, recorded, and kept by what comes later."""

from pathlib import Path

import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.events import drain
from napari_utile.io import ome_zarr
from napari_utile.io.images import open_image
from napari_utile.io.ome_zarr import provenance
from napari_utile.results import edits
from napari_utile.results.edits import edits_of, finish_edits, read_to_edit, save_edit
from tests.fixtures.result_store import labels_of_cells, make_result

BOX = ((1, 2), (0, 20), (0, 22))


@pytest.fixture
def result(tmp_path):
    return make_result(tmp_path / "r.zarr")


def read(result, box=BOX, kind="instances"):
    return drain(read_to_edit(result, kind, box))


def save(result, seen, edited, box=BOX, kind="instances"):
    return drain(save_edit(result, kind, box, seen, edited))


def corrected(result):
    """Correct a slice: object 2 is gone and a new one is there; return all of it, too."""
    seen, free = read(result)
    edited = seen.copy()
    edited[edited == 2] = 0
    edited[0, 12:14, 2:4] = free
    wanted = labels_of_cells()
    wanted[1] = edited[0]
    return seen, edited, wanted


def test_what_was_corrected_is_in_the_result_its_levels_and_its_record(result, tmp_path):
    result.with_name("r.zarr.objects.csv").write_text("id\n1\n")
    seen, edited, wanted = corrected(result)
    saved = save(result, seen, edited)
    assert (saved.pixels, saved.renumbered) == (36 + 4, {})
    assert saved.stale == ("r.zarr.objects.old.csv",)
    np.testing.assert_array_equal(open_image(result).read(), wanted)
    make_result(tmp_path / "anew.zarr", wanted)
    for level in ("0", "1", "2"):
        there, here = (
            np.asarray(ome_zarr.open_multiscale(path, "instances")[level])
            for path in (result, tmp_path / "anew.zarr")
        )
        np.testing.assert_array_equal(there, here)
    (record,) = edits_of(result)
    assert (record["kind"], record["pixels"], record["done"]) == ("instances", 40, True)
    group = ome_zarr.open_multiscale(result, "instances")
    np.testing.assert_array_equal(group["edits/0/before"], seen)
    assert provenance(result)["objects"] is None  # object 2 may go on elsewhere
    assert not ome_zarr.lost_chunks(result)
    assert not open_image(result).doubts


def test_new_objects_get_ids_that_are_free_in_the_whole_result(result):
    seen, free = read(result)
    assert free == 4
    edited = seen.copy()
    edited[0, 0, 0] = 3  # that of an object of another slice, which is not below or above
    edited[0, 0, 5] = 77
    saved = save(result, seen, edited)
    assert saved.renumbered == {3: 78}
    assert open_image(result).read()[1, 0, [0, 5]].tolist() == [78, 77]
    assert read(result)[1] == 79
    assert provenance(result)["objects"] == 5


def test_an_object_that_goes_on_in_the_next_slice_keeps_its_id(result):
    seen, _ = read(result)
    edited = seen.copy()
    edited[0, 15:18, 15:18] = 3  # object 3 lies behind it
    assert save(result, seen, edited).renumbered == {}
    assert open_image(result).read()[1, 17, 17] == 3


def test_of_two_corrections_the_later_one_counts_where_both_changed_a_pixel(result):
    seen, _ = read(result)
    first, second = seen.copy(), seen.copy()
    first[0, 2:4, 2:4], second[0, 3:6, 2:4] = 0, 2
    save(result, seen, first)
    saved = save(result, seen, second)
    assert saved.overridden == 2
    wanted = first.copy()
    wanted[0, 3:6, 2:4] = 2
    np.testing.assert_array_equal(open_image(result).read()[1], wanted[0])
    group = ome_zarr.open_multiscale(result, "instances")
    np.testing.assert_array_equal(group["edits/1/before"], first)
    assert save(result, *[read(result)[0]] * 2).pixels == 0
    assert len(edits_of(result)) == 2


@pytest.mark.parametrize("step", [0, 7, 9, 12, 20, 99])
def test_one_that_is_killed_is_completed_or_never_began(result, monkeypatch, step):
    """Killed before any of the steps that reach the disk."""
    seen, edited, wanted = corrected(result)
    taken = []

    def torn(path, _true=edits.to_disk):
        taken.append(path)
        if len(taken) > step:
            raise KeyboardInterrupt
        _true(path)

    for module in (edits, ome_zarr):
        monkeypatch.setattr(module, "to_disk", torn)
    killed = False
    try:
        save(result, seen, edited)
    except KeyboardInterrupt:
        killed = True
    monkeypatch.undo()
    assert killed == (step < len(taken))
    is_begun = any(not record["done"] for record in edits_of(result))
    if is_begun:
        assert "correction" in " ".join(open_image(result).doubts)
    assert finish_edits(result) == is_begun
    found = open_image(result).read()
    np.testing.assert_array_equal(found, wanted if edits_of(result) else labels_of_cells())
    if not edits_of(result):
        save(result, seen, edited)
    np.testing.assert_array_equal(open_image(result).read(), wanted)
    assert not open_image(result).doubts


def test_classes_are_what_was_painted(tmp_path):
    result = make_result(tmp_path / "c.zarr", labels_of_cells().astype(np.uint8), "classes")
    seen, _ = read(result, kind="classes")
    edited = seen.copy()
    edited[0, 0, 0] = 3
    assert save(result, seen, edited, kind="classes").renumbered == {}
    assert open_image(result).read()[1, 0, 0] == 3
    edited[0, 0, 1] = 3
    with pytest.raises(UserError, match="ids from 0 to 255, not 300"):
        save(result, seen, edited.astype(int) * 100, kind="classes")


def test_a_partial_or_missing_result_is_refused(result):
    seen, _ = read(result)
    with pytest.raises(UserError, match="moved or removed"):
        save(Path("gone.zarr"), seen, seen)
    group = ome_zarr.open_multiscale(result)
    group.attrs["utile"] = {"complete": False}
    with pytest.raises(UserError, match="not complete"):
        save(result, seen, seen)
