"""Prompt sets: what is asked."""
