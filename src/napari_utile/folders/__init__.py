"""Folders that engine and window share: runs, jobs, journals, comparisons, models."""
