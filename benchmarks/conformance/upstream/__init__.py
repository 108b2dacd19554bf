"""What stands behind the gateway under test: a scripted model and a scripted judge that fails on demand."""
