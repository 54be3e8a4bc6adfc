import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import zarr

from napari_utile.errors import UserError
from napari_utile.io import remote
from napari_utile.io.images import as_stack, expand, open_image
from napari_utile.io.ome_zarr import create_image, create_labels
from napari_utile.io.pairs import pair_files
from napari_utile.io.stack import Stack

pytest.importorskip("aiohttp")
EM = Stack(
    np.random.default_rng(0).integers(0, 256, (3, 40, 60), np.uint8),
    "zyx",
    scale=(50.0, 4.0, 4.0),
    units=("nanometer",) * 3,
)


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


class Server(ThreadingHTTPServer):
    request_queue_size = 100  # as other servers: zarr asks for many files at once


@pytest.fixture
def host(tmp_path):
    """The address under which `tmp_path` is served."""
    server = Server(("127.0.0.1", 0), partial(Silent, directory=tmp_path))
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def image(tmp_path):
    create_image(
        tmp_path / "a.zarr", EM.shape, "u1", (1, 16, 16), EM, attributes={"kind": "classes"}
    )[:] = EM.data
    ids = create_labels(tmp_path / "a.zarr", "classes", EM.shape, "u1", (1, 16, 16), EM)
    ids[:] = EM.data % 3
    return tmp_path / "a.zarr"


@pytest.mark.parametrize("end", ["", "/"])
def test_what_lies_on_a_web_server_is_what_lies_here(image, host, end):
    stack = open_image(f"{host}/a.zarr/labels/classes{end}")
    assert (stack.name, stack.path) == ("classes", None)
    assert stack.source == f"{host}/a.zarr/labels/classes"
    assert (stack.axes, stack.scale, stack.units) == (EM.axes, EM.scale, EM.units)
    np.testing.assert_array_equal(stack.read(), EM.data % 3)
    np.testing.assert_array_equal(open_image(f"{host}/a.zarr").read(), EM.data % 3)
    whole = remote.open_url(f"{host}/a.zarr", "probabilities")
    np.testing.assert_array_equal(
        whole.plane((2,), slice(5, 20), slice(50, None)), EM.data[2:, 5:20, 50:]
    )


@pytest.mark.parametrize("version", [2, 3])
def test_arrays_of_either_format_in_any_store(version):
    url = f"memory://arrays/v{version}.zarr"
    zarr.create_array(url, shape=(4, 6, 7), dtype="u2", zarr_format=version)[:] = 5
    stack = open_image(url)
    assert (stack.name, stack.axes, stack.shape) == (f"v{version}.zarr", "zyx", (4, 6, 7))
    assert (stack.read() == 5).all()
    assert stack.data.store.read_only
    assert as_stack(Path(url)).source == url  # a Path keeps one slash


def test_only_the_chunks_that_are_asked_for_are_fetched(image, host, monkeypatch):
    fetched = []
    monkeypatch.setattr(Silent, "log_message", lambda self, *_: fetched.append(self.path))
    stack = open_image(f"{host}/a.zarr")
    fetched.clear()
    stack.plane((1,), slice(0, 16), slice(10, 20))
    assert fetched == [f"/a.zarr/labels/classes/0/c/1/0/{x}" for x in (0, 1)] or fetched == [
        f"/a.zarr/labels/classes/0/c/1/0/{x}" for x in (1, 0)
    ]


@pytest.mark.parametrize("name", ["none.zarr", "notes.tif", ""])
def test_what_is_no_zarr_there_is_said_with_its_address(tmp_path, host, name):
    (tmp_path / "notes.tif").write_text("II*")
    with pytest.raises(
        UserError, match=rf"^{host}.*was not found, or is no Zarr image"
    ) as said:
        open_image(f"{host}/{name}")
    assert "\n" not in str(said.value)


def test_a_host_that_does_not_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(remote, "HOST_TIMEOUT", 0.3)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Silent)  # it accepts, and never serves
    silent = f"http://127.0.0.1:{server.server_port}/a.zarr"
    with pytest.raises(UserError, match=rf"^{silent} cannot be opened: .*[Tt]ime"):
        open_image(silent)
    server.server_close()
    with pytest.raises(UserError, match=rf"^{silent} cannot be opened: Cannot connect"):
        open_image(silent)


@pytest.mark.parametrize("url", ["nothing://a.zarr", "https://nowhere.invalid/a.zarr"])
def test_an_address_that_leads_nowhere_is_one_sentence(url):
    with pytest.raises(UserError, match=rf"^{url} cannot be opened: [^\n]*\.$"):
        open_image(url)


def test_a_server_that_fails_while_pixels_are_read_is_named(image, host, monkeypatch):
    stack = open_image(f"{host}/a.zarr")
    monkeypatch.setattr(Silent, "do_GET", lambda self: self.send_error(500))
    with pytest.raises(UserError, match=rf"^{host}/a\.zarr, chunk .*1.*: cannot be read"):
        stack.plane((1,))


@pytest.mark.parametrize("missing", ["fsspec", "aiohttp"])
def test_a_missing_package_is_named_with_the_way_to_get_it(missing):
    code = f"""
import sys
sys.modules[{missing!r}] = None
from napari_utile.errors import UserError
from napari_utile.io.images import open_image
try:
    open_image("https://host/a.zarr")
except UserError as error:
    print(error)
"""
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("https://host/a.zarr needs packages")
    assert missing in said
    assert '`pip install "napari-utile[cloud]"`' in said
    assert said.count("\n") == 1


def test_addresses_are_listed_and_paired_as_files_are(tmp_path):
    (tmp_path / "b.tif").touch()
    images = ["s3://bucket/i/b.zarr", Path("https://host/i/a.ome.zarr")]
    assert expand(images) == ["s3://bucket/i/b.zarr", "https://host/i/a.ome.zarr"]
    labels = ["https://host/l/a.zarr", tmp_path / "b.tif"]
    assert pair_files(images, labels) == [
        ("s3://bucket/i/b.zarr", tmp_path / "b.tif"),
        ("https://host/i/a.ome.zarr", "https://host/l/a.zarr"),
    ]
    with pytest.raises(UserError, match=r"no labels for b\.zarr; no image for c\.zarr"):
        pair_files(["s3://x/b.zarr", "s3://x/a.zarr"], ["s3://y/a.zarr", "s3://y/c.zarr?v=1"])
