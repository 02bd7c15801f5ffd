"""From token shards to runs and their observations."""
