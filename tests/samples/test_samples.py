import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
import tifffile
from scipy.ndimage import label

from napari_utile.errors import UserError
from napari_utile.io.images import open_image
from napari_utile.samples import samples
from napari_utile.samples.samples import (
    git_blob_id,
    isbi2012,
    isbi2012_layers,
    synthetic_layers,
    synthetic_stack,
    write_sample,
)


@pytest.fixture(scope="module")
def synthetic():
    return synthetic_stack()


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Two small files on a server of this machine, and the checksums that they should have."""
    folder = tmp_path / "server"
    folder.mkdir()
    checksums = {}
    for name in samples.ISBI2012_FILES:
        tifffile.imwrite(folder / name, np.full((2, 8, 8), len(name), np.uint8))
        checksums[name] = git_blob_id((folder / name).read_bytes())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=folder))
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(samples, "ISBI2012", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setattr(samples, "ISBI2012_FILES", checksums)
    monkeypatch.setattr(samples, "user_cache_path", lambda name: tmp_path / "cache" / name)
    yield folder
    server.shutdown()
    server.server_close()


def test_membranes_are_darker_than_cytoplasm(synthetic):
    image, instances = synthetic
    assert image.dtype == np.uint8
    assert image.shape == instances.shape == (8, 256, 256)
    for pixels, ids in zip(image, instances, strict=True):
        assert pixels[ids == 0].mean() < pixels[ids > 0].mean() - 30


def test_membranes_take_the_share_that_they_have_in_the_challenge_data(synthetic):
    assert 0.15 < (synthetic[1] == 0).mean() < 0.3


def test_every_section_shows_many_neurites_in_one_piece_each(synthetic):
    for ids in synthetic[1]:
        present = np.unique(ids[ids > 0])
        assert len(present) > 20
        assert label(ids > 0)[1] == len(present)


def test_a_neurite_keeps_its_id_and_its_place_from_section_to_section(synthetic):
    ids = synthetic[1]
    both = (ids[:-1] > 0) & (ids[1:] > 0)
    same = (ids[:-1] == ids[1:])[both].mean()
    assert same > 0.85
    assert (ids[0] != ids[-1]).mean() > 0.1  # but they do move


def test_membranes_are_a_few_pixels_thick(synthetic):
    along_x = np.zeros((3, 3, 3), int)
    along_x[1, 1] = 1
    crossed, _ = label(synthetic[1] == 0, along_x)
    assert 4 <= np.median(np.bincount(crossed.ravel())[1:]) <= 7


def test_the_seed_makes_the_stack():
    first, again = synthetic_stack((2, 64, 64), seed=3), synthetic_stack((2, 64, 64), seed=3)
    np.testing.assert_array_equal(first, again)
    assert (synthetic_stack((2, 64, 64), seed=4)[1] != first[1]).any()


@pytest.mark.parametrize("shape", [(1, 16, 200), (3, 65, 33), (0, 32, 32)])
def test_any_shape_can_be_had(shape):
    assert [array.shape for array in synthetic_stack(shape)] == [shape, shape]


def test_it_is_as_bright_and_as_contrasted_as_the_real_thing(synthetic, shared_data):
    real = tifffile.imread(shared_data / "isbi2012" / "volume.tif")
    assert abs(synthetic[0].mean() - real.mean()) < 15
    assert 0.7 < synthetic[0].std() / real.std() < 1.3


def test_a_download_is_checked_kept_and_not_repeated(server, tmp_path):
    volume, labels = isbi2012()
    assert volume.parent == labels.parent == tmp_path / "cache" / "napari-utile" / "isbi2012"
    assert (tifffile.imread(volume) == len("train-volume.tif")).all()
    for file in server.iterdir():
        file.unlink()
    assert isbi2012() == (volume, labels)


def test_a_damaged_copy_is_fetched_again(server, tmp_path):
    volume, _ = isbi2012(tmp_path / "mine")
    volume.write_bytes(b"damaged")
    isbi2012(tmp_path / "mine")
    assert (tifffile.imread(volume) == len("train-volume.tif")).all()


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(server, tmp_path):
    (server / "train-volume.tif").write_bytes(b"not the file")
    with pytest.raises(
        UserError, match=r"train-volume\.tif gave 12 bytes with a wrong checksum"
    ):
        isbi2012(tmp_path / "mine")
    assert not list((tmp_path / "mine").iterdir())


def test_without_a_network_the_message_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(samples, "ISBI2012", "http://127.0.0.1:9/")  # nobody listens there
    with pytest.raises(
        UserError, match=r"could not be downloaded .* check the network, or put"
    ):
        isbi2012(tmp_path)


def test_the_checksums_are_those_of_git(tmp_path):
    # `printf 'hello\n' | git hash-object --stdin`
    assert git_blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_layers_are_what_napari_takes(server):
    with pytest.warns(UserWarning, match="non-commercial"):
        real = isbi2012_layers()
    for layers in (synthetic_layers(), real):
        assert [kind for _, _, kind in layers] == ["image", "labels"]
        (image, place, _), (labels, same_place, _) = layers
        assert image.shape == labels.shape
        assert labels.dtype.kind == "u"
        assert place["scale"] == same_place["scale"] == (50, 4, 4)


def test_a_sample_is_written_with_its_scale_and_never_twice(tmp_path):
    image, labels = write_sample("synthetic", tmp_path / "s")
    assert (image.name, labels.name) == ("image.tif", "labels.tif")
    stack = open_image(image)
    assert (stack.scale, stack.units) == ((50, 4, 4), ("nanometer",) * 3)
    assert open_image(labels).shape == stack.shape == (8, 256, 256)
    with pytest.raises(UserError, match=r"image\.tif exists; overwrite"):
        write_sample("synthetic", tmp_path / "s")
    write_sample("synthetic", tmp_path / "s", overwrite=True)


def test_the_terms_lie_beside_the_real_data(server, tmp_path):
    paths = write_sample("isbi2012", tmp_path / "s")
    assert [path.name for path in paths] == ["image.tif", "labels.tif", "TERMS.txt"]
    assert "Cardona" in paths[-1].read_text()


def test_importing_samples_loads_no_viewer_and_no_torch():
    code = (
        "import sys; import napari_utile.samples.samples\n"
        "sys.exit(bool({'napari', 'torch', 'qtpy'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
