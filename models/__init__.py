"""Functions of a batch: two backbones, and the methods that share parameters across domains."""
