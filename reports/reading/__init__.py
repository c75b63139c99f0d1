"""The content of an output folder, checked and named."""
