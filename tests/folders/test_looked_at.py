"""What somebody looks at, from a file that anybody may write."""

from napari_utile.folders.looked_at import LookedAt


def test_a_view_comes_back_and_what_is_no_view_is_none(tmp_path):
    path = tmp_path / "view.json"
    assert LookedAt.read(path) is None
    LookedAt(image="em", index=(3,), center=(4, 5)).write(path)
    assert LookedAt.read(path) == LookedAt(image="em", index=(3,), center=(4, 5))
    assert [each.name for each in tmp_path.iterdir()] == ["view.json"]
    path.write_text('{"index": [1]}')  # as a user would
    assert LookedAt.read(path) == LookedAt(index=(1,))
    for text in ("", "[", '{"index": "x"}', '{"index": [1], "more": 2}'):
        path.write_text(text)
        assert LookedAt.read(path) is None


def test_a_folder_that_is_gone_is_passed_over(tmp_path):
    LookedAt(index=(1,)).write(tmp_path / "gone" / "view.json")
