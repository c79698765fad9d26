"""The OpenAPI document of the API, written when somebody first reads it. What the routes do is not here, nor the page that shows it."""

from __future__ import annotations

import threading
from typing import cast

from apispec import APISpec
from flask import Flask
from flask_smorest import Api, Blueprint

from retainstream.api.base import ErrorSchema


class EnvelopeApi(Api):  # type: ignore[misc]
    """flask-smorest with our envelope; errors on pages are left to the pages.

    Describing every route takes more than half of the time in which the app starts, and few processes are ever asked for the
    document: a worker, a command or a job's child mostly is not. So a blueprint is routed at once and described at the first reading.
    """

    ERROR_SCHEMA = ErrorSchema

    def __init__(self, app: Flask) -> None:
        self._undescribed: list[Blueprint] = []
        self._describing = threading.Lock()
        self._document: APISpec | None = None
        super().__init__(app)

    @property
    def spec(self) -> APISpec:
        """The document, complete with every blueprint that is registered."""
        document = cast(APISpec, self._document)  # the parent sets it before anybody reads it
        with self._describing:
            while self._undescribed:
                self._describe(self._undescribed[0], document)
                del self._undescribed[0]
        return document

    @spec.setter
    def spec(self, document: APISpec | None) -> None:
        self._document = document

    def register_blueprint(self, blueprint: Blueprint) -> None:
        """Route a blueprint of the API; its part of the document is written when that is read."""
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blueprint.name] = self
        self._app.register_blueprint(blueprint)
        with self._describing:
            self._undescribed.append(blueprint)

    def _describe(self, blueprint: Blueprint, document: APISpec) -> None:
        blueprint.register_views_in_doc(self, self._app, document, name=blueprint.name, parameters=None)
        document.tag({"name": blueprint.name, "description": blueprint.description})

    def _register_error_handlers(self) -> None:
        """The app registers one handler for both faces; see `retainstream.app`."""
