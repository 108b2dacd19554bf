"""Verdicts read again."""
