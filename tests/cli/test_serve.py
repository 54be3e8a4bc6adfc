"""`utile serve`: prints links, answers, and ends on a signal."""

import json
import signal
import subprocess
import sys
from urllib.request import urlopen

import pytest

from napari_utile.cli.main import main
from tests.fixtures.commands import complaint, predict


@pytest.fixture(scope="module")
def result(folder, tmp_path_factory):
    """A result of instances."""
    out = tmp_path_factory.mktemp("serve") / "i.zarr"
    assert main(predict(folder, out, "--output", "instances", "--tile", "16")) == 0
    return out


def test_a_result_is_served_until_ctrl_c(result):
    command = [sys.executable, "-m", "napari_utile", "serve", str(result), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as run:
        text = ""
        while not text.endswith("}\n}\n"):
            text += run.stdout.readline()
        links = json.loads(text)
        assert links["link"].startswith("https://neuroglancer-demo.appspot.com/#!")
        for address in links["addresses"].values():
            with urlopen(f"{address}zarr.json") as answer:
                assert json.load(answer)["attributes"]["ome"]["version"] == "0.5"
        run.send_signal(signal.SIGINT)
        assert run.wait(20) == 0


def test_what_cannot_be_served_is_refused(folder, result, capsys):
    said = complaint(capsys, ["serve", folder / "labels.tif"])
    assert "viewers in a browser read OME-Zarr" in said
    assert "give neuroglancer or webknossos" in complaint(
        capsys, ["serve", result, "--viewer", "nothing"]
    )
