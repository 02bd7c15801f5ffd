"""The sections of a study file, as pydantic models."""
