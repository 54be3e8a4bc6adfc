"""Faults 5, 9 and 12, and the part of 8 and 13 that is about files."""

import os
import socket
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tifffile
import zarr

from napari_utile.errors import UserError
from napari_utile.io import ome_zarr
from napari_utile.io.disk import check_file_output, check_writable, locked
from napari_utile.io.images import as_stack, open_image
from napari_utile.io.stack import Stack
from napari_utile.settings.training import TrainSettings
from tests.fixtures.new_run import new_run


def png_that_claims(width, height):
    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def test_fault_05_a_large_layer_is_read_tile_by_tile(tmp_path):
    data = zarr.create_array(
        tmp_path / "big.zarr", shape=(1000, 100_000, 100_000), chunks=(1, 512, 512), dtype="u1"
    )
    data[700, 600:620, 600:620] = 9
    for source in (data, [data, data[::2, :1, :1]]):
        part = as_stack(source).plane((700,), slice(598, 602), slice(598, 602))
        np.testing.assert_array_equal(part[0], [[0, 0, 0, 0]] * 2 + [[0, 0, 9, 9]] * 2)
    with pytest.raises(UserError, match=r"has 0 of 10,000 chunks looked for .* copy it again"):
        as_stack(tmp_path / "big.zarr")


def test_fault_05_over_the_budget_says_size_budget_and_the_route():
    huge = np.broadcast_to(np.uint8(0), (100_000, 10_000, 10_000))
    with pytest.raises(
        UserError, match=r"^em takes 10.0 TB .*B may be used.* OME-Zarr .* path"
    ):
        as_stack(huge, name="em").read()


PICKLE = (
    b"\x93NUMPY\x01\0\x76\0{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(127)
    + b"\ncos\nsystem\n(S'false'\ntR."
)
DAMAGED = {
    "empty.tif": (b"", "is empty"),
    "text.tif": (b"This is not an image.", "is no image"),
    "cut.png": (png_that_claims(20, 20)[:40], "is a PNG or JPEG of a rare kind, or damaged"),
    "cut.jpg": (b"\xff\xd8\xff\xe0\0\x10JFIF", "is cut off"),
    "cut.tif": (b"II*\0\x08\0\0\0\xff\xff", "is cut off or damaged: its page 1"),
    "cut.npy": (b"\x93NUMPY\x01\0v\0{'descr': '|u1', 'for", "cannot be read as .npy"),
    "pickle.npy": (PICKLE, "holds Python objects"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_fault_08_a_damaged_file_is_named_with_the_reason(tmp_path, name):
    content, reason = DAMAGED[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        open_image(path)
    said = str(refused.value)
    assert said.startswith(str(path))
    assert reason in said
    assert said.endswith(".")
    assert "\n" not in said


def test_fault_08_missing_files_and_plain_folders_are_named(tmp_path):
    with pytest.raises(UserError, match=r"gone\.tif was not found"):
        open_image(tmp_path / "gone.tif")
    with pytest.raises(UserError, match="folder without Zarr metadata"):
        open_image(tmp_path)


def test_fault_09_a_png_that_claims_too_much_is_refused(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(12_000, 12_000))
    with pytest.raises(UserError, match=r"bomb\.png claims 12000 x 12000 pixels.* cannot hold"):
        open_image(path)


def test_fault_09_a_png_beyond_all_limits_is_refused(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_that_claims(2**31 - 1, 2**31 - 1))
    with pytest.raises(UserError, match=r"bomb\.png"):
        open_image(tmp_path / "bomb.png")


def test_fault_09_npy_and_tiff_that_claim_more_than_they_have_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((64, 64)))
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((64, 64)))
    for name in ("a.npy", "a.tif"):
        path = tmp_path / name
        os.truncate(path, path.stat().st_size - 4096)
        with pytest.raises(UserError, match=name):
            open_image(path)


def test_fault_12_an_output_is_not_overwritten_unasked(tmp_path):
    like = Stack(np.zeros((4, 4)), "yx")
    path = tmp_path / "out.zarr"
    ome_zarr.create_image(path, (4, 4), "u1", (4, 4), like)[:] = 7
    with pytest.raises(UserError, match=r"out\.zarr exists; overwrite replaces it"):
        ome_zarr.create_image(path, (4, 4), "u1", (4, 4), like)
    assert (open_image(path).read() == 7).all()
    ome_zarr.create_image(path, (4, 4), "u1", (4, 4), like, overwrite=True)
    assert (open_image(path).read() == 0).all()
    assert [p.name for p in tmp_path.iterdir()] == ["out.zarr"]


def test_fault_12_overwrite_never_deletes_what_is_not_an_image(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    like = Stack(np.zeros((4, 4)), "yx")
    with pytest.raises(UserError, match="no output of U-Tile"):
        ome_zarr.create_image(tmp_path / "thesis", (4, 4), "u1", (4, 4), like, overwrite=True)
    with pytest.raises(UserError, match="not a run folder"):
        new_run(tmp_path / "thesis", TrainSettings())
    with pytest.raises(UserError, match="is a folder"):
        check_file_output(tmp_path / "thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter.txt").exists()


@pytest.mark.parametrize("out", ["in.zarr", "in.zarr/0", "."])
def test_fault_12_the_input_is_never_the_output(tmp_path, out):
    zarr.create_group(tmp_path).create_group("in.zarr").create_array(
        "0", shape=(4, 4), dtype="u1"
    )
    like = open_image(tmp_path / "in.zarr")
    with pytest.raises(UserError, match="is the image itself"):
        ome_zarr.create_image(tmp_path / out, (4, 4), "u1", (4, 4), like, overwrite=True)


HOLD = """
import os, sys
from napari_utile.io.disk import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_fault_12_another_process_is_named_with_pid_and_host(tmp_path):
    command = [sys.executable, "-c", HOLD, tmp_path / "run"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        holder = f"process {other.pid} on {socket.gethostname()}"
        with pytest.raises(UserError, match=holder), locked(tmp_path / "run"):
            pass
    with locked(tmp_path / "run"):
        pass


def test_fault_19_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    command = [sys.executable, "-c", HOLD, tmp_path / "run"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        other.kill()
    assert (tmp_path / ".run.lock").exists()
    with locked(tmp_path / "run"):
        pass


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 300 + ".zarr", "too long"),
        ("file.txt/out.zarr", "is not a folder"),
        ("nul\0.zarr", "null"),
        ("caf\udce9/out.zarr", "the name is not UTF-8"),  # as Python gives Latin-1
    ],
)
def test_fault_13_a_path_that_cannot_be_written_is_refused_before(tmp_path, name, reason):
    (tmp_path / "file.txt").touch()
    with pytest.raises(UserError, match=reason):
        check_writable(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="no /proc")
def test_fault_13_a_folder_that_nobody_may_write_to_is_refused():
    with pytest.raises(UserError, match="/proc/run cannot be written"):
        check_writable("/proc/run")


def test_fault_13_blanks_and_other_alphabets_are_fine(tmp_path):
    path = tmp_path / "мой том 日本 ü.zarr"
    like = Stack(np.zeros((4, 4)), "yx")
    ome_zarr.create_image(path, (4, 4), "u1", (4, 4), like)[:] = 3
    assert (open_image(path).read() == 3).all()
