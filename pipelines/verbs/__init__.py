"""The verbs of the command line. What computes is imported when a verb is called, so that help and completion are quick."""
