"""The gateways under test: how each is started on the scripted model and judge."""
