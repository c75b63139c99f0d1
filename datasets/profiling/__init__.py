"""Descriptions of a log, raw or prepared: proposals of a TOML file, remarks, data cards."""
