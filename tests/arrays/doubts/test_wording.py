from napari_utile.arrays.doubts.wording import Doubt, count_of, told_together

GRAY, RIMS = Doubt("gray", "'a' is gray."), Doubt("rims", "'b' has rims.")


def test_each_kind_is_told_once():
    found = [("a", GRAY), ("b", RIMS), *((f"{i}", GRAY) for i in range(7))]
    assert told_together(found, 20, "labels") == [
        "'a' is gray. The same is true of 7 more of 20 labels: 0, 1, 2, 3, 4, ...",
        "'b' has rims.",
    ]


def test_counts_have_their_noun():
    assert (count_of(1, "id"), count_of(0, "id")) == ("1 id", "0 ids")
