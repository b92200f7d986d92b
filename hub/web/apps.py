from django.apps import AppConfig


class WebConfig(AppConfig):
    """Pages: no models, but template tags and templates."""

    name = "hub.web"
    label = "web"
