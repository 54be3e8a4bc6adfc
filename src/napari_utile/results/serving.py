"""Folders of this machine for a viewer in its browser: read only, and only with a key.

The server listens on 127.0.0.1. Without the key in the path it has nothing to say, and it lists
no folder.
"""

import hmac
import re
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

HOST = "127.0.0.1"
PIECE = 2**20
"""Bytes of a file that are in memory at once."""
IDLE_SECONDS = 60
"""Time after which a connection without requests is closed."""
TYPES = {".json": "application/json"}


class FolderServer(ThreadingHTTPServer):
    """Serves files below some folders to one web page.

    Parameters
    ----------
    folders : mapping of str to Path
        Name of each in the address.
    origin : str
        Of the web page, such as "https://example.org"; other pages may not read the answers.
    port : int, default 0
        0 takes any that is free.

    Attributes
    ----------
    address : str
        Begin of all addresses, with the key, ending in a slash.
    """

    daemon_threads = True

    def __init__(self, folders: Mapping[str, Path], origin: str, port: int = 0):
        super().__init__((HOST, port), _Files)
        self.folders = {name: path.resolve() for name, path in folders.items()}
        self.origin = origin
        self.key = secrets.token_urlsafe(24)
        self.address = f"http://{HOST}:{self.server_address[1]}/{self.key}/"

    def file_at(self, target: str) -> Path | None:
        """Return the file that a request means; None if it is none of ours.

        Parameters
        ----------
        target : str
            Path of the request.
        """
        key, _, rest = unquote(urlsplit(target).path).removeprefix("/").partition("/")
        if not hmac.compare_digest(key.encode(), self.key.encode()):
            return None
        name, *parts = rest.split("/")
        folder = self.folders.get(name)
        if folder is None or any(_is_odd(part) for part in parts):
            return None
        try:
            file = folder.joinpath(*parts).resolve(strict=True)
            return file if file.is_relative_to(folder) and file.is_file() else None
        except (OSError, ValueError):
            return None


def _is_odd(part: str) -> bool:
    """Whether a part of a path is more than a name: "..", empty, or with a separator in it."""
    return part in ("", ".", "..") or any(letter in part for letter in "\\:\0")


class _Files(BaseHTTPRequestHandler):
    """Answers requests for files, whole or a range of their bytes."""

    server: FolderServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "U-Tile", ""
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        self._answer(has_body=True)

    def do_HEAD(self) -> None:
        self._answer(has_body=False)

    def do_OPTIONS(self) -> None:
        """Allow the web page to ask for a range of bytes, and this machine."""
        self._begin(HTTPStatus.NO_CONTENT, 0)
        self.send_header("Access-Control-Allow-Methods", "GET, HEAD")
        self.send_header("Access-Control-Allow-Headers", "Range")
        self.send_header("Access-Control-Allow-Private-Network", "true")
        self.end_headers()

    def _answer(self, has_body: bool) -> None:
        path = self.server.file_at(self.path)
        try:
            file = None if path is None else path.open("rb")
        except OSError:
            file = None
        if file is None or path is None:
            self._begin(HTTPStatus.NOT_FOUND, 0)
            self.end_headers()
            return
        with file:
            size = path.stat().st_size
            asked = byte_range(self.headers.get("Range", ""), size)
            if asked is None:
                self._begin(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0)
                self.send_header("Content-Range", f"bytes */{size}")
                self.end_headers()
                return
            is_part = asked != range(size) or "Range" in self.headers
            self._begin(HTTPStatus.PARTIAL_CONTENT if is_part else HTTPStatus.OK, len(asked))
            if is_part:
                self.send_header(
                    "Content-Range", f"bytes {asked.start}-{asked.stop - 1}/{size}"
                )
            self.send_header("Accept-Ranges", "bytes")
            kind = TYPES.get(path.suffix, "application/octet-stream")
            self.send_header("Content-Type", kind)
            self.end_headers()
            if has_body:
                self._send(file, asked)

    def _send(self, file: Any, asked: range) -> None:
        file.seek(asked.start)
        left = len(asked)
        while left and (piece := file.read(min(left, PIECE))):
            self.wfile.write(piece)
            left -= len(piece)
        self.close_connection |= left > 0  # the file was cut off: no other answer may follow

    def _begin(self, status: HTTPStatus, length: int) -> None:
        """Send the first lines of an answer, which the one web page alone may read."""
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("Vary", "Origin")
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.headers.get("Origin") == self.server.origin:
            self.send_header("Access-Control-Allow-Origin", self.server.origin)
            self.send_header(
                "Access-Control-Expose-Headers", "Accept-Ranges, Content-Length, Content-Range"
            )

    def log_message(self, *_: Any) -> None:
        """Print nothing: the key is in every line."""


def byte_range(header: str, size: int) -> range | None:
    """Return the bytes that a request asks for.

    Parameters
    ----------
    header : str
        Of the request: "bytes=0-99", "bytes=100-", "bytes=-8"; "" for all. Several ranges, and
        other units, count as all.
    size : int
        Of the file.

    Returns
    -------
    range or None
        None if there is none of them.

    Examples
    --------
    >>> byte_range("bytes=-8", 100), byte_range("bytes=5-300", 100), byte_range("", 3)
    (range(92, 100), range(5, 100), range(0, 3))
    """
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header.replace(" ", ""))
    if not found or found[1] == found[2] == "":
        return range(size)
    if not found[1]:
        last = int(found[2])
        return range(max(size - last, 0), size) if last and size else None
    first, end = int(found[1]), int(found[2] or size) + 1
    return range(first, min(end, size)) if first < min(end, size) else None
