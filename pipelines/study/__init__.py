"""The study file: YAML to a validated, frozen declaration."""
