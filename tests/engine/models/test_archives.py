"""Archives of tensors: what strangers may put into them, and what is made of it."""

import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from napari_utile.engine.models.archives import (
    MOST_OBJECTS,
    read_archive,
    write_archive,
    written_out,
)
from napari_utile.errors import UserError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pt"


def refusal(path):
    """Read the archive and give the sentence that refuses it."""
    with pytest.raises(UserError) as refused:
        read_archive(path)
    message = str(refused.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message


def test_what_was_written_is_read_back_as_copies(path):
    kept = torch.arange(6.0)
    transposed = kept.reshape(2, 3).T
    content = {"a": transposed, "b": [1, (2.5, None, True)], "c": {0: "x"}, "d": kept[1:3]}
    write_archive(content, path)
    found = read_archive(path)
    path.write_bytes(bytes(path.stat().st_size))  # nothing is mapped any more
    assert torch.equal(found["a"], transposed) and torch.equal(found["d"], kept[1:3])
    assert (found["b"], found["c"]) == (content["b"], content["c"])


def test_a_full_disk_is_named(path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="the disk is full"):
        write_archive({"a": torch.zeros(1000)}, path)


def sparse():
    return torch.sparse_coo_tensor([[0], [0]], [1.0], (1, 1))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda: torch.zeros(1).expand(10**13), "claims more numbers than it holds"),
        (lambda: torch.zeros(1, device="meta"), "not dense"),
        (sparse, "not dense"),
        (lambda: torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.quint8), "not dense"),
        (lambda: {"a"}, "holds set"),
        (lambda: {(1, 2): 3}, "a key of type tuple"),
        (lambda: 1j, "holds complex"),
        (lambda: torch.float32, "holds dtype"),
    ],
)
def test_what_is_no_dense_tensor_or_plain_value_is_refused(path, value, reason):
    torch.save({"a": value()}, path)
    message = refusal(path)
    assert reason in message or "is damaged" in message or "holds code" in message


def rewritten(path, change):
    """Write the archive anew, with other members."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(members):
            archive.writestr(name, content)


def test_a_storage_that_claims_more_than_its_member_is_not_read(path):
    """The pickle says how many numbers there are; the member is four times smaller."""
    write_archive({"a": torch.zeros(1000)}, path)

    def short(members):
        return [(n, c[:1000] if n.endswith("/0") else c) for n, c in members.items()]

    rewritten(path, short)
    assert "is damaged" in refusal(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_the_same_name_are_refused(path):
    write_archive({"a": torch.zeros(3)}, path)
    rewritten(path, lambda members: [*members.items(), *members.items()])
    assert "is damaged" in refusal(path)


def test_a_changed_byte_is_noticed_by_the_sums_in_the_archive(path):
    write_archive({"a": torch.zeros(1000)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(bytes(1000)) + 500] = 1
    path.write_bytes(content)
    assert "is damaged" in refusal(path)


def laughing(depth):
    """A tuple of twice the same tuple of twice the same tuple ..."""
    value = ()
    for _ in range(depth):
        value = (value, value)
    return value


def test_a_key_that_would_take_for_ever_is_not_even_built(path):
    program = pickle.dumps({1: laughing(60)}, protocol=2)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/version", "3")
    assert "endlessly many objects" in refusal(path)


def test_objects_are_counted_wherever_they_are_used():
    """2^n - 1 tuples and twice as many uses: more than 2^n, fewer than 2^(n + 2)."""
    for depth in (3, 10, 40):
        count = written_out(pickle.dumps(laughing(depth), protocol=2))
        assert 2**depth <= count < 2 ** (depth + 2)
    assert written_out(pickle.dumps({"a": [1, 2], "b": (3,)}, protocol=2)) < 20 < MOST_OBJECTS


@pytest.mark.parametrize("cyclic", [True, False])
def test_lists_in_themselves_end(path, cyclic):
    value = []
    value.append(value if cyclic else laughing(60))
    torch.save({"a": value}, path)
    assert "endlessly many objects" in refusal(path)
