"""A figure is the same at any time, in any folder."""

import subprocess
import sys

import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure

from napari_utile.evaluation.reports.drawing import encoded, plain_style

FOREIGN = {
    "text.usetex": True, "font.family": "fantasy", "lines.linewidth": 9, "figure.dpi": 30,
    "savefig.bbox": "tight", "svg.fonttype": "none", "path.sketch": (1, 2, 3),
}  # fmt: skip
"""What a `matplotlibrc` may say; LaTeX is a program that is run."""


@plain_style()
def drawn(format):
    figure = Figure(figsize=(2, 1))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], "o", label="$\\frac$")
    axes.legend()
    return encoded(figure, format)


@pytest.mark.parametrize("format", ["png", "svg"])
def test_a_figure_has_the_same_bytes_under_any_settings(format):
    first = drawn(format)
    with rc_context(FOREIGN):
        assert drawn(format) == first


def test_a_matplotlibrc_in_the_working_folder_is_not_even_read(tmp_path):
    (tmp_path / "matplotlibrc").write_bytes(b"text.usetex: True\n\xff")
    name = "napari_utile.evaluation.reports.drawing"
    code = f"import {name} as d; d.plain_style().__enter__(); print(d.Path.cwd())"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (f"{tmp_path}\n", "")
