"""States of a repo."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class RepoTypeChoice(models.TextChoices):
    """``hub.core.ids.RepoType`` with labels."""

    MODEL = "model", _("Model")
    DATASET = "dataset", _("Dataset")
    SPACE = "space", _("Space")
    KERNEL = "kernel", _("Kernel")


class Visibility(models.TextChoices):
    PUBLIC = "public", _("Public")
    PRIVATE = "private", _("Private")


class Gating(models.TextChoices):
    OFF = "", _("Open")
    AUTO = "auto", _("Automatic approval")
    MANUAL = "manual", _("Manual approval")


class AccessState(models.TextChoices):
    """What became of somebody's request to open a gated repo."""

    PENDING = "pending", _("Waiting for a decision")
    ACCEPTED = "accepted", _("Accepted")
    REJECTED = "rejected", _("Rejected")


class UploadState(models.TextChoices):
    OPEN = "open", _("Open")
    COMMITTED = "committed", _("Committed")
    ABANDONED = "abandoned", _("Abandoned")


class ImportState(models.TextChoices):
    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Copying")
    SUCCEEDED = "succeeded", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")

    @property
    def is_final(self) -> bool:
        return self in (ImportState.SUCCEEDED, ImportState.FAILED, ImportState.CANCELLED)
