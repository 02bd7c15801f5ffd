"""Levels under one law: comparison, shift, verdict, forecast, budget, design."""
