"""Messages in the window name things of the window: flags are for the shell alone."""

import ast
import re
from pathlib import Path

import pytest
from qtpy.QtWidgets import QFormLayout, QLabel

import napari_utile
from napari_utile.widgets.home.panel import HomePanel
from napari_utile.widgets.home.steps import STEPS
from napari_utile.widgets.kit.form import RowName

PACKAGE = Path(napari_utile.__file__).parent
SHELL_ALONE = ("cli",)
FLAG = re.compile(r"(?<![\w-])--[a-z]")
COMMANDS_TO_COPY = ("pip install", "--index-url", "--nthreads")
"""Of other programs: what they are told is no option of ours."""


def told(path):
    """The texts in a module but docstrings, and flags that stand alone: arguments."""
    tree = ast.parse(path.read_text())
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docs and not re.fullmatch(r"--[a-z-]*", node.value):
            yield node.value


@pytest.mark.parametrize(
    "room", sorted({p.relative_to(PACKAGE).parts[0] for p in PACKAGE.rglob("*.py")})
)
def test_no_message_below_the_shell_names_a_flag(room):
    if room in SHELL_ALONE:
        pytest.skip("the shell names flags")
    path = PACKAGE / room
    wrong = [
        f"{module.relative_to(PACKAGE)}: {text}"
        for module in (path.rglob("*.py") if path.is_dir() else [path])
        for text in told(module)
        if FLAG.search(text) and not any(command in text for command in COMMANDS_TO_COPY)
    ]
    assert wrong == []


def test_the_name_of_every_field_tells_what_the_field_is_for(open_panel, viewer):
    home = open_panel(HomePanel, viewer)
    silent = []
    for step in STEPS:
        panel = home.open_step(step.title)
        names = [
            rows.itemAt(row, QFormLayout.ItemRole.LabelRole)
            for rows in panel.findChildren(QFormLayout)
            for row in range(rows.rowCount())
        ]
        for name in (item.widget() for item in names if item):
            assert isinstance(name, RowName | QLabel)
            text = name.explanation if isinstance(name, RowName) else ""
            silent += [] if len(text.split()) > 4 else [(step.title, name.text())]
    assert silent == []
