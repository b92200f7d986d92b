from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "hub.catalog"
    label = "catalog"
    verbose_name = "Catalogue"

    def ready(self) -> None:
        from hub.catalog import receivers  # noqa: F401, PLC0415 -- connects signals once apps are ready
