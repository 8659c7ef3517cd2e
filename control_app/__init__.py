"""The control service: publishes a location's prices."""

from __future__ import annotations

from flask import Flask

from control_app import logs
from control_app.catalog import Catalog, ModelSource
from control_app.settings import Settings
from control_app.sources import FileModels, KubernetesModels
from control_app.store import Store
from control_app.web import api, errors, pages
from control_app.web.context import Services


def create_app(settings: Settings | None = None) -> Flask:
    """The service as a WSGI application; without *settings* they are read from the environment.

    Raises SettingsError where they are incomplete.
    """
    settings = settings or Settings.from_environment()
    logs.configure()
    app = Flask("control_app", root_path=__path__[0], template_folder="web/templates", static_folder="web/static")
    store = Store(settings.database)
    app.extensions["services"] = Services(settings, Catalog(_source(settings), store), store)
    app.register_blueprint(api.blueprint)
    app.register_blueprint(pages.blueprint)
    errors.register(app)
    return app


def _source(settings: Settings) -> ModelSource:
    if settings.models == "kubernetes":
        return KubernetesModels(settings.models_namespace, settings.kubeconfig)
    return FileModels(settings.models_dir)
