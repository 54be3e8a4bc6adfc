"""The table of faults in docs/promises.md, and the tests that it names."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"
ROWS = re.findall(
    r"^\| (\d+) \| (.+) \| (.+) \| (.+) \|$", (DOCS / "promises.md").read_text(), re.M
)
FILES = {path: path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py")}


def names_in(number, text):
    """Return the tests of a fault in the text of a file."""
    return set(re.findall(rf"^def (test_fault_{number:02}_\w+)\(", text, re.M))


def test_the_table_has_a_row_for_each_of_forty_faults():
    assert [int(number) for number, *_ in ROWS] == list(range(1, 41))
    assert all("real" in how or "simulated" in how for _, _, how, _ in ROWS)


def test_every_test_that_the_table_names_is_in_the_file_it_links_to():
    for number, _, _, tests in ROWS:
        for name, file in re.findall(r"\[([\w ]+)\]\(([^)]+)\)", tests):
            test = f"test_fault_{int(number):02}_{name.replace(' ', '_')}"
            assert test in names_in(int(number), FILES[(DOCS / file).resolve()])


def test_every_file_with_tests_of_a_fault_is_in_its_row():
    for number, _, _, tests in ROWS:
        linked = {(DOCS / file).resolve() for file in re.findall(r"\]\(([^)]+)\)", tests)}
        assert linked == {p for p, text in FILES.items() if names_in(int(number), text)}
