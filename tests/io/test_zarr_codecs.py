"""Chunks decode to no more than they hold, and no codec runs what is in a file."""

import bz2
import gzip
import json
import lzma
import pickle
import zlib

import numpy as np
import pytest
import zarr
from numcodecs import BZ2, LZ4, LZMA, Blosc, Delta, FixedScaleOffset, GZip, Shuffle, Zlib, Zstd

from napari_utile.errors import UserError
from napari_utile.io.images import open_image
from napari_utile.io.zarr_codecs import ZSTD_BLOCK, zstd_size

BOMB = bytes(20_000_000)
PIXELS = np.random.default_rng(0).integers(0, 1000, (2, 20, 24)).astype(np.uint16)
V2 = {
    "blosc": Blosc(), "zstd": Zstd(), "gzip": GZip(), "zlib": Zlib(), "bz2": BZ2(),
    "lzma": LZMA(), "lz4": LZ4(), "none": None,
}  # fmt: skip


def v2(path, compressor, filters=None):
    array = zarr.create_array(
        path, shape=PIXELS.shape, dtype="u2", chunks=(1, 16, 16), zarr_format=2,
        compressors=compressor, filters=filters or "auto",
    )  # fmt: skip
    array[:] = PIXELS
    return path


def v3(path, *compressors, **options):
    array = zarr.create_array(
        path,
        shape=PIXELS.shape,
        dtype="u2",
        chunks=(1, 8, 8),
        compressors=compressors,
        **options,
    )
    array[:] = PIXELS
    return path


@pytest.mark.parametrize("name", V2)
def test_every_codec_of_zarr_2_decodes_what_it_encoded(tmp_path, name):
    np.testing.assert_array_equal(open_image(v2(tmp_path / "a", V2[name])).read(), PIXELS)


def test_filters_decode_what_they_encoded(tmp_path):
    filters = [Delta(dtype="u2"), Shuffle(elementsize=2)]
    np.testing.assert_array_equal(
        open_image(v2(tmp_path / "a", Zlib(), filters)).read(), PIXELS
    )
    filters = [FixedScaleOffset(offset=0, scale=1, dtype="u2", astype="f8")]
    np.testing.assert_array_equal(
        open_image(v2(tmp_path / "b", GZip(), filters)).read(), PIXELS
    )


@pytest.mark.parametrize("shards", [None, (1, 16, 16)])
@pytest.mark.parametrize(
    "codecs",
    [
        [zarr.codecs.GzipCodec()], [zarr.codecs.BloscCodec()], [zarr.codecs.ZstdCodec()],
        [zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()], [],
    ],
)  # fmt: skip
def test_every_codec_of_zarr_3_decodes_what_it_encoded(tmp_path, codecs, shards):
    path = v3(tmp_path / "a", *codecs, shards=shards)
    np.testing.assert_array_equal(open_image(path).read(), PIXELS)


def encoded(name):
    by_name = {
        "gzip": gzip.compress, "zlib": zlib.compress, "bz2": bz2.compress,
        "lzma": lzma.compress, "blosc": Blosc().encode, "zstd": Zstd().encode,
        "lz4": LZ4().encode,
    }  # fmt: skip
    return bytes(by_name[name](BOMB))


@pytest.mark.parametrize("name", ["gzip", "zlib", "bz2", "lzma", "blosc", "lz4"])
def test_a_chunk_of_zarr_2_that_expands_is_refused(tmp_path, name):
    path = v2(tmp_path / "a", V2[name])
    (path / "0.0.0").write_bytes(encoded(name))
    with pytest.raises(UserError, match=r"a chunk expands to .* or more, which its shape"):
        open_image(path).plane((0,))


@pytest.mark.parametrize(
    ("name", "codec"), [("gzip", zarr.codecs.GzipCodec()), ("blosc", zarr.codecs.BloscCodec())]
)
def test_a_chunk_of_zarr_3_that_expands_is_refused(tmp_path, name, codec):
    path = v3(tmp_path / "a", codec)
    (path / "c/0/0/0").write_bytes(encoded(name))
    with pytest.raises(UserError, match=r"a chunk expands to .* or more, which its shape"):
        open_image(path).plane((0,))


def test_many_streams_in_one_chunk_count_together(tmp_path):
    path = v2(tmp_path / "a", GZip())
    (path / "0.0.0").write_bytes(gzip.compress(bytes(400_000)) * 9)
    with pytest.raises(UserError, match="a chunk expands"):
        open_image(path).plane((0,))


def test_the_size_of_zstandard_is_in_its_headers(tmp_path):
    packed = bytes(Zstd().encode(BOMB))
    assert zstd_size(packed) == len(BOMB)
    # without the content size (RFC 8878: descriptor 0, window of 1 kB): blocks are counted
    run_of_zeros = (100_000 << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    packed_block = (5 << 3 | 2 << 1 | 1).to_bytes(3, "little") + bytes(5)
    frame = b"\x28\xb5\x2f\xfd\x00\x00" + run_of_zeros * 900 + packed_block
    assert zstd_size(frame) == 900 * 100_000 + ZSTD_BLOCK
    path = v3(tmp_path / "a", zarr.codecs.ZstdCodec())
    (path / "c/0/0/0").write_bytes(frame)
    with pytest.raises(UserError, match="a chunk expands"):
        open_image(path).plane((0,))


class Canary:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("dtype", ["<u2", "|O"])
@pytest.mark.parametrize("place", ["filters", "compressor"])
def test_fault_32_a_pickle_in_a_chunk_is_never_read(tmp_path, dtype, place):
    path, canary = v2(tmp_path / "a", None), tmp_path / "canary"
    about = json.loads((path / ".zarray").read_text())
    about["dtype"], about["fill_value"] = dtype, 0
    about[place] = {"id": "pickle"} if place == "compressor" else [{"id": "pickle"}]
    (path / ".zarray").write_text(json.dumps(about))
    (path / "0.0.0").write_bytes(pickle.dumps(Canary(canary)))
    with pytest.raises(UserError):
        open_image(path).plane((0,))
    assert not canary.exists()


@pytest.mark.parametrize("id", ["json2", "msgpack2", "vlen-utf8", "categorize", "os.system"])
def test_other_codecs_are_refused_by_name(tmp_path, id):
    path = v2(tmp_path / "a", None)
    about = json.loads((path / ".zarray").read_text())
    (path / ".zarray").write_text(json.dumps(about | {"compressor": {"id": id}}))
    with pytest.raises(UserError, match=r"a.*(is encoded by|cannot be read as Zarr)"):
        open_image(path)
