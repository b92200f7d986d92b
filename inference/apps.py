from django.apps import AppConfig


class InferenceConfig(AppConfig):
    name = "inference"
    verbose_name = "Inference"

    def ready(self) -> None:
        # What lies below must not import us: it is told here how to look into a model's files, and who ran it.
        from hub.catalog import inspectors  # noqa: PLC0415 -- apps must be ready
        from hub.repos.services import evidence  # noqa: PLC0415 -- apps must be ready
        from inference import receivers  # noqa: F401, PLC0415 -- see above
        from inference.inspector import inspect_files  # noqa: PLC0415 -- see above
        from inference.usage import successful_runs  # noqa: PLC0415 -- see above

        inspectors.register(inspect_files)
        evidence.register(successful_runs)
