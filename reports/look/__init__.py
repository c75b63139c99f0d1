"""The look of tables and figures."""
