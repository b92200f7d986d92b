"""States of a repo."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class RepoTypeChoice(models.TextChoices):
    """``hub.core.ids.RepoType`` with labels."""

    MODEL = "model", _("Model")
    DATASET = "dataset", _("Dataset")
    SPACE = "space", _("Space")


class Visibility(models.TextChoices):
    PUBLIC = "public", _("Public")
    PRIVATE = "private", _("Private")


class Gating(models.TextChoices):
    OFF = "", _("Open")
    AUTO = "auto", _("Automatic approval")
    MANUAL = "manual", _("Manual approval")


class UploadState(models.TextChoices):
    OPEN = "open", _("Open")
    COMMITTED = "committed", _("Committed")
    ABANDONED = "abandoned", _("Abandoned")
