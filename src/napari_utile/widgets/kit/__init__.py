"""What panels are made of: forms, buttons, progress, tables, curves."""
