"""Text to signals, levels and token shards: Arrow tables in, Arrow tables out. Knows neither Ray nor torch."""
