from django.apps import AppConfig


class ReposConfig(AppConfig):
    name = "hub.repos"
    label = "repos"
    verbose_name = "Repositories"

    def ready(self) -> None:
        from hub.repos import receivers  # noqa: F401, PLC0415 -- connects signals once apps are ready
