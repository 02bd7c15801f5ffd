"""From signatures to the signal `duplicates`."""
