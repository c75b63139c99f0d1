"""Rows: from raw files to tensors."""
