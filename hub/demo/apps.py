from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Real models for the first minutes of a new hub; no tables."""

    name = "hub.demo"
    label = "demo"
