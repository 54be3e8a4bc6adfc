"""Disk in, arrays out (lazily), and back."""
