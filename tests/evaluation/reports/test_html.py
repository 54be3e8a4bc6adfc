"""The report as a page that needs no other file."""

import re
from html.parser import HTMLParser

from napari_utile.evaluation.error_types import KIND_COLORS, KIND_MEANINGS
from napari_utile.evaluation.reports.figures import curves
from napari_utile.evaluation.scores import score_named

VOID = {"meta", "img", "br", "link", "input"}
"""Elements that are never closed."""


class Balanced(HTMLParser):
    """Fails where an element is closed that is not open; lists all addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses = [], []

    def handle_starttag(self, tag, attributes):
        self.addresses += [v for k, v in attributes if k in ("src", "href") and v]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def test_a_page_is_whole_and_needs_no_other_file(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert parser.addresses
    assert all(address.startswith("data:image/png") for address in parser.addresses)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_every_id_is_there_once(page):
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert {*re.findall(r'(?:href="#|url\(#)([^")]+)', page)} <= {*ids}


def test_names_are_text_and_never_markup(page):
    assert "a &lt;b&gt; &amp; c" in page
    assert "<script>x.tif" not in page


def test_a_page_tells_every_score_and_what_it_means(page, report):
    for name in report:
        assert f"<code>{name}</code>" in page
        assert score_named(name).text.split("'")[0] in page
    for kind, meaning in KIND_MEANINGS.items():
        assert kind in page
        assert meaning in page
        assert KIND_COLORS[kind] in page


def test_a_page_shows_notes_curves_and_the_worst_slices(page, report):
    for note in report.notes:
        assert note in page
    for title in curves(report):
        assert title in page
    assert page.count("<svg") == len(curves(report)) == 5
    assert page.index("slice 3") < page.index("slice 1")


def test_curves_take_the_ink_of_the_page(page):
    drawn = page[page.index("<svg") : page.rindex("</svg>")]
    assert "currentColor" in drawn
    assert "#30343b" not in drawn
