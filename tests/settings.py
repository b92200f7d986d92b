"""The hub's own settings with what makes tests quick and mute; nothing that changes how a part works."""

from hub.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
HUB_DEMO = False
HUB_MIN_FREE_BYTES = "0"  # small disks of test machines
