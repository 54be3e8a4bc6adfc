"""The question mark of a panel opens its section of the docs, and links lead on."""

import importlib
import re

import pytest
import yaml
from napari.settings import get_settings
from PIL import Image
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication

import napari_utile
from napari_utile.errors import UserError
from napari_utile.widgets.kit import help_page
from napari_utile.widgets.kit.colors import Tone, color_of
from napari_utile.widgets.kit.help_page import PANELS, SIZE, HelpButton, HelpPage, help_text
from napari_utile.widgets.kit.panel import Panel


def every_page(project):
    """Return the page of each panel, by its name."""
    manifest = yaml.safe_load((project / "napari.yaml").read_text())["contributions"]
    names = {command["id"]: command["python_name"] for command in manifest["commands"]}
    found = {}
    for widget in manifest["widgets"]:
        module, name = names[widget["command"]].split(":")
        panel = getattr(importlib.import_module(module), name)
        if issubclass(panel, Panel):
            found[name] = panel.page
    return found


def test_every_panel_has_its_section_with_pictures_that_are_there(project):
    pages = every_page(project)
    assert len(pages) >= 8
    for page in pages.values():  # none is empty
        text = help_text(PANELS, page)
        assert text.startswith(f"## {page}\n") and "<img" not in text
        for picture in text.split("](")[1:]:
            name = picture.partition(")")[0]
            assert not name.endswith("png") or (project / "docs" / name).is_file()


def test_a_click_opens_the_section_and_links_lead_on(qtbot, monkeypatch):
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    button = HelpButton("Segment")
    qtbot.addWidget(button)
    button.click()
    (page,) = [w for w in QApplication.topLevelWidgets() if isinstance(w, HelpPage)]
    qtbot.addWidget(page)
    assert page.text.toPlainText().startswith("Segment\n")
    page.follow(QUrl("#while-it-runs"))
    assert page.text.verticalScrollBar().value() > 0
    assert page.text.toPlainText().startswith("Segment\n")
    page.follow(QUrl("#evaluate"))  # of the same file, in another section
    assert "Label" in page.text.toPlainText()
    page.follow(QUrl("stacks.md"))
    assert page.text.toPlainText() == page.text.toPlainText().strip() != ""
    assert "Label\n" not in page.text.toPlainText()[:200]
    page.follow(QUrl("https://napari.org"))
    assert [url.toString() for url in opened] == ["https://napari.org"]


def test_the_window_of_a_short_page_is_low(qtbot, monkeypatch, tmp_path):
    (tmp_path / PANELS).write_text("## A panel\n\nOne line.\n\n## Long\n\n" + "Line.\n\n" * 90)
    monkeypatch.setattr(help_page, "docs_folder", lambda: tmp_path)
    short, long = HelpPage(None, "A panel"), HelpPage(None, "Long")
    qtbot.addWidget(short)
    qtbot.addWidget(long)
    assert short.height() < 200 < long.height() == SIZE[1]


@pytest.fixture
def page(qtbot, monkeypatch, tmp_path):
    """Open a page with a wide picture of each theme, and links."""
    for name in ("dark", "light"):
        Image.new("RGB", (900, 300), name_color(name)).save(tmp_path / f"{name}.png")
    (tmp_path / PANELS).write_text(
        "## A panel\n\n<picture>\n"
        '<source media="(prefers-color-scheme: light)" srcset="light.png">\n'
        '<img src="dark.png" width="868" alt="it">\n</picture>\n\n'
        "Words, [a link](other.md) and more words.\n"
    )
    monkeypatch.setattr(help_page, "docs_folder", lambda: tmp_path)
    appearance = get_settings().appearance
    before = appearance.theme
    appearance.theme = "dark"
    page = HelpPage(None, "A panel")
    qtbot.addWidget(page)
    yield page
    appearance.theme = before


def name_color(theme):
    """Return the color of the picture of a theme."""
    return {"dark": "#102030", "light": "#d0e0f0"}[theme]


def test_pictures_are_of_the_theme_and_change_with_it(page, qtbot):
    assert "![it](dark.png)" in help_text(PANELS, "A panel")
    page.show()
    bar = page.text.verticalScrollBar()
    bar.setValue(bar.maximum())
    for name in ("dark", "light"):
        get_settings().appearance.theme = name
        picture = page.text.document().resource(2, QUrl(f"{name}.png")).toImage()
        assert picture.pixelColor(5, 5).name() == name_color(name)
        assert f"{name}.png" in page.text.toHtml()
        assert bar.value() == bar.maximum()


def test_pictures_are_no_wider_than_the_window(page, qtbot):
    page.show()
    for width in (760, 500, 700):
        page.resize(width, 400)
        qtbot.waitUntil(lambda: page.text.width() < width)  # noqa: B023, called at once
        assert page.text.document().resource(2, QUrl("dark.png")).width() > width - 100
        assert page.text.horizontalScrollBar().maximum() == 0


def test_links_have_a_color_that_can_be_read_in_each_theme(page):
    for name in ("dark", "light"):
        get_settings().appearance.theme = name
        link = color_of(Tone.NOTE)
        html = page.text.toHtml()
        assert re.search(rf'<a href="other.md"><span style="[^"]*color:{link}', html)
        assert html.count(link) == 1


def test_an_installation_without_docs_says_so(qtbot, monkeypatch, tmp_path):
    monkeypatch.setattr(help_page, "docs_folder", lambda: tmp_path)
    with pytest.raises(UserError, match="no docs"):
        help_text(PANELS, "Segment")
    page = HelpPage(None, "Segment")
    qtbot.addWidget(page)
    assert "no docs" in page.text.toPlainText()


def test_docs_in_the_package_come_first(monkeypatch, tmp_path):
    (tmp_path / "napari_utile" / "docs").mkdir(parents=True)
    package = tmp_path / "napari_utile" / "__init__.py"
    monkeypatch.setattr(napari_utile, "__file__", str(package))
    assert help_page.docs_folder() == package.parent / "docs"
