"""What the steps need, and what comes next."""

import pytest
import yaml

from napari_utile.widgets.home.steps import GIVES, STEPS, StepNeed, missing, step_named
from napari_utile.widgets.layers.choice import HELPER


def test_the_steps_are_those_of_the_manifest_and_lead_to_one_another(project):
    manifest = yaml.safe_load((project / "napari.yaml").read_text())["contributions"]
    widgets = {item["command"] for item in manifest["widgets"]}
    names = {c["id"]: c["python_name"] for c in manifest["commands"] if c["id"] in widgets}
    ours = {f"napari_utile.widgets.{step.panel}" for step in STEPS}
    assert {*names.values()} - ours == {"napari_utile.widgets.home.panel:HomePanel"}
    titles = [step.title for step in STEPS]
    assert {title for step in STEPS for title in step.then} <= {*titles}
    assert {*GIVES} == {*StepNeed} and {*GIVES.values()} <= {*titles}


def test_what_is_missing_follows_the_layers_and_helpers_are_none(viewer, home):
    train, segment = step_named("Train"), step_named("Segment")
    assert missing(train, []) == [StepNeed.IMAGE, StepNeed.LABELS]
    assert missing(train, viewer.layers) == []
    assert missing(segment, viewer.layers) == [StepNeed.MODEL]
    viewer.layers["cells"].metadata[HELPER] = True
    assert missing(train, viewer.layers) == [StepNeed.LABELS]
    with pytest.raises(StopIteration):
        step_named("none")
