"""`sernet-edge inspect`: the contents of a model file, and the runtimes that can run it."""
