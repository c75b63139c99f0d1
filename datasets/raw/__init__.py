"""Files as people publish them: text, tables, joins, values and time formats."""
