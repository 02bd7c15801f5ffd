"""Quality of a level as numbers: what its training stream is made of, and what its text is like."""
