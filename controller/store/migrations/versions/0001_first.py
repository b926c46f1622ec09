"""The first schema: hosts, releases, deployments, streams, alerts, actions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    op.create_table(
        "actions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("epoch", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("alert_rule", sa.String(), nullable=False),
        sa.Column("playbook", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("responder", sa.String(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("target", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("actions_by_alert", "actions", ["host", "epoch", "seq"], unique=False)
    op.create_index("actions_by_state", "actions", ["host", "state"], unique=False)
    op.create_table(
        "alerts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("epoch", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("release", sa.String(), nullable=True),
        sa.Column("digest", sa.String(), nullable=True),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.JSON(), nullable=False),
        sa.Column("subject", sa.JSON(), nullable=False),
        sa.Column("event_ns", sa.BigInteger(), nullable=False),
        sa.Column("matched_ns", sa.BigInteger(), nullable=True),
        sa.Column("spooled_ns", sa.BigInteger(), nullable=True),
        sa.Column("received_ns", sa.BigInteger(), nullable=False),
        sa.Column("stored_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("host", "epoch", "seq"),
    )
    op.create_index("alerts_by_rule", "alerts", ["rule", "id"], unique=False)
    op.create_index(op.f("ix_alerts_event_ns"), "alerts", ["event_ns"], unique=False)
    op.create_table(
        "releases",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("configs", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
    )
    op.create_table(
        "streams",
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("epoch", sa.String(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("host", "epoch"),
    )
    op.create_table(
        "action_transitions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("action_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["action_id"], ["actions.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        op.f("ix_action_transitions_action_id"), "action_transitions", ["action_id"], unique=False
    )
    op.create_table(
        "deployments",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("started_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("digest", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["release"], ["releases.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_deployments_host"), "deployments", ["host"], unique=False)
    op.create_index(op.f("ix_deployments_release"), "deployments", ["release"], unique=False)
    op.create_table(
        "hosts",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("agent_version", sa.String(), nullable=True),
        sa.Column("boot_id", sa.String(), nullable=True),
        sa.Column("release_wanted", sa.String(), nullable=True),
        sa.Column("digest_wanted", sa.String(), nullable=True),
        sa.Column("seen_ns", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("status", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["release_wanted"], ["releases.id"]),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    """Go back to the schema before."""
    op.drop_table("hosts")
    op.drop_index(op.f("ix_deployments_release"), table_name="deployments")
    op.drop_index(op.f("ix_deployments_host"), table_name="deployments")
    op.drop_table("deployments")
    op.drop_index(op.f("ix_action_transitions_action_id"), table_name="action_transitions")
    op.drop_table("action_transitions")
    op.drop_table("streams")
    op.drop_table("releases")
    op.drop_index(op.f("ix_alerts_event_ns"), table_name="alerts")
    op.drop_index("alerts_by_rule", table_name="alerts")
    op.drop_table("alerts")
    op.drop_index("actions_by_state", table_name="actions")
    op.drop_index("actions_by_alert", table_name="actions")
    op.drop_table("actions")
