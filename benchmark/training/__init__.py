"""One model and its data, from initial weights to predictions."""
