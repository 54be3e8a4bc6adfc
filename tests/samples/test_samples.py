"""Sample data: downloaded once, checked, and written with their scale."""

import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
import tifffile

from napari_utile.errors import UserError
from napari_utile.io.images import open_image
from napari_utile.samples import samples
from napari_utile.samples.samples import (
    git_blob_id,
    isbi2012,
    isbi2012_layers,
    synthetic_layers,
    write_sample,
)


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


def test_a_sample_of_which_one_file_cannot_be_written_is_not_there(tmp_path, monkeypatch):
    pixels = np.zeros((1, 8, 8), np.uint8), np.full((1, 8, 8), 2**40)
    monkeypatch.setattr(samples, "synthetic_stack", lambda *_, **__: pixels)
    with pytest.raises(UserError, match="A TIFF holds ids up to"):
        write_sample("synthetic", tmp_path)
    assert not list(tmp_path.iterdir())


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
