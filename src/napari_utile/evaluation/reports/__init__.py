"""An evaluation as files to read and to send: a page, tables, figures."""
