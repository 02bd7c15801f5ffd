"""Duplicates and repetition: what is exchanged between shards to find them, and the signals that say so."""
