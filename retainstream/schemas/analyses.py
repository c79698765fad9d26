"""Shapes of the runs behind derived figures."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.paging import MOMENT


class AnalysisRunSchema(Schema):
    """The run of one analysis that is in force."""

    id = ma.fields.Integer(required=True)
    kind = ma.fields.String(required=True)
    as_of = ma.fields.String(required=True, metadata=MOMENT)
    data_as_of = ma.fields.String(required=True, metadata=MOMENT)
    made_at = ma.fields.String(required=True, metadata=MOMENT)
    n = ma.fields.Integer(required=True, metadata={"description": "Customers with a figure"})
    inputs = ma.fields.Dict(keys=ma.fields.String(), required=True)
    summary = ma.fields.Dict(keys=ma.fields.String(), required=True)


class AnalysesSchema(Schema):
    """The run in force of each analysis that was ever made."""

    items = ma.fields.List(ma.fields.Nested(AnalysisRunSchema), required=True)
