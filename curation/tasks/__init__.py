"""Tasks: items with a right answer, from files or made from held-out text, and what of them a model scores."""
