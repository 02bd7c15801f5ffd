"""Signals: what is measured on every document."""
