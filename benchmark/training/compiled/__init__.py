"""Training steps compiled on a CPU: traced to a graph, built once, kept in a folder of a store."""
