"""From a raw log to encoded rows with splits, vocabularies and domains."""
