"""Every option once: its default, limits, help, unit and group.

The panels' forms, the command line's flags, `settings.json` in the run folder and the record
in the model are all made from these classes. Nobody else types a default again.
"""
