"""PostgreSQL itself keeps audit events from being changed (T148)."""

from django.db import migrations

# Who and which token may be forgotten, when an account or a token goes (ON DELETE SET NULL); nothing else changes.
# Retention (hub.accounts.services.retention) deletes after 400 days.
_GUARD = """
CREATE OR REPLACE FUNCTION accounts_auditevent_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.created_at > now() - interval '365 days' THEN
            RAISE EXCEPTION 'audit events are append-only';
        END IF;
        RETURN OLD;
    END IF;
    IF (NEW.id, NEW.created_at, NEW.actor_name, NEW.address, NEW.action, NEW.target, NEW.data)
            IS DISTINCT FROM
       (OLD.id, OLD.created_at, OLD.actor_name, OLD.address, OLD.action, OLD.target, OLD.data)
       OR (NEW.actor_id IS NOT NULL AND NEW.actor_id IS DISTINCT FROM OLD.actor_id)
       OR (NEW.token_id IS NOT NULL AND NEW.token_id IS DISTINCT FROM OLD.token_id) THEN
        RAISE EXCEPTION 'audit events are append-only';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_auditevent_guard BEFORE UPDATE OR DELETE ON accounts_auditevent
    FOR EACH ROW EXECUTE FUNCTION accounts_auditevent_guard();
"""
_NO_GUARD = """
DROP TRIGGER IF EXISTS accounts_auditevent_guard ON accounts_auditevent;
DROP FUNCTION IF EXISTS accounts_auditevent_guard();
"""


def guard(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(_GUARD, params=None)


def no_guard(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(_NO_GUARD, params=None)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_site_settings")]

    operations = [migrations.RunPython(guard, no_guard, elidable=False)]
