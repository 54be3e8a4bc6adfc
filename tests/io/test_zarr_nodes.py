"""Zarr of strangers: impossible shapes, broken metadata, ways out, missing chunks."""

import json
import shutil

import pytest
import zarr

from napari_utile.errors import UserError
from napari_utile.io import zarr_nodes
from napari_utile.io.images import open_image
from napari_utile.io.ome_zarr import create_image, mark_complete
from tests.fixtures.ngff import EM, SPACE, ngff


def changed(path, **keys):
    """Write an array of Zarr 3, with other metadata."""
    zarr.create_array(path, shape=(4, 6, 7), dtype="u2", chunks=(1, 6, 7), compressors=None)[
        :
    ] = 1
    about = json.loads((path / "zarr.json").read_text()) | keys
    (path / "zarr.json").write_text(json.dumps(about))
    return path


def grid(*chunks):
    return {"name": "regular", "configuration": {"chunk_shape": chunks}}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"shape": [10**8, 10**7], "chunk_grid": grid(10**5, 10**5)}, "save it with smaller"),
        ({"shape": [10**8, 6, 7], "chunk_grid": grid(10**5, 6, 7)}, "too many slices"),
        ({"shape": [10**9, 6, 7]}, "1 of 10,000 chunks looked for"),
        ({"shape": [2**40, 2**40, 7]}, "larger than any image"),
        ({"shape": [4, 10**8, 10**8], "chunk_grid": grid(1, 512, 512)}, "1 of 10,000"),
        ({"shape": [0, 6, 7]}, "is empty"),
        ({"shape": [4, -6, 7]}, "cannot be read as Zarr"),
        ({"shape": [4, 6]}, "cannot be read as Zarr"),
        ({"shape": "everything"}, "cannot be read as Zarr"),
        ({"shape": [42], "chunk_grid": grid(42), "dimension_names": None}, "2 to 5 axes"),
        ({"data_type": "complex64", "fill_value": [0, 0]}, "not numbers"),
        ({"data_type": {"name": "numpy.datetime64"}}, "cannot be read as Zarr"),
        ({"codecs": [{"name": "pickle"}]}, "cannot be read as Zarr"),
        ({"node_type": "wish"}, "cannot be read as Zarr"),
        ({"zarr_format": 4}, "cannot be read as Zarr"),
    ],
)  # fmt: skip
def test_what_no_image_can_be_is_refused_in_one_sentence(tmp_path, keys, said):
    with pytest.raises(UserError, match=said) as refused:
        open_image(changed(tmp_path / "a.zarr", **keys))
    assert "a.zarr" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "[1]", "{", "[" * 100_000, '{"a":' * 100_000, "\xff", '{"a": 1, "a": 2}']
)
@pytest.mark.parametrize("name", ["zarr.json", ".zarray", ".zgroup", ".zattrs"])
def test_metadata_that_are_no_json_are_refused(tmp_path, name, text):
    if name == ".zattrs":
        zarr.create_group(tmp_path, zarr_format=2)
    (tmp_path / name).write_bytes(text.encode("latin1"))
    with pytest.raises(
        UserError,
        match=r"is empty|is not JSON|no object|nested too deeply|is not UTF-8|2 times",
    ):
        open_image(tmp_path)


@pytest.mark.parametrize(
    "name", ["../b/s0", "/etc", "s0/../../b/s0", "https://example.org/a", "", 7, None, "..\\b"]
)
def test_fault_32_levels_lead_out_of_no_folder(tmp_path, name):
    ngff(tmp_path / "b", SPACE, [])
    path = ngff(tmp_path / "a.zarr", SPACE, [])
    about = json.loads((path / ".zattrs").read_text())
    about["multiscales"][0]["datasets"][0]["path"] = name
    (path / ".zattrs").write_text(json.dumps(about))
    with pytest.raises(UserError, match=r"is outside of it|is no name"):
        open_image(path)


def test_fault_32_nor_does_a_link(tmp_path):
    ngff(tmp_path / "b", SPACE, [])
    path = ngff(tmp_path / "a.zarr", SPACE, [])
    shutil.rmtree(path / "s0")
    (path / "s0").symlink_to(tmp_path / "b" / "s0")
    with pytest.raises(UserError, match="a link that leads out of it"):
        open_image(path)
    (tmp_path / "c.zarr").symlink_to(tmp_path / "b")  # a link to the whole is a name for it
    assert open_image(tmp_path / "c.zarr").shape == (3, 6, 7)


def test_metadata_that_were_gathered_and_are_out_of_date_do_not_count(tmp_path):
    path = ngff(tmp_path / "a.zarr", SPACE, [])
    zarr.consolidate_metadata(path, zarr_format=2)
    zarr.open_array(path / "s0", mode="r+").resize((2, 6, 7))
    assert open_image(path).shape == (2, 6, 7)


def test_missing_chunks_are_counted(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, shape=(4, 6, 7), dtype="u2", chunks=(1, 6, 7))[:] = 1
    assert open_image(path).doubts == ()
    (path / "c/2/0/0").unlink()
    (doubt,) = open_image(path).doubts
    assert "has 3 of 4 chunks; all others count as 0" in doubt


def test_many_chunks_are_looked_for_here_and_there(tmp_path, monkeypatch):
    monkeypatch.setattr(zarr_nodes, "MOST_FILES", 5)
    path = tmp_path / "a.zarr"
    array = zarr.create_array(path, shape=(9, 6, 7), dtype="u2", chunks=(1, 6, 7))
    array[:4] = 1
    (doubt,) = open_image(path).doubts
    assert "has 2 of 5 chunks looked for" in doubt
    assert [file.parts[-3] for file in zarr_nodes.chunk_files(array)] == list("02468")


def test_a_result_knows_how_many_chunks_it_was_written_with(tmp_path):
    path = tmp_path / "a.zarr"
    kind = {"kind": "probabilities"}
    data = create_image(path, EM.shape, "u1", (1, 20, 20), EM, attributes=kind)
    data[:, :, :20] = 9  # zeros have no files
    assert "is a partial result" in open_image(path).doubts[0]
    mark_complete(path)
    assert open_image(path).doubts == ()
    (path / "0/c/2/0/0").unlink()
    assert "has 9 of 10 chunks" in open_image(path).doubts[0]


def test_both_versions_in_one_folder_are_said(tmp_path):
    path = changed(tmp_path / "a.zarr")
    zarr.create_array(path, shape=(2, 6, 7), dtype="u1", zarr_format=2)
    stack = open_image(path)
    assert stack.shape[0] == 4
    assert any("metadata of Zarr 2 and of Zarr 3" in doubt for doubt in stack.doubts)
