from napari_utile.engine.training.preview import Samples
from napari_utile.folders.preview import TILE_KINDS, PreviewFolder


def test_the_window_reads_the_kinds_of_tiles_that_are_written():
    assert Samples._fields == TILE_KINDS


def test_several_images_have_maps_of_their_own(tmp_path):
    folder = PreviewFolder(tmp_path)
    assert folder.splits(["em"]) == [folder.split] == [tmp_path / "split.tif"]
    assert folder.densities(["a", "b"]) == [
        tmp_path / "density" / "a.tif", tmp_path / "density" / "b.tif"
    ]  # fmt: skip
