"""What can be said of a log, raw or prepared: proposals of a description, remarks, data cards."""
