from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Not a model app: registered so that its management commands and template tags are found."""

    name = "hub.core"
    label = "core"
