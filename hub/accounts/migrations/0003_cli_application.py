"""The public application as which ``hf auth login`` signs in; its id stands in the client (hub-api §5.1)."""

from django.db import migrations

CLIENT_ID = "26be6b09-91c5-47da-9861-d2d2bb7a7e36"
GRANTS = ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]
# Written out: a migration must not change when hub.accounts.oauth.scopes does.
SCOPES = [
    "openid",
    "profile",
    "email",
    "read-memberships",
    "read-repos",
    "gated-repos",
    "contribute-repos",
    "write-repos",
    "manage-repos",
    "read-collections",
    "write-collections",
    "write-discussions",
    "inference-api",
    "read-endpoints",
    "write-endpoints",
    "jobs",
    "webhooks",
]


def register(apps, schema_editor):
    applications = apps.get_model("allauth_idp_oidc", "Client")
    applications.objects.get_or_create(
        id=CLIENT_ID,
        defaults={
            "name": "Hugging Face command line and Python library",
            # "!" is how Django marks a password that nothing fits.
            "secret": "!",
            "type": "public",
            "grant_types": "\n".join(GRANTS),
            "response_types": "",
            "redirect_uris": "",
            "scopes": "\n".join(SCOPES),
            "default_scopes": "\n".join(SCOPES),
        },
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_oauth"), ("allauth_idp_oidc", "0003_client_allow_uri_wildcards")]
    operations = [migrations.RunPython(register, migrations.RunPython.noop)]
