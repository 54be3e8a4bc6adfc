"""Colors can be read in every theme of napari, and follow it."""

import pyqtgraph as pg
import pytest
from napari.settings import get_settings
from napari.utils.theme import get_theme

from napari_utile.widgets.evaluate.curves import ScoreCurves
from napari_utile.widgets.kit.colors import Tone, color_of, is_light
from napari_utile.widgets.kit.messages import Messages
from napari_utile.widgets.kit.plots import Graphics
from napari_utile.widgets.train.curves import Curves


@pytest.fixture
def theme(monkeypatch):
    """Choose another theme, not in the user's file; the old one comes back."""
    monkeypatch.setattr(type(get_settings()), "_maybe_save", lambda _: None)
    appearance = get_settings().appearance
    before = appearance.theme
    yield lambda name: setattr(appearance, "theme", name)
    appearance.theme = before


def luminance(red, green, blue):
    """WCAG 2.2, relative luminance."""
    linear = [
        x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4
        for x in (c / 255 for c in (red, green, blue))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", ["dark", "light"])
@pytest.mark.parametrize("tone", Tone)
def test_a_message_stands_out_from_panels_and_fields(theme, name, tone):
    theme(name)
    color = tuple(bytes.fromhex(color_of(tone)[1:]))
    for ground in (get_theme(name).background, get_theme(name).foreground):
        dark, light = sorted(luminance(*rgb[:3]) for rgb in (color, ground.as_rgb_tuple()))
        assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2.2, success criterion 1.4.3


def test_a_theme_is_light_or_dark(theme):
    found = {}
    for name in ("dark", "light"):
        theme(name)
        found[name] = is_light()
    assert found == {"dark": False, "light": True}


def test_messages_change_their_color_with_the_theme(theme, qtbot):
    theme("dark")
    messages = Messages()
    qtbot.addWidget(messages)
    messages.add("The image is small.", Tone.WARNING)
    before = color_of(Tone.WARNING)
    assert before in messages.text()
    theme("light")
    assert color_of(Tone.WARNING) != before
    assert color_of(Tone.WARNING) in messages.text()


@pytest.mark.parametrize("kind", [Curves, ScoreCurves])
def test_what_is_written_in_plots_has_the_color_of_text(theme, qtbot, kind):
    theme("dark")
    curves = kind()
    qtbot.addWidget(curves)
    graphics = curves.findChild(Graphics)
    labels = [x for x in graphics.scene().items() if isinstance(x, pg.InfLineLabel)]
    assert bool(labels) is (kind is Curves)
    for name in ("dark", "light"):
        theme(name)
        text = "#" + "".join(f"{x:02x}" for x in get_theme(name).text.as_rgb_tuple()[:3])
        found = [x for x in graphics.scene().items() if isinstance(x, pg.AxisItem)]
        axes = [x for x in found if x.orientation in ("left", "bottom")]
        assert {axis.textPen().color().name() for axis in axes} == {text}
        assert all(label.color.name() == text for label in labels)
