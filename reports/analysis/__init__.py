"""Numbers that several parts of a report need."""
