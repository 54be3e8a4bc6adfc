"""Work in a thread, of which nothing is left when it is ended."""

from napari_utile.widgets.kit.background import Background


def test_work_that_is_ended_is_closed(qtbot):
    yielded, closed, called = [], [], []

    def work():
        try:
            while True:
                yield
        finally:
            closed.append(True)

    background = Background(work, called.append, called.append, yielded.append)
    worker = background.worker  # napari keeps it
    qtbot.waitUntil(lambda: bool(yielded))
    background.end()
    qtbot.waitUntil(lambda: closed == [True])
    assert not worker.is_running
    assert called == []
