"""A part of a COCO data set, written as one of its own."""

import json
from pathlib import Path

import pytest
from PIL import Image
from pycocotools.coco import COCO

from napari_utile.coco.subset import write_subset
from napari_utile.errors import UserError
from tests.fixtures.coco_sample import all_crowds, write_coco_sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_coco_sample(tmp_path_factory.mktemp("coco"))


def ids_in(folder):
    content = json.loads((folder / "annotations.json").read_text())
    return {image["id"] for image in content["images"]}


def test_images_that_show_the_category_are_copied_with_its_objects(sample, tmp_path):
    write_subset(*sample, tmp_path / "dogs", ["dog"])
    coco = COCO(tmp_path / "dogs" / "annotations.json")
    assert set(coco.imgs) == {11, 13, 16}
    assert [category["name"] for category in coco.cats.values()] == ["dog"]
    assert {a["category_id"] for a in coco.anns.values()} == {5}
    for image in coco.imgs.values():
        copy = tmp_path / "dogs" / "images" / image["file_name"]
        assert copy.read_bytes() == (sample[1] / image["file_name"]).read_bytes()
    assert len(list((tmp_path / "dogs" / "images").iterdir())) == 3


def test_a_group_stands_for_its_categories_and_crowds_come_along(sample, tmp_path):
    part = write_subset(*sample, tmp_path / "animals", ["animal"])
    assert ids_in(tmp_path / "animals") == {11, 12, 13, 15, 16}
    assert [category.name for category in part.categories] == ["cat", "dog"]
    assert sum(annotation.is_crowd for annotation in part.annotations) == 1


def test_without_a_category_all_are_kept(sample, tmp_path):
    assert len(write_subset(*sample, tmp_path / "all").images) == 6


def test_the_same_seed_draws_the_same_images_and_more_add_to_them(sample, tmp_path):
    for name, count, seed in (("a", 2, 1), ("b", 2, 1), ("more", 4, 1), ("other", 2, 3)):
        write_subset(*sample, tmp_path / name, count=count, seed=seed)
    a, b, more, other = (ids_in(tmp_path / name) for name in ("a", "b", "more", "other"))
    assert a == b
    assert len(a) == 2
    assert a < more
    assert other != a


def test_more_images_than_there_are_is_refused(sample, tmp_path):
    with pytest.raises(UserError, match=r"has 3 images with .*, and 4 were asked for"):
        write_subset(*sample, tmp_path / "dogs", ["dog"], count=4)
    assert not (tmp_path / "dogs").exists()


def test_an_unknown_category_is_named_with_those_there_are(sample, tmp_path):
    with pytest.raises(UserError, match=r"no category 'dgo'.*cat, dog, cup"):
        write_subset(*sample, tmp_path / "x", ["dgo"])


def test_a_missing_image_is_named(sample, tmp_path):
    path, folder = write_coco_sample(tmp_path / "broken")
    (folder / "000013.png").unlink()
    with pytest.raises(UserError, match=r"000013\.png"):
        write_subset(path, folder, tmp_path / "x")


def test_broken_entries_are_left_out_on_demand(sample, tmp_path):
    path, folder = write_coco_sample(tmp_path / "broken")
    (folder / "000013.png").unlink()
    said = []
    part = write_subset(path, folder, tmp_path / "x", skip_broken=True, on_event=said.append)
    assert len(part.images) == 5 and ids_in(tmp_path / "x") == {11, 12, 14, 15, 16}
    assert "image 13 (000013.png) is not in" in said[0].message
    assert "1 annotation of broken images" in said[0].message


def test_an_image_of_another_size_is_named_before_it_is_copied(sample, tmp_path):
    path, folder = write_coco_sample(tmp_path / "other")
    (folder / "000012.png").rename(folder / "000011.png")
    (folder / "000013.png").write_text("no image")
    reasons = r"image 11 .*000011.png is 48 x 36 pixels, but annotations.json says 40 x 32"
    with pytest.raises(UserError, match=reasons):
        write_subset(path, folder, tmp_path / "x")
    said = []
    write_subset(path, folder, tmp_path / "x", skip_broken=True, on_event=said.append)
    assert ids_in(tmp_path / "x") == {14, 15, 16}
    assert "000013.png is no image" in said[0].message


def test_crowds_are_written_as_objects_on_demand(sample, tmp_path):
    path = all_crowds(sample[0], tmp_path)
    with pytest.warns(UserWarning, match="10 of 10 annotations are crowds"):
        write_subset(path, sample[1], tmp_path / "crowds")
    with pytest.raises(UserError, match="10 of 10 annotations are crowds"):
        write_subset(path, sample[1], tmp_path / "x", strict=True)
    write_subset(path, sample[1], tmp_path / "objects", crowds_as_objects=True)
    written = json.loads((tmp_path / "objects" / "annotations.json").read_text())
    assert {annotation["iscrowd"] for annotation in written["annotations"]} == {0}


def test_a_subset_is_replaced_only_if_told(sample, tmp_path):
    write_subset(*sample, tmp_path / "some")
    with pytest.raises(UserError, match="exists"):
        write_subset(*sample, tmp_path / "some", ["cup"])
    write_subset(*sample, tmp_path / "some", ["cup"], overwrite=True)
    names = {file.name for file in (tmp_path / "some" / "images").iterdir()}
    assert names == {"000014.png", "000015.png"}


def test_a_folder_with_other_things_is_left_alone(sample, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="is no subset"):
        write_subset(*sample, tmp_path, overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_no_image_is_written_outside_of_the_folder(sample, tmp_path):
    path, folder = write_coco_sample(tmp_path / "sly")
    content = json.loads(path.read_text())
    content["images"][0]["file_name"] = "../up.png"
    (folder / "000011.png").rename(folder.parent / "up.png")
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"\.\./up\.png .* leads out"):
        write_subset(path, folder, tmp_path / "deep" / "x")


def test_a_folder_that_cannot_be_renamed_is_filled(sample, tmp_path, monkeypatch):
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    write_subset(*sample, tmp_path / "link", ["cup"])
    assert {path.name for path in real.iterdir()} == {"annotations.json", "images"}
    monkeypatch.chdir(real)
    write_subset(*sample, Path(), overwrite=True)
    assert len(list((real / "images").iterdir())) == 6


def test_what_was_there_is_put_back_if_the_new_one_cannot_take_its_place(
    sample, tmp_path, monkeypatch
):
    out = tmp_path / "some"
    write_subset(*sample, out, ["cup"])
    before = (out / "annotations.json").read_bytes(), sorted(out.rglob("*"))
    rename = Path.rename

    def failing(self, target):
        if self.name == "images" and self.parent.name == "new":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(KeyboardInterrupt):
        write_subset(*sample, out, overwrite=True)
    assert ((out / "annotations.json").read_bytes(), sorted(out.rglob("*"))) == before


def test_a_subset_is_not_replaced_by_a_part_of_itself(sample, tmp_path):
    out = tmp_path / "some"
    write_subset(*sample, out)
    before = {file.name for file in (out / "images").iterdir()}
    for sources in ((out / "annotations.json", sample[1]), (sample[0], out / "images")):
        with pytest.raises(UserError, match="would be overwritten"):
            write_subset(*sources, out, ["cup"], overwrite=True)
    assert {file.name for file in (out / "images").iterdir()} == before


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_what_was_there_stays_if_a_subset_does_not_come_to_its_end(
    sample, tmp_path, monkeypatch, end
):
    out = tmp_path / "some"
    write_subset(*sample, out, ["cup"])
    before = sorted(out.rglob("*"))
    copied = []

    def copyfile(*paths):
        copied.append(paths)
        if len(copied) == 2:
            raise end

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", copyfile)
        with pytest.raises((KeyboardInterrupt, UserError)):
            write_subset(*sample, out, overwrite=True)
        copied.clear()
        with pytest.raises((KeyboardInterrupt, UserError)):
            write_subset(*sample, tmp_path / "new")
    assert sorted(out.rglob("*")) == before
    assert [path.name for path in tmp_path.iterdir()] == ["some"]
    write_subset(*sample, tmp_path / "new")


@pytest.mark.parametrize(
    ("id", "orientation", "is_shown", "said"),
    [
        (11, 6, False, "annotated as they are stored, not turned: they are copied"),
        (11, 8, True, "annotated as they are shown, turned: they are copied"),
        (11, 3, False, "their size does not tell whether their annotations are"),
        (14, 6, False, "their size does not tell whether their annotations are"),
        (11, 1, False, ""),
    ],
)
def test_pictures_with_an_orientation_are_said(tmp_path, id, orientation, is_shown, said):
    path, folder = write_coco_sample(tmp_path)
    name, exif = f"{id:06}.png", Image.Exif()
    exif[0x112] = orientation
    picture = Image.open(folder / name)
    # turned back, so that it is shown as it was
    picture = picture.transpose(Image.Transpose.ROTATE_270) if is_shown else picture
    picture.save(folder / name, exif=exif)
    told = []
    write_subset(path, folder, tmp_path / "out", on_event=told.append)
    heard = [event.message for event in told if "EXIF" in event.message]
    assert [f"1 of 6 images ({name})" in text and said in text for text in heard] == [True] * (
        bool(said)
    )
    if said.startswith("their size"):
        with pytest.raises(UserError, match="leave out strict"):
            write_subset(path, folder, tmp_path / "strict", strict=True)
        assert not (tmp_path / "strict").exists()
