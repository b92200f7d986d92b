from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "hub.accounts"
    label = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from hub.accounts import receivers  # noqa: F401, PLC0415 -- connects signals once apps are ready
