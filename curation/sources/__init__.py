"""Where documents come from: declared sources, planned into slices, read as records."""

from curation.sources.plan import fingerprint, slices
from curation.sources.readers import field_names, read
from curation.sources.source import Fields, Malformed, Part, Place, Record, Slice, Source

__all__ = ["Fields", "Malformed", "Part", "Place", "Record", "Slice", "Source", "field_names", "fingerprint", "read", "slices"]
