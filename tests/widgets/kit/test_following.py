"""A slot is called while its widget lives, and keeps nothing alive."""

import gc
from weakref import ref

from napari.utils.events import EmitterGroup
from qtpy.QtWidgets import QWidget

from napari_utile.widgets.kit.following import Follower, when_deleted

TOLD = []


class Follows(QWidget):
    def __init__(self, event):
        super().__init__()
        self.inside = QWidget(self)
        Follower(self.inside, self.tell, event)
        self.cycle = lambda: self.inside  # freed by the garbage collector alone

    def tell(self, _event):
        TOLD.append(self)


def test_a_closed_widget_is_freed_and_not_called(qtbot):
    events = EmitterGroup(happened=None)
    widget = Follows(events.happened)
    events.happened()
    assert TOLD.pop() is widget and not TOLD
    gone = ref(widget)
    del widget
    gc.collect()
    assert gone() is None
    events.happened()
    assert not TOLD


def test_a_function_is_called_as_well(qtbot):
    events, told = EmitterGroup(happened=None), []
    widget = QWidget()
    qtbot.addWidget(widget)
    Follower(widget, lambda event: told.append(event.type), events.happened)
    events.happened()
    assert told == ["happened"]


class Ends(QWidget):
    def __init__(self, ends):
        super().__init__()
        self.inside = QWidget(self)
        when_deleted(self.inside, lambda: ends.append("ended"))
        self.cycle = lambda: self.inside


def test_work_is_ended_once_when_its_widget_is_garbage(qtbot):
    ended = []
    Ends(ended)
    gc.collect()
    assert ended == ["ended"]
