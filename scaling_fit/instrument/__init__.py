"""What the runs of checks say of the instrument itself."""
