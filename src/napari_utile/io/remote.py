"""Images on other machines: OME-Zarr and Zarr behind any address that fsspec knows, read only.

fsspec and what it needs for an address are extras; they are loaded when one is opened.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import zarr

from napari_utile.errors import UserError
from napari_utile.io.ngff import MARKS, image_in
from napari_utile.io.stack import Stack

HOST_TIMEOUT = 20
"""After which a host that says nothing is given up."""
EXTRA = '`pip install "napari-utile[cloud]"`'


def open_url(url: str, which: str | None = None) -> Stack:
    """Open an OME-Zarr image or a plain Zarr array behind an address; only metadata are read.

    Parameters
    ----------
    url : str
        https://..., s3://bucket/..., gs://..., or anything else that fsspec opens.
    which : str, optional
        As in `open_zarr`.

    Raises
    ------
    UserError
        If a package is missing, the host does not answer in time, or there is no Zarr image.

    Notes
    -----
    A bucket of S3 is opened with the credentials of this machine, or without any if there are
    none. Other servers are set by fsspec's own variables, such as FSSPEC_S3_ENDPOINT_URL.
    """
    url = url.rstrip("/")
    with _told(url):
        return image_in(_node(url, _options(url)), url, which)


def open_node(url: str) -> zarr.Group | zarr.Array:
    """Open a Zarr folder, or an array, behind an address; raises as `open_url` does."""
    with _told(url):
        return _node(url, _options(url))


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Say in one sentence what went wrong."""
    try:
        yield
    except UserError:
        raise
    except ImportError as error:
        reason = _said(error)
        raise UserError(
            f"{url} needs packages that are not installed ({reason}): {EXTRA} brings those for "
            "https and s3."
        ) from error
    except FileNotFoundError as error:
        raise UserError(
            f"{url} was not found, or is no Zarr image: of files on other machines only "
            "OME-Zarr and Zarr can be read."
        ) from error
    except Exception as error:  # every protocol has errors of its own
        raise UserError(f"{url} cannot be opened: {_said(error)}.") from error


def _node(url: str, options: dict[str, Any]) -> zarr.Group | zarr.Array:
    """Open a Zarr folder, without credentials if this machine has none."""
    from zarr.storage import FsspecStore

    try:
        _find(url, options)
    except Exception as error:
        if type(error).__name__ != "NoCredentialsError":  # of botocore, which may be missing
            raise
        options = options | {"anon": True}
        _find(url, options)
    return zarr.open(FsspecStore.from_url(url, options, read_only=True), mode="r")


def _find(url: str, options: dict[str, Any]) -> None:
    """Look for the metadata of Zarr. One by one: zarr leaves open what it asks for at once."""
    from fsspec.core import url_to_fs

    system, path = url_to_fs(url, **options)
    for mark in MARKS:
        with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            system.cat_file(f"{path}/{mark}")
            return
    raise FileNotFoundError(url)


def _options(url: str) -> dict[str, Any]:
    """Bound the time that is waited. Chains of protocols are left as the user wrote them."""
    protocol = url.partition(":")[0].lower() if "::" not in url else ""
    if protocol in {"http", "https"}:
        from aiohttp import ClientTimeout

        timeout = ClientTimeout(total=None, sock_connect=HOST_TIMEOUT, sock_read=HOST_TIMEOUT)
        return {"client_kwargs": {"timeout": timeout, "trust_env": True}}  # for proxies
    if protocol in {"s3", "s3a"}:
        waits = {"connect_timeout": HOST_TIMEOUT, "read_timeout": HOST_TIMEOUT}
        return {"config_kwargs": {**waits, "retries": {"max_attempts": 2}}}
    return {}


def _said(error: Exception) -> str:
    """Put what a library says into one line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
