"""Stacks in one real window with the real engine: stopped, gone on with, a part, several."""

import numpy as np
import pytest

import napari_utile as utile
from napari_utile.io.ome_zarr import open_zarr
from napari_utile.samples.samples import synthetic_stack
from napari_utile.widgets.runs.panel import RunsPanel
from napari_utile.widgets.segment.panel import SegmentPanel

SLOW = 60_000  # torch alone takes seconds to load on a busy machine


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """Save a small network with random weights."""
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "model"
    utile.Model(utile.networks.UNet(depth=2, width=4, padding="same")).save(folder)
    return folder


@pytest.fixture
def em(make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy()
    image, _ = synthetic_stack((4, 64, 64), seed=0)
    viewer.add_image(image, name="em", scale=(50, 4, 4), translate=(0, 8, 12))
    return viewer


@pytest.mark.timeout(240)
def test_a_stack_is_stopped_goes_on_from_the_list_and_a_part_of_it_is_the_same(
    em, open_panel, press, qtbot, errors, home, warm, untrained, tmp_path
):
    segment, jobs = open_panel(SegmentPanel, em), open_panel(RunsPanel, em)
    jobs.show()
    segment.model.set_path(untrained)
    segment.form.set_value("output", "instances")

    def state():
        jobs.update_list()
        return (
            jobs.list.topLevelItem(0).text(1).replace("\n", " ")
            if jobs.list.topLevelItemCount()
            else ""
        )

    def run(out, until=None):
        segment.output.set_path(tmp_path / out)
        press(segment.controls.button)
        if until:
            qtbot.waitUntil(lambda: bool(errors) or until(), timeout=SLOW)
            press(segment.controls.button)
        qtbot.waitUntil(lambda: not segment.controls.is_running, timeout=SLOW)
        assert errors == []

    def read(out, part):
        return open_zarr(tmp_path / out, part).read()

    def instances():
        return [x for x in em.layers if x.name.startswith("em instances")]

    # stop while the layers are half filled, go on from the list of jobs
    segment.form.set_value("tile", "16")
    run("parts.zarr", until=lambda: (segment.controls.progress.share or 0) > 0.05)
    qtbot.waitUntil(lambda: "em instances (partial)" in em.layers)
    assert state().startswith("stopped at")
    press(jobs.resume)
    qtbot.waitUntil(lambda: state() == "done", timeout=SLOW)
    press(jobs.show_it)
    qtbot.waitUntil(lambda: "em instances" in em.layers)
    assert np.asarray(em.layers["em instances"].data).any()
    qtbot.waitUntil(lambda: "em instances (partial)" not in em.layers)

    # the same at one go: no bit differs
    segment.form.set_value("tile", "16")
    run("once.zarr")
    for part in ("instances", "probabilities"):
        np.testing.assert_array_equal(read("parts.zarr", part), read("once.zarr", part))
    qtbot.waitUntil(lambda: not em.layers["em probabilities"].visible)

    # a rectangle of it, on one slice: the same probabilities at the same place
    corners = [[2, 20, 30], [2, 20, 59], [2, 49, 59], [2, 49, 30]]
    place = {"scale": (50, 4, 4), "translate": (0, 8, 12)}
    em.add_shapes([corners], shape_type="rectangle", **place)
    segment.image.choose(em.layers["em"])
    segment.source.kind.setCurrentText("a drawn region")
    run("part.zarr")
    whole = read("once.zarr", "probabilities")[2:3, 20:50, 30:60].astype(int)
    there = open_zarr(tmp_path / "part.zarr", "probabilities")
    assert np.abs(there.read() - whole).max() <= 1  # tiles are cut otherwise: the last bit
    assert there.translate == (100, 8 + 4 * 20, 12 + 4 * 30)
    qtbot.waitUntil(lambda: np.allclose(instances()[-1].translate, there.translate))


@pytest.mark.timeout(240)
def test_of_a_folder_the_torn_image_is_named_and_the_others_are_done(
    em, open_panel, press, qtbot, home, warm, untrained, tmp_path
):
    import tifffile

    folder = tmp_path / "stacks"
    folder.mkdir()
    for name in ("a", "b"):
        tifffile.imwrite(folder / f"{name}.tif", em.layers["em"].data[0])
    (folder / "torn.tif").write_bytes((folder / "a.tif").read_bytes()[:2000])
    segment, jobs = open_panel(SegmentPanel, em), open_panel(RunsPanel, em)
    jobs.show()
    segment.model.set_path(untrained)
    segment.source.kind.setCurrentText("a folder or files")
    segment.source.files.set_paths([str(folder)])
    press(segment.controls.button)
    qtbot.waitUntil(lambda: not segment.controls.is_running, timeout=SLOW)
    jobs.update_list()
    assert "2 done, 1 failed" in segment.controls.messages.text()
    item = jobs.list.topLevelItem(0)
    assert item.text(1).replace("\n", ", ") == "done, 1 failed"
    states = {item.child(i).text(0): item.child(i).text(1) for i in range(3)}
    assert states == {"a.tif": "done", "b.tif": "done", "torn.tif": "failed"}
    assert "torn.tif" in jobs.details.text()
    (results,) = (home / "segmentations").glob("*/instances")
    assert (results / "summary.csv").exists()
    jobs.list.setCurrentItem(item.child(0))
    press(jobs.show_it)
    qtbot.waitUntil(lambda: "a instances" in em.layers)
