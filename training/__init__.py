"""Tokens to losses. Pure torch; knows neither Ray nor curation."""
