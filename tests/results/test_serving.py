"""The server for a viewer: ranges, the key, one web page, and no way out of the folder."""

import http.client
import os
import threading
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from napari_utile.results.serving import FolderServer, byte_range

ORIGIN = "https://viewer.example"


@pytest.fixture
def server(tmp_path):
    """Serves the folder `r.zarr`; a file beside it is nobody's business."""
    folder = tmp_path / "r.zarr"
    (folder / "0").mkdir(parents=True)
    (folder / "zarr.json").write_text("{}")
    (folder / "0" / "a b").write_bytes(bytes(range(100)))
    (tmp_path / "secret").write_text("secret")
    (folder / "escape").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    (folder / "inside").symlink_to(folder / "zarr.json")
    with FolderServer({"r.zarr": folder}, ORIGIN) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server, path, method="GET", **headers):
    """Return status, headers and body."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urlopen(Request(server.address + path, headers=names, method=method)) as answer:
            return answer.status, answer.headers, answer.read()
    except HTTPError as error:
        return error.code, error.headers, error.read()


def test_a_file_is_read(server):
    status, headers, body = ask(server, "r.zarr/0/a%20b")
    assert (status, body) == (200, bytes(range(100)))
    assert headers["Content-Length"] == "100" and headers["Accept-Ranges"] == "bytes"
    assert ask(server, "r.zarr/zarr.json")[1]["Content-Type"] == "application/json"
    assert ask(server, "r.zarr/inside")[2] == b"{}"
    status, headers, body = ask(server, "r.zarr/0/a%20b", method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, "100", b"")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("0-9", range(10)), ("90-", range(90, 100)), ("-8", range(92, 100)), ("99-500", [99])],
)
def test_a_range_of_bytes_is_read(server, asked, expected):
    status, headers, body = ask(server, "r.zarr/0/a%20b", Range=f"bytes={asked}")
    assert (status, body) == (206, bytes(expected))
    assert headers["Content-Range"] == f"bytes {expected[0]}-{expected[-1]}/100"


def test_ranges_that_are_none_or_several(server):
    status, headers, _ = ask(server, "r.zarr/0/a%20b", Range="bytes=100-")
    assert (status, headers["Content-Range"]) == (416, "bytes */100")
    assert byte_range("bytes=0-1,5-6", 100) == byte_range("lines=1-2", 100) == range(100)
    assert byte_range("bytes=5-2", 100) is byte_range("bytes=-0", 100) is None
    assert byte_range("bytes=0-0", 0) is None


def test_without_the_key_there_is_nothing(server):
    address = server.address.replace(server.key, "x" * len(server.key))
    for wrong in (address, address.replace("x" * len(server.key) + "/", "")):
        with pytest.raises(HTTPError) as refused:
            urlopen(f"{wrong}r.zarr/zarr.json")
        assert refused.value.code == 404
        assert refused.value.read() == b""
    assert len(server.key) >= 32


@pytest.mark.parametrize(
    "path",
    [
        "", "r.zarr", "r.zarr/", "r.zarr/0", "r.zarr/0/", "other.zarr/zarr.json", "r.zarr/no",
        "r.zarr/../secret", "r.zarr/%2e%2e/secret", "r.zarr/..%2fsecret",
        "r.zarr/0/../../secret",
        "r.zarr/..%5csecret", "r.zarr/escape", "r.zarr/up/secret", "r.zarr//etc/passwd",
        "r.zarr/%00", "r.zarr/0/a%20b/x", "../secret", "r.zarr/./zarr.json",
    ],
)  # fmt: skip
def test_no_folder_is_listed_and_nothing_outside_is_read(server, path):
    host, port = server.server_address[:2]
    connection = http.client.HTTPConnection(host, port)  # urllib would tidy the path
    connection.putrequest("GET", f"/{server.key}/{path}", skip_host=False)
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (404, b"")
    connection.close()


def test_one_web_page_alone_may_read(server):
    _, headers, _ = ask(server, "r.zarr/zarr.json", Origin=ORIGIN)
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Content-Range" in headers["Access-Control-Expose-Headers"]
    for origin in ("https://evil.example", "null", "https://viewer.example.evil"):
        assert (
            ask(server, "r.zarr/zarr.json", Origin=origin)[1]["Access-Control-Allow-Origin"]
            is None
        )
    status, headers, _ = ask(server, "r.zarr/zarr.json", "OPTIONS", Origin=ORIGIN)
    assert status == 204
    assert headers["Access-Control-Allow-Headers"] == "Range"
    assert headers["Access-Control-Allow-Private-Network"] == "true"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_written(server, method):
    assert ask(server, "r.zarr/zarr.json", method)[0] == 501


def test_it_listens_on_this_machine_alone(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"


def test_several_requests_over_one_connection(server):
    connection = http.client.HTTPConnection(*server.server_address[:2])
    for path, status in (("no", 404), ("r.zarr/zarr.json", 200), ("r.zarr/0/a%20b", 200)):
        connection.request("GET", f"/{server.key}/{path}")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()


def test_a_pipe_is_no_file(server, tmp_path):
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "r.zarr" / "pipe")
        assert ask(server, "r.zarr/pipe")[0] == 404
