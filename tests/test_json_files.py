"""JSON files: what is right is read, and every fault is named with its file."""

import gzip
import os

import pytest

from napari_utile.errors import UserError
from napari_utile.json_files import read_json, read_json_object


@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_of_json_and_line_ends_do_not_matter(tmp_path, code, newline):
    path = tmp_path / "a.json"
    text = newline.join(["{", '"a": [1, 2.5, null, true, "ä"]', "}"])
    path.write_bytes(text.encode(code))
    assert read_json(path) == {"a": [1, 2.5, None, True, "ä"]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b'{"a": 1,\n "b" 2}', r"is not JSON: expecting ':' delimiter \(line 2, column 6\)"),
        (b'{"a": [1, 2\n', r"is not JSON, or cut off: expecting ',' .*\(line"),
        (b'{"a": "bc', "is not JSON, or cut off: unterminated string"),
        (gzip.compress(b"{}", mtime=0), r"is compressed \(gzip\): unpack it"),
        (b"PK\x03\x04...", r"is compressed \(zip\)"),
        (b"\xff\xfe\x00", "is not UTF-8 or UTF-16"),
        (b'{"a":\n"\xe4"}', r"is not UTF-8 \(line 2\)"),
        (b'{"steps": 1, "a": {}, "steps": 2}', "names 'steps' 2 times"),
        (b"[NaN]", "holds NaN, which is no number"),
        (b"[-Infinity]", "holds -Infinity"),
        (b"[1e999]", "holds 1e999, which is too large"),
        (b"[" + b"9" * 5000 + b"]", "too many digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b" " * 101, "has 101 bytes, and at most 100 are read"),
    ],
)
def test_a_fault_is_named_with_its_file(tmp_path, content, said):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    most = 100 if len(content) == 101 else 10**6
    with pytest.raises(UserError, match=rf"^{path} .*{said}"):
        read_json(path, most)


@pytest.mark.parametrize("text", ["[]", "3", "null"])
def test_an_object_is_asked_for(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"a\.json holds no object of names and values"):
        read_json_object(path)


def test_numbers_of_our_own_records_may_be_infinite(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[Infinity]")
    assert read_json(path, finite=False) == [float("inf")]


def test_what_is_no_file_is_refused_unread(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, said in (("", "is a folder"), ("pipe", "such as a pipe"), ("x", "was not found")):
        with pytest.raises(UserError, match=said):
            read_json(tmp_path / name)
