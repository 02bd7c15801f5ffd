"""The engine: steps with lineage, the work directory, who computes, the exchange, progress."""
