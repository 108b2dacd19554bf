"""Sending requests and noting when what arrived."""
