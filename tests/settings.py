"""The hub's own settings with what makes tests quick and mute; nothing that changes how a part works."""

from hub.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
HUB_DEMO = False
HUB_MIN_FREE_BYTES = "0"  # small disks of test machines
# A file, as on a real hub: SQLite's shared memory knows table locks that no timeout waits for.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    DATABASES["default"]["TEST"] = {"NAME": str(HUB_DATA_DIR / "test.sqlite3")}  # noqa: F405
