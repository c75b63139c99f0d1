"""The files of an output folder: written whole, read with their damage named."""
