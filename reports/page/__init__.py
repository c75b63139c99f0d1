"""The HTML report: its content and its template."""
