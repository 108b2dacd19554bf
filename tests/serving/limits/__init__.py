"""Tests of tenants' limits."""
