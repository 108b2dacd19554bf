"""Starting, watching and stopping the stack."""
