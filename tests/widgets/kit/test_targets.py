"""What is offered to learn follows the networks, and what was chosen is lost in words alone."""

import pytest

from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.options import NETWORK_NAMES
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.form import Form
from napari_utile.widgets.kit.targets import TargetOffer


@pytest.mark.parametrize(
    ("settings", "field", "volumes", "slices"),
    [
        (TrainSettings, "network", "unet-3d", "segnet"),
        (CompareSettings, "networks", ["unet-3d"], ["unet-3d", "segnet"]),
    ],
)
def test_a_target_that_not_all_can_learn_is_given_back_in_a_sentence(
    qtbot, settings, field, volumes, slices
):
    form = Form(settings, ticks={"networks": NETWORK_NAMES} if field == "networks" else {})
    qtbot.addWidget(form)
    offer = TargetOffer(form, field)
    form.show_settings(settings(**{field: volumes}))
    assert offer.update() == "" and offer.update() is None
    form.set_value("target", "affinities")
    assert offer.update() is None
    if field == "network":
        form.set_value(field, slices)
    else:
        form.widget(field).tick(slices)
    assert offer.update() == (
        "The target is instances again: segnet sees slices, and affinities are learnt by "
        "networks of volumes."
    )
    assert form.value("target") == "instances"
