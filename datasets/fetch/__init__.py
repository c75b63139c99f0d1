"""Fetches raw files: transfers that resume, digests, and archives unpacked safely."""
