"""One file per step: its inputs, its identity, its work per shard."""
