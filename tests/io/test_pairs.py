import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.io.images import write_tiff
from napari_utile.io.pairs import open_pairs, pair_files, stack_pairs
from tests.fixtures.touch import touch


def test_pairs_by_stem(tmp_path):
    touch(
        tmp_path, "i/s1.ome.tif", "i/s10.tif", "i/s2.png", "l/s1.tif", "l/s2.tif", "l/s10.tif"
    )
    found = [(i.name, label.name) for i, label in pair_files(tmp_path / "i", tmp_path / "l")]
    assert found == [("s1.ome.tif", "s1.tif"), ("s2.png", "s2.tif"), ("s10.tif", "s10.tif")]


def test_one_image_and_one_labels_file_are_a_pair(tmp_path):
    touch(tmp_path, "volume.tif", "labels.tif")
    both = tmp_path / "volume.tif", tmp_path / "labels.tif"
    assert pair_files(*both) == [both]


def test_what_does_not_pair_up_is_listed(tmp_path):
    touch(tmp_path, "i/a.tif", "i/b.tif", "i/b.png", "l/b.tif", "l/c.tif")
    with pytest.raises(UserError) as refused:
        pair_files(tmp_path / "i", tmp_path / "l")
    for said in ("more than one image called b", "no labels for a.tif", "no image for c.tif"):
        assert said in str(refused.value)


def test_names_that_differ_in_a_usual_word_pair_also_in_one_folder(tmp_path):
    touch(tmp_path, "i/a.tif", "i/b.tif", "l/a_mask.tif", "l/b_cp_masks.png")
    touch(tmp_path, "both/a.tif", "both/a_mask.tif", "both/img_2.tif", "both/mask_2.tif")
    found = pair_files(tmp_path / "i", tmp_path / "l")
    assert [labels.name for _, labels in found] == ["a_mask.tif", "b_cp_masks.png"]
    both, masks = tmp_path / "both", tmp_path / "both" / "*mask*"
    for labels in (both, masks):
        found = [(image.name, labels.name) for image, labels in pair_files(both, labels)]
        assert found == [("a.tif", "a_mask.tif"), ("img_2.tif", "mask_2.tif")]


def test_what_could_belong_to_several_is_refused_with_what_to_do(tmp_path):
    touch(tmp_path, "i/a.tif", "i/b.tif", "l/a_mask.tif", "l/a_seg.tif", "l/b.tif")
    with pytest.raises(UserError) as refused:
        pair_files(tmp_path / "i", tmp_path / "l")
    assert str(refused.value) == (
        "Images and labels do not pair up: it is not clear which belong together: a.tif with "
        "a_mask.tif or a_seg.tif. Give both the same name, or add a word: cell.tif and "
        "cell_mask.tif."
    )


def test_long_lists_of_names_are_cut(tmp_path):
    touch(tmp_path, "l/other.tif", *(f"i/{n}.tif" for n in range(12)))
    with pytest.raises(UserError, match=r"4\.tif and 7 more"):
        pair_files(tmp_path / "i", tmp_path / "l")


def test_folders_pair_by_name(tmp_path):
    for folder, factor in (("images", 1), ("labels", 10)):
        (tmp_path / folder).mkdir()
        for i in (2, 1):
            write_tiff(tmp_path / folder / f"{i}.tif", np.full((8, 9), i * factor, np.uint8))
    images, labels, left_out = open_pairs(tmp_path / "images", tmp_path / "labels")
    assert [stack.name for stack in images] == ["1.tif", "2.tif"]
    assert [int(stack.read().max()) for stack in (*images, *labels)] == [1, 2, 10, 20]
    assert left_out == ()


@pytest.mark.parametrize(
    ("shape", "axes"), [((3, 20, 30), "cyx"), ((20, 30, 3), "yxc"), ((20, 30), "yx")]
)
def test_the_axis_that_the_labels_lack_holds_the_channels(shape, axes):
    (image,), (labels,) = stack_pairs(np.zeros(shape), np.zeros((20, 30), int))
    assert (image.axes, labels.axes) == (axes, "yx")
    assert (image.name, labels.name) == ("image", "labels")


def test_two_slices_or_two_channels_beside_labels_of_one_slice_are_refused():
    with pytest.raises(UserError, match=r"They have 2 and 1 slices.* labels \(20, 30\)\."):
        stack_pairs(np.zeros((2, 20, 30)), np.zeros((1, 20, 30), int))


def test_several_arrays_are_counted_and_pair_up():
    image, labels = np.zeros((20, 30)), np.zeros((20, 30), int)
    images, truths = stack_pairs([image, image], [labels, labels])
    assert [stack.name for stack in images] == ["image 1", "image 2"]
    assert [stack.name for stack in truths] == ["labels 1", "labels 2"]
    with pytest.raises(UserError, match="2 images and labels of 1 do not pair up"):
        stack_pairs([image, image], labels)


def test_names_pair_that_are_spelled_alike(tmp_path):
    composed, decomposed = "M\u00e4use.tif", "Ma\u0308use.tif"
    touch(tmp_path, f"i/{composed}", f"l/{decomposed}")
    ((image, labels),) = pair_files(tmp_path / "i", tmp_path / "l")
    assert (image.name, labels.name) == (composed, decomposed)
    touch(tmp_path, f"i/{decomposed}")
    with pytest.raises(UserError, match="more than one image called M\u00e4use"):
        pair_files(tmp_path / "i", tmp_path / "l")


def test_pairs_that_are_broken_or_incomplete_are_left_out_on_request(tmp_path):
    touch(tmp_path, "i/lonely.tif", "i/empty.tif", "l/empty.tif", "l/alone.tif")
    for folder in "il":
        write_tiff(tmp_path / folder / "good.tif", np.ones((8, 9), np.uint8))
    both = tmp_path / "i", tmp_path / "l"
    with pytest.raises(UserError) as refused:
        open_pairs(*both)
    said = str(refused.value)
    assert said.startswith("3 of 4 pairs are broken: no labels for lonely.tif; no image for")
    assert said.endswith(
        "is empty. Correct or remove them, or add skip broken to leave them out."
    )
    images, labels, (said,) = open_pairs(*both, skip_broken=True)
    assert [stack.name for stack in (*images, *labels)] == ["good.tif", "good.tif"]
    assert said.startswith("3 of 4 pairs are left out: no labels for lonely.tif; no image for")
    assert said.endswith("empty.tif is empty.")


def test_what_folders_hold_beside_the_pairs_is_a_doubt(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
        write_tiff(tmp_path / folder / "1.tif", np.ones((8, 9), np.uint8))
    opened = open_pairs(tmp_path / "images", tmp_path / "labels")
    assert opened.images[0].doubts == ()
    touch(tmp_path, "labels/2.czi")
    (said,) = open_pairs(tmp_path / "images", tmp_path / "labels").images[0].doubts
    assert said.startswith("1 of the 2 images in ")
    (said,) = open_pairs(*[tmp_path / "images"] * 2).images[0].doubts
    assert said.endswith("1.tif is both image and labels: give the labels of it.")
