import pytest
import yaml

from napari_utile.errors import UserError
from napari_utile.folders.model import DESCRIPTION, given_name, read_card
from napari_utile.folders.model_writing import replaced_model, write_name
from tests.fixtures.window import write_card


@pytest.fixture
def run(tmp_path):
    """Return a run folder with a model."""
    (tmp_path / "run" / "model").mkdir(parents=True)
    write_card(tmp_path / "run" / "model", channels=2)
    return tmp_path / "run"


def test_an_interrupted_save_leaves_the_older_model_alone(run):
    def save(folder):
        with replaced_model(folder) as draft:
            (draft / "weights.pt").write_bytes(b"half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        save(run / "model")
    assert [path.name for path in run.iterdir()] == ["model"]
    with pytest.raises(UserError, match="is not a model"):
        save(run)


def test_a_name_is_written_into_the_card_and_for_other_programs(run):
    assert given_name(run) == ""
    write_name(run, " Zellen, groß ")
    assert given_name(run) == "Zellen, groß"
    assert read_card(run).in_channels == 2
    description = yaml.safe_load((run / "model" / DESCRIPTION).read_text(encoding="utf-8"))
    # letters that the specification allows: ASCII, digits, blanks and _+-()
    assert description["name"] == "U-Tile Zellen  gro"
    assert [path.name for path in (run / "model").iterdir()] == [DESCRIPTION]


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 65])
def test_what_is_no_name_is_refused(run, name):
    with pytest.raises(UserError, match=r"^The name .*\.$"):
        write_name(run, name)
    assert given_name(run) == ""
