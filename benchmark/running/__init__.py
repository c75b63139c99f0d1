"""From the cells of a plan to finished runs, on this machine or on a Ray cluster."""
