"""What every section of a study file is: frozen, and without keys that nobody knows."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _is_field(path: str) -> str:
    from curation.sources.fields import check  # reads tables too: not for `assay --help`

    check(path)
    return path


FieldPath = Annotated[str, AfterValidator(_is_field)]
"""Where a field lies in a record: `meta.url`, `urls[0]`."""
Fraction = Annotated[float, Field(gt=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
