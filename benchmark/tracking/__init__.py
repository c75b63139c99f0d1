"""The copy of the store in MLflow; only this package knows MLflow, and no worker imports it."""
