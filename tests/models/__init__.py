"""Catalog, sources, preparation and independence of models."""
