"""Codecs of Zarr that are trusted, and their decoding, which never exceeds what a chunk holds.

A file names the codecs of its chunks. Only those listed here are used: others run what is in
the file (pickle), build Python objects, or import what somebody registered. A few bytes can
expand to gigabytes, so each decoder stops at the size that the shape of the chunk says.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import zarr
from zarr.abc.codec import BytesBytesCodec, Codec
from zarr.codecs import ShardingCodec
from zarr.core.codec_pipeline import BatchedCodecPipeline

from napari_utile.errors import UserError
from napari_utile.io.units import size_text

Decode = Callable[[Any], Any]
MARGIN = 1_000_000
"""Bytes that a chunk may decode to beyond its size: checksums, headers, padding."""
ZSTD_BLOCK = 128 * 1024
"""Largest block of Zstandard (RFC 8878, section 3.1.1.2.4)."""
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
COMPRESSORS = {"blosc", "zstd", "gzip", "zlib", "bz2", "lzma", "lz4"}
CHECKSUMS = {"crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"}
FILTERS = {"delta", "fixedscaleoffset", "quantize", "bitround", "packbits", "astype", "shuffle"}
TRUSTED = COMPRESSORS | CHECKSUMS | FILTERS | {"bytes", "transpose", "sharding_indexed"}


def bounded(array: zarr.Array, source: object) -> zarr.Array:
    """Make an array refuse chunks that decode to more than their shape says.

    Parameters
    ----------
    array : zarr.Array
        Opened for reading; it is changed.
    source : object
        Its path or address, for messages.

    Returns
    -------
    zarr.Array
        The same.

    Raises
    ------
    UserError
        If it names a codec that is not trusted.
    """
    metadata: Any = array.metadata
    is_old = metadata.zarr_format == 2
    if is_old:
        filters, compressor = metadata.filters or (), metadata.compressor
        named = [each.codec_id for each in (*filters, *([compressor] if compressor else []))]
        check_trusted(named, source)
        size = prod(array.chunks) * array.dtype.itemsize
        limit = size * (16 if filters else 1) + MARGIN
        safe = None if compressor is None else Bounded(compressor, limit)
        made = [type_of_v2()(filters=filters or None, compressor=safe)]
    else:
        check_trusted(_names(metadata.codecs), source)
        made = [_bounded_codec(codec) for codec in metadata.codecs]
    pipeline = CheckedPipeline.from_codecs(made)
    object.__setattr__(pipeline, "source", str(source))
    object.__setattr__(array._async_array, "codec_pipeline", pipeline)
    return array


@dataclass(frozen=True)
class CheckedPipeline(BatchedCodecPipeline):
    """Decodes chunks; every error names the array and the chunk, in one sentence."""

    source = "the array"

    async def read_batch(self, batch_info: Any, out: Any, drop_axes: Any = ()) -> None:
        """Read and decode chunks.

        Raises
        ------
        UserError
            If one cannot be read or decoded.
        """
        batch = list(batch_info)
        try:
            await super().read_batch(batch, out, drop_axes)
        except Exception as error:  # codecs have no common type for damaged data
            path = str(getattr(batch[0][0], "path", "")) if batch else ""
            raise UserError(
                f"{self.source}, chunk {path}: cannot be read ({plain_reason(error)})."
            ) from error


def plain_reason(error: Exception) -> str:
    """Return the first line of a message, shortened; of errors about code, other words.

    Parameters
    ----------
    error : Exception
    """
    lines = str(error).strip().splitlines() or [""]
    text = "".join(letter if letter.isprintable() else "?" for letter in lines[0]).rstrip(".")
    if isinstance(error, MemoryError):
        return "there is too little memory for it"
    is_of_code = isinstance(error, TypeError | AttributeError | IndexError | RecursionError)
    if is_of_code or not text or "<" in text or "object" in text or "reshape" in text:
        return "it is damaged"
    return text if len(text) <= 200 else f"{text[:200]} ..."


def type_of_v2() -> Any:
    """Return the class that decodes chunks of Zarr 2; zarr does not export it."""
    from zarr.codecs._v2 import V2Codec

    return V2Codec


def check_trusted(names: Iterable[str], source: object) -> None:
    """Refuse codecs that are not listed here.

    Parameters
    ----------
    names : iterable of str
        Of the codecs of an array.
    source : object
        Its path or address, for the message.

    Raises
    ------
    UserError
    """
    for name in names:
        if str(name).removeprefix("numcodecs.") not in TRUSTED:
            raise UserError(
                f"{source} is encoded by {str(name)!r}, which is not read: save it again with "
                "blosc, zstd or gzip."
            )


def _names(codecs: Iterable[Codec]) -> list[str]:
    names = []
    for codec in codecs:
        names.append(str(codec.to_dict()["name"]))
        if isinstance(codec, ShardingCodec):
            names += _names([*codec.codecs, *codec.index_codecs])
    return names


def _bounded_codec(codec: Codec) -> Codec:
    if isinstance(codec, ShardingCodec):
        inner, index = (
            tuple(map(_bounded_codec, codecs)) for codecs in (codec.codecs, codec.index_codecs)
        )
        return replace(codec, codecs=inner, index_codecs=index)
    name = str(codec.to_dict()["name"]).removeprefix("numcodecs.")
    if isinstance(codec, BytesBytesCodec) and name in COMPRESSORS:
        return BoundedCodec(codec, name)
    return codec


@dataclass(frozen=True)
class BoundedCodec(BytesBytesCodec):
    """A codec of Zarr 3 that decodes no more than a chunk can hold."""

    inner: Any
    name: str
    is_fixed_size = False

    def to_dict(self) -> Any:
        """Return the codec as it stands in the metadata."""
        return self.inner.to_dict()

    def evolve_from_array_spec(self, array_spec: Any) -> "BoundedCodec":
        """Return the codec for arrays of this kind."""
        return replace(self, inner=self.inner.evolve_from_array_spec(array_spec))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """Return the encoded size, where it is fixed."""
        return self.inner.compute_encoded_size(input_byte_length, chunk_spec)

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        size = prod(chunk_spec.shape) * chunk_spec.dtype.to_native_dtype().itemsize
        limit = 2 * size + MARGIN  # filters of the file may make them smaller
        if self.name in STREAMS:
            decoded = STREAMS[self.name](chunk_bytes.to_bytes(), limit, self.inner)
            return chunk_spec.prototype.buffer.from_bytes(decoded)
        check_claim(self.name, chunk_bytes.to_bytes(), limit)
        return await self.inner._decode_single(chunk_bytes, chunk_spec)


@dataclass(frozen=True)
class Bounded:
    """A compressor of Zarr 2 that decodes no more than `limit` bytes."""

    inner: Any
    limit: int

    @property
    def codec_id(self) -> str:
        """Its name in the metadata."""
        return self.inner.codec_id

    def decode(self, encoded: Any, out: Any = None) -> Any:
        """Return the decoded bytes.

        Raises
        ------
        ValueError
            If they are more than `limit`.
        """
        given = bytes(memoryview(encoded).cast("B"))
        if self.codec_id in STREAMS:
            return STREAMS[self.codec_id](given, self.limit, self.inner)
        if self.codec_id in COMPRESSORS:
            check_claim(self.codec_id, given, self.limit)
        return self.inner.decode(encoded)


def check_claim(name: str, encoded: bytes, limit: int) -> None:
    """Refuse a compressed chunk that says in its headers that it decodes to too much.

    Parameters
    ----------
    name : {"blosc", "lz4", "zstd"}
    encoded : bytes
    limit : int
        Bytes that it may decode to.

    Raises
    ------
    ValueError
        If it does, or is too short for a header.
    """
    if len(encoded) < 4:
        raise ValueError("a chunk is cut off")
    if name == "blosc":
        claimed = int.from_bytes(encoded[4:8], "little")
    elif name == "lz4":
        claimed = int.from_bytes(encoded[:4], "little")
    else:
        claimed = zstd_size(encoded)
        limit = max(limit, 64_000_000)  # blocks count in full, though they may be smaller
    if claimed > limit:
        raise too_large(claimed)


def too_large(claimed: int) -> ValueError:
    """Return the error of a chunk that decodes to more bytes than it can hold."""
    return ValueError(
        f"a chunk expands to {size_text(claimed)} or more, which its shape does not hold"
    )


def zstd_size(encoded: bytes) -> int:
    """Return an upper limit of what Zstandard frames decode to, from their headers alone.

    Parameters
    ----------
    encoded : bytes

    Returns
    -------
    int
        In bytes; 0 for what is no frame.

    References
    ----------
    RFC 8878, section 3.1.1.
    """
    total, at = 0, 0
    while encoded[at : at + 4] == ZSTD_MAGIC and len(encoded) > at + 5:
        flags = encoded[at + 4]
        is_single, size_flag = bool(flags & 32), flags >> 6
        at += 5 + (not is_single) + (0, 1, 2, 4)[flags & 3]
        width = (1 if is_single else 0, 2, 4, 8)[size_flag]
        said = int.from_bytes(encoded[at : at + width], "little") + 256 * (width == 2)
        at += width
        blocks, is_last = 0, False
        while not is_last and len(encoded) >= at + 3:
            header = int.from_bytes(encoded[at : at + 3], "little")
            is_last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
            blocks += size if kind < 2 else ZSTD_BLOCK
            at += 3 + (1 if kind == 1 else size)
        # The decoder allocates what is said; without that it grows with the blocks.
        total += said if width else blocks
        at += 4 * bool(flags & 4)  # checksum
    return total


def _unzipped(encoded: bytes, limit: int, _: Any) -> bytes:
    """Decode gzip or zlib, which may be several streams in a row."""
    parts, total = [], 0
    while encoded:
        stream = zlib.decompressobj(wbits=47)  # either header
        parts.append(stream.decompress(encoded, limit - total + 1))
        total += len(parts[-1])
        if total > limit:
            raise too_large(total)
        if not stream.eof:
            raise ValueError("a chunk is cut off")
        encoded = stream.unused_data.lstrip(b"\0")
    return b"".join(parts)


def _bunzipped(encoded: bytes, limit: int, _: Any) -> bytes:
    parts, total = [], 0
    while encoded:
        stream = bz2.BZ2Decompressor()
        parts.append(stream.decompress(encoded, limit - total + 1))
        total += len(parts[-1])
        if total > limit:
            raise too_large(total)
        if not stream.eof:
            raise ValueError("a chunk is cut off")
        encoded = stream.unused_data
    return b"".join(parts)


def _unxzed(encoded: bytes, limit: int, codec: Any) -> bytes:
    codec = getattr(codec, "_codec", codec)  # that of numcodecs
    form, filters = getattr(codec, "format", lzma.FORMAT_XZ), getattr(codec, "filters", None)
    is_raw = form == lzma.FORMAT_RAW
    if is_raw:
        largest = max((each.get("dict_size", 0) for each in filters or ()), default=0)
        if largest > limit + MARGIN:
            raise too_large(largest)
        stream = lzma.LZMADecompressor(form, filters=filters)
    else:
        stream = lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=500_000_000)
    decoded = stream.decompress(encoded, limit + 1)
    if len(decoded) > limit:
        raise too_large(len(decoded))
    if not is_raw and not stream.eof:
        raise ValueError("a chunk is cut off")
    return decoded


STREAMS: dict[str, Callable[[bytes, int, Any], bytes]] = {
    "gzip": _unzipped, "zlib": _unzipped, "bz2": _bunzipped, "lzma": _unxzed,
}  # fmt: skip
"""Decoders that stop at a limit; the headers of the other compressors say the size."""
