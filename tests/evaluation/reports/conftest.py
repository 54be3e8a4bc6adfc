"""A report to write."""

from tests.fixtures.written_report import foreground, page, report, truth  # noqa: F401
