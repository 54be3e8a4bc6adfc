"""What a comparison costs is said before the press."""

from napari_utile.widgets.kit.step_rates import keep_rate


def test_says_what_all_networks_take_before_the_press(panel):
    assert "5 networks x 5 min = 25 min." in panel.pace.text()
    assert "With one seed the winner may be chance" in panel.pace.text()
    panel.form.widget("networks").tick(["unet", "fcn"])
    panel.form.set_value("seeds", [0, 1, 2])
    assert "2 networks x 3 seeds x 5 min = 30 min." in panel.pace.text()
    assert "chance" not in panel.pace.text()
    for slow in panel._paces():
        keep_rate(slow, 30)
    panel.form.set_value("minutes", "4")
    assert "24 min, 120 steps each here." in panel.pace.text()
    assert "unet has time for 120 steps" in panel.pace.text()
