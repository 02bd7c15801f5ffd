"""Near-duplicate clusters: candidates, verification, components."""
