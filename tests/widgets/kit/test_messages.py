"""Messages of a panel."""

import pytest

from napari_utile.widgets.kit.messages import MOST_MESSAGES, Messages


@pytest.fixture
def messages(qtbot):
    messages = Messages()
    qtbot.addWidget(messages)
    return messages


def test_the_last_few_are_shown_below_what_is_wrong(messages):
    assert messages.isHidden()
    for number in range(MOST_MESSAGES + 2):
        messages.add(f"message {number}")
    messages.set_problem("Choose a model.")
    problem, *lines = messages.text().split("<br>")
    assert "Choose a model." in problem
    assert lines == [f"message {n}" for n in range(2, MOST_MESSAGES + 2)]
    messages.clear()
    messages.set_problem("")
    assert messages.isHidden()


def test_names_are_text_and_never_markup(messages):
    messages.add("a <b> & c")
    assert messages.text() == "a &lt;b&gt; &amp; c"


def test_an_offer_is_a_link_to_its_target(messages):
    messages.offer("Resume it", '/tmp/"a"')
    assert 'href="/tmp/&quot;a&quot;"' in messages.text()


def test_what_messages_are_about_is_said_above_them_and_hides_none(messages):
    messages.set_heading("On 'em', today 09:05:")
    assert messages.isHidden()
    messages.add("broken")
    messages.set_problem("Choose labels.")
    problem, heading, line = messages.text().split("<br>")
    assert "Choose labels." in problem
    assert (heading, line) == ("<b>On 'em', today 09:05:</b>", "broken")
    messages.set_heading("")
    assert "em" not in messages.text()
