"""Names of channels, in files of each kind."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile
import zarr

from napari_utile.io.channel_names import different_channels, other_channels
from napari_utile.io.images import open_image
from napari_utile.io.stack import Stack

PIXELS = np.random.default_rng(0).integers(0, 255, (3, 2, 16, 20), np.uint8)
IMAGE = Stack(PIXELS, "zcyx", "a.tif")


def ome(path, names):
    metadata = {"axes": "ZCYX", "Channel": {"Name": list(names)}}
    tifffile.imwrite(path, PIXELS, metadata=metadata, photometric="minisblack", ome=True)


def imagej(path, names):
    labels = [f"c:{c + 1}/2 z:{z + 1}/3 - {names[c]}" for z in range(3) for c in range(2)]
    metadata = {"axes": "ZCYX", "Labels": labels}
    tifffile.imwrite(path, PIXELS, imagej=True, metadata=metadata)


def ngff(path, names):
    group = zarr.open_group(path, mode="w")
    group.create_array("0", data=PIXELS)
    axes = [{"name": a, "type": "channel" if a == "c" else "space"} for a in "zcyx"]
    image = {"axes": axes, "datasets": [{"path": "0"}]}
    channels = [{"label": name} for name in names]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [image],
        "omero": {"channels": channels},
    }


@pytest.mark.parametrize(
    ("write", "name"), [(ome, "a.ome.tif"), (imagej, "a.tif"), (ngff, "a.zarr")]
)
@pytest.mark.parametrize(
    ("names", "read"), [(("GFP", "DAPI"), ("GFP", "DAPI")), (("Channel 1", "Channel 2"), ())]
)
def test_channels_have_the_names_that_tell_them_apart(tmp_path, write, name, names, read):
    write(tmp_path / name, names)
    assert open_image(tmp_path / name).channel_names == read


def test_pages_with_names_of_their_own_name_no_channels(tmp_path):
    labels = [f"image_{i}.tif" for i in range(6)]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, imagej=True, metadata={"axes": "ZCYX", "Labels": labels})
    assert open_image(path).channel_names == ()


def test_names_in_another_order_or_others_are_told_on_both_sides():
    one, other = (replace(IMAGE, channel_names=n) for n in (("GFP", "DAPI"), ("dapi", "GFP")))
    (told,) = different_channels([one, IMAGE, other, one])
    assert "GFP, DAPI in 2 ('a.tif', ...); dapi, GFP in 1 ('a.tif')." in told
    (told,) = other_channels(one, ("DAPI", "GFP"))
    assert "a.tif: its channels are GFP, DAPI, but those of training were DAPI, GFP" in told
    assert different_channels([one, IMAGE, one]) == other_channels(other, ("DAPI", "GFP")) == []
    assert other_channels(one, ()) == other_channels(IMAGE, ("DAPI", "GFP")) == []
