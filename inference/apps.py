from django.apps import AppConfig


class InferenceConfig(AppConfig):
    name = "inference"
    verbose_name = "Inference"

    def ready(self) -> None:
        # The catalogue lies below and must not import us: it is told here how to look into a model's files.
        from hub.catalog import inspectors  # noqa: PLC0415 -- apps must be ready
        from inference.inspector import inspect_files  # noqa: PLC0415 -- see above

        inspectors.register(inspect_files)
