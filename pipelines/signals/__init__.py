"""From sources to the pool, its signals, classifiers and tokens."""
