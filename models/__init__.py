"""Model catalog, preparation and verification of the weights that the stack serves."""
