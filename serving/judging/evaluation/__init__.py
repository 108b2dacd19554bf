"""Measuring a judge on labelled rows: figures with their uncertainty, tables, JSON and an HTML report."""
