"""Tasks of a study: their items read or made, cleared of what the pool holds, and tokenised for every run."""
