"""Readers: where documents come from."""
