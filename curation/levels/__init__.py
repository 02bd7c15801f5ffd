"""Levels: declarations over signals, made into keep/drop decisions and mixtures."""
