"""One file per table; the file's name is the table's."""
