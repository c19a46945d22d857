"""`sernet-edge cross-validate`: folds, the processes that train them, and the command."""
