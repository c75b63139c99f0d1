"""The side of the peers: code that runs in their environment, where our packages are absent."""
