"""`utile link`: other ids, and costs that are learnt and used."""

import json
import shutil

import pytest
import torch

from napari_utile.arrays.instances.link_costs import LinkCosts
from napari_utile.cli.main import main
from napari_utile.folders.link_costs import read_link_costs, write_link_costs
from napari_utile.folders.model import read_card
from napari_utile.io.images import open_image, write_tiff
from napari_utile.io.ome_zarr import provenance
from tests.fixtures.commands import complaint
from tests.fixtures.segmented import blob_files, segment  # noqa: F401

torch.set_num_threads(1)


@pytest.fixture
def result(blob_files, tmp_path):  # noqa: F811
    segment(blob_files, tmp_path / "r.zarr", output="instances", linking="overlap")
    return tmp_path / "r.zarr"


def test_a_result_is_linked_again_and_says_so(result, capsys):
    assert main(["link", str(result), "--json"]) == 0
    assert not json.loads(capsys.readouterr().out)["kept"]
    plan = provenance(result)["plan"]
    assert plan["settings"]["linking"] == "graph"
    assert plan["costs"] == LinkCosts().as_dict()


def test_costs_are_learnt_into_a_file_or_a_model_and_used(result, blob_files, tmp_path):  # noqa: F811
    main(["link", str(result)])
    write_tiff(tmp_path / "corrected.tif", open_image(result).read())
    command = ["link", str(result), "--learn", str(tmp_path / "corrected.tif")]
    out = tmp_path / "costs.json"
    assert main([*command, "--out", str(out)]) == 0
    costs = read_link_costs(out)
    assert costs != LinkCosts()
    assert provenance(result)["plan"]["costs"] == LinkCosts().as_dict()  # not linked again
    assert main(["link", str(result), "--linking-costs", str(out)]) == 0
    assert provenance(result)["plan"]["costs"] == costs.as_dict()
    model = tmp_path / "model"
    shutil.copytree(blob_files / "model", model)
    assert main([*command, "--model", str(model)]) == 0
    assert LinkCosts.of(read_card(model).linking) == costs
    predict = ["predict", str(model), str(blob_files / "em.tif"), "--output=instances"]
    assert main([*predict, "--out", str(tmp_path / "by_model.zarr"), "--tile=24"]) == 0
    assert provenance(tmp_path / "by_model.zarr")["plan"]["costs"] == costs.as_dict()


def test_predict_takes_costs_from_a_file(blob_files, tmp_path):  # noqa: F811
    costs = LinkCosts(next_bias=-50, skip_bias=-50)
    write_link_costs(tmp_path / "costs.json", costs)
    files = [str(blob_files / name) for name in ("model", "em.tif")]
    command = ["predict", *files, "--out", str(tmp_path / "o.zarr"), "--output=instances"]
    given = [f"--linking-costs={tmp_path / 'costs.json'}", "--tile=24", "--device=cpu"]
    assert main([*command, *given]) == 0
    assert provenance(tmp_path / "o.zarr")["plan"]["costs"] == costs.as_dict()


def test_contradictions_are_refused(result, tmp_path, capsys):
    assert "--out is for --learn" in complaint(capsys, ["link", result, "--out", "c.json"])
    learn = ["link", result, "--learn", "c.tif"]
    assert "name a JSON file with --out" in complaint(capsys, learn)
    (tmp_path / "c.json").write_text("{")
    told = complaint(capsys, ["link", result, "--linking-costs", tmp_path / "c.json"])
    assert "is not JSON" in told
