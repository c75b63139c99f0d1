"""The executor for Ray: tasks on the nodes of a cluster, results back as files."""
