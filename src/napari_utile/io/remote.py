"""Images on other machines: OME-Zarr and Zarr at any address that fsspec knows, read only.

fsspec, and what it needs for an address, are extras; they are imported when one is opened.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import zarr

from napari_utile.errors import UserError
from napari_utile.io.ngff import image_in
from napari_utile.io.stack import Stack
from napari_utile.io.zarr_nodes import MARKS

HOST_TIMEOUT = 20
"""Seconds that a host has to answer."""
EXTRA = '`pip install "napari-utile[cloud]"`'


def open_url(url: str, which: str | None = None) -> Stack:
    """Open an OME-Zarr image or a plain Zarr array at an address; only metadata are read.

    Parameters
    ----------
    url : str
        https://..., s3://bucket/..., gs://..., or anything else that fsspec opens.
    which : str, optional
        As in `open_zarr`.

    Returns
    -------
    Stack

    Raises
    ------
    UserError
        If a package is missing, the host does not answer in time, or there is no Zarr image.

    Notes
    -----
    An S3 bucket is opened with the credentials of this machine, or anonymously if there are
    none. Other servers are set by the variables of fsspec, such as FSSPEC_S3_ENDPOINT_URL.
    """
    url = url.rstrip("/")
    with _as_user_errors(url):
        return image_in(_node(url, _options(url)), url, which)


def open_node(url: str) -> zarr.Group | zarr.Array:
    """Open a Zarr group or array at an address.

    Parameters
    ----------
    url : str
        As for `open_url`.

    Raises
    ------
    UserError
        As `open_url`.
    """
    with _as_user_errors(url):
        return _node(url, _options(url))


@contextmanager
def _as_user_errors(url: str) -> Iterator[None]:
    """Turn every error into a `UserError` of one sentence."""
    try:
        yield
    except UserError:
        raise
    except ImportError as error:
        reason = _first_line(error)
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
        raise UserError(f"{url} cannot be opened: {_first_line(error)}.") from error


def _node(url: str, options: dict[str, Any]) -> zarr.Group | zarr.Array:
    """Open a Zarr folder, anonymously if this machine has no credentials."""
    from zarr.storage import FsspecStore

    try:
        _check_metadata(url, options)
    except Exception as error:
        if type(error).__name__ != "NoCredentialsError":  # of botocore, which may be missing
            raise
        options = options | {"anon": True}
        _check_metadata(url, options)
    return zarr.open(FsspecStore.from_url(url, options, read_only=True), mode="r")


def _check_metadata(url: str, options: dict[str, Any]) -> None:
    """Look for the metadata of Zarr one by one: zarr leaks the connections it opens at once."""
    from fsspec.core import url_to_fs

    system, path = url_to_fs(url, **options)
    for mark in MARKS:
        with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            system.cat_file(f"{path}/{mark}")
            return
    raise FileNotFoundError(url)


def _options(url: str) -> dict[str, Any]:
    """Return options that limit waiting; none for chains of protocols, as "a::b://..."."""
    protocol = url.partition(":")[0].lower() if "::" not in url else ""
    if protocol in {"http", "https"}:
        from aiohttp import ClientTimeout

        timeout = ClientTimeout(total=None, sock_connect=HOST_TIMEOUT, sock_read=HOST_TIMEOUT)
        return {"client_kwargs": {"timeout": timeout, "trust_env": True}}  # for proxies
    if protocol in {"s3", "s3a"}:
        waits = {"connect_timeout": HOST_TIMEOUT, "read_timeout": HOST_TIMEOUT}
        return {"config_kwargs": {**waits, "retries": {"max_attempts": 2}}}
    return {}


def _first_line(error: Exception) -> str:
    """Return the first line of a message, without its full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
