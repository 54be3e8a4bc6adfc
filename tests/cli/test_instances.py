"""`utile instances`: other objects of a finished result; what is not given stays."""

import json

import torch

from napari_utile.cli.main import main
from napari_utile.io.ome_zarr import provenance
from tests.fixtures.commands import complaint
from tests.fixtures.segmented import blob_files, segment  # noqa: F401

torch.set_num_threads(1)


def test_only_what_is_given_changes(blob_files, tmp_path, capsys):  # noqa: F811
    result = tmp_path / "r.zarr"
    segment(blob_files, result, output="instances", linking="overlap", min_size=5)
    assert main(["instances", str(result), "--threshold=0.6", "--json"]) == 0
    assert not json.loads(capsys.readouterr().out)["kept"]
    settings = provenance(result)["plan"]["settings"]
    found = settings["threshold"], settings["linking"], settings["min_size"]
    assert found == (0.6, "overlap", 5)
    said = complaint(capsys, ["instances", blob_files / "model"])
    assert "objects are made again of a result as .zarr" in said
