from django.db import migrations
from django.db.models import F


def fill(apps, schema_editor):
    """A sort key is unique: without a rating it is the repo's own number."""
    apps.get_model("catalog", "RepoIndex").objects.filter(s_rating=0).update(s_rating=F("repo_id"))


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0004_reviews'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
