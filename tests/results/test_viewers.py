"""Links for viewers: what they open is there, in the version that they are told."""

import json
import threading
from urllib.parse import unquote

import numpy as np
import pytest
import zarr

from napari_utile.errors import UserError
from napari_utile.io.images import open_image, write_tiff
from napari_utile.io.ngff import image_metadata
from napari_utile.io.stack import Stack
from napari_utile.results.serving import FolderServer
from napari_utile.results.viewers import (
    ViewerLayer,
    addresses,
    neuroglancer_link,
    origin_of,
    served_result,
    viewer_page,
)
from tests.fixtures.segmented import blob_files, segment  # noqa: F401

ADDRESS = "http://127.0.0.1:8000/key/"


@pytest.fixture(scope="module")
def result(blob_files, tmp_path_factory):  # noqa: F811
    """A result of instances, made from a TIFF."""
    out = tmp_path_factory.mktemp("viewers") / "my cells.zarr"
    segment(blob_files, out, output="instances", tile=64)
    return out


def state_of(link):
    page, _, state = link.partition("#!")
    return page, json.loads(unquote(state))


@pytest.mark.parametrize("inside", ["", "labels/instances"])
def test_a_result_shows_its_probabilities_and_instances(result, inside):
    served = served_result(result / inside)
    assert served.folders == {"my cells.zarr": result}
    assert served.doubts == ()
    page, state = state_of(
        neuroglancer_link(viewer_page("neuroglancer"), ADDRESS, served.layers)
    )
    assert page == "https://neuroglancer-demo.appspot.com/"
    assert [(each["type"], each["source"]) for each in state["layers"]] == [
        ("image", f"{ADDRESS}my%20cells.zarr/|zarr3:"),
        ("segmentation", f"{ADDRESS}my%20cells.zarr/labels/instances/|zarr3:"),
    ]
    for layer in served.layers:
        group = zarr.open_group(result.parent / layer.place, mode="r")
        assert group.metadata.zarr_format == layer.version
        assert "multiscales" in group.attrs["ome"]


def test_an_image_in_ome_zarr_is_shown_first(blob_files, tmp_path):  # noqa: F811
    pixels = np.zeros((2, 30, 40), np.uint8)
    stack = Stack(pixels, "zyx")
    ngff = image_metadata("zyx", stack, "em")
    group = zarr.create_group(tmp_path / "em.zarr", zarr_format=2, attributes=ngff)
    group.create_array("0", data=pixels)
    segment(blob_files, tmp_path / "r.zarr", images=[tmp_path / "em.zarr"], output="instances")
    served = served_result(tmp_path / "r.zarr")
    assert served.folders == {"r.zarr": tmp_path / "r.zarr", "em.zarr": tmp_path / "em.zarr"}
    _, state = state_of(neuroglancer_link("https://x.org/", ADDRESS, served.layers))
    image, probabilities, instances = state["layers"]
    assert image["source"] == f"{ADDRESS}em.zarr/|zarr2:"
    assert "visible" not in image and probabilities["visible"] is False
    assert instances["type"] == "segmentation"


def test_addresses_to_paste(result):
    found = addresses(ADDRESS, served_result(result).layers)
    assert found["instances"] == f"{ADDRESS}my%20cells.zarr/labels/instances/"


def test_what_no_viewer_reads_is_refused(tmp_path):
    write_tiff(tmp_path / "l.tif", np.eye(5, dtype=np.uint8))
    with pytest.raises(UserError, match="predict to a name that ends in"):
        served_result(tmp_path / "l.tif")
    with pytest.raises(UserError, match="predict to a name"):
        served_result("https://example.org/a.zarr")
    zarr.create_array(tmp_path / "plain.zarr", shape=(4, 4), dtype="u1")
    with pytest.raises(UserError, match="no image in OME-Zarr"):
        served_result(tmp_path / "plain.zarr")


@pytest.mark.parametrize("viewer", ["napari", "ftp://x.org", "file:///etc", "https://"])
def test_a_viewer_that_is_none_is_refused(viewer):
    with pytest.raises(UserError, match="give neuroglancer or webknossos"):
        viewer_page(viewer)


def test_another_neuroglancer():
    page = viewer_page("http://localhost:8080/v/#old")
    assert origin_of(page) == "http://localhost:8080"
    link = neuroglancer_link(page, ADDRESS, [ViewerLayer("a", "segmentation", "a/", 3)])
    assert link.startswith("http://localhost:8080/v/#!%7B")


def test_what_is_served_opens_as_it_is_on_disk(result):
    """By a reader of Zarr that knows nothing but the address."""
    pytest.importorskip("aiohttp")
    served = served_result(result)
    with FolderServer(served.folders, "https://x.org") as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        remote = open_image(f"{server.address}my%20cells.zarr")
        here = open_image(result)
        assert remote.doubts == here.doubts == ()
        assert (remote.scale, remote.units, remote.holds) == (
            here.scale,
            here.units,
            here.holds,
        )
        assert np.array_equal(remote.read(), here.read())
        server.shutdown()
