"""The engine as a process of its own, watched from the window."""
