"""Tables of the registry. They contain no rows of data: those are in the store, found by digest."""

from datetime import date, datetime

from sqlalchemy import Date, DateTime, Float, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base class of all tables of the registry."""


class NightRow(Base):
    """A night that was opened, and who opened it: `schedule`, `hand`, or `nightwatch` for one that never began."""

    __tablename__ = "nights"

    recipe: Mapped[str] = mapped_column(String(40), primary_key=True)
    night: Mapped[date] = mapped_column(Date, primary_key=True)
    opened_by: Mapped[str] = mapped_column(String(20))
    recipe_digest: Mapped[str | None] = mapped_column(String(64))


class CutRow(Base):
    """The cut that a stage of a night reads; it is final once its batch is committed. Times are naive UTC."""

    __tablename__ = "cuts"

    recipe: Mapped[str] = mapped_column(String(40), primary_key=True)
    stage: Mapped[str] = mapped_column(String(20), primary_key=True)
    night: Mapped[date] = mapped_column(Date, primary_key=True)
    cut_from: Mapped[datetime] = mapped_column(DateTime)
    cut_to: Mapped[datetime] = mapped_column(DateTime)
    is_committed: Mapped[bool]


class RecipeRow(Base):
    """A recipe as of the start of a night, as JSON. The night uses it even if the file changes."""

    __tablename__ = "recipes"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    document: Mapped[str] = mapped_column(Text)


class OutcomeRow(Base):
    """The current outcome of a stage of a night."""

    __tablename__ = "outcomes"

    recipe: Mapped[str] = mapped_column(String(40), primary_key=True)
    night: Mapped[date] = mapped_column(Date, primary_key=True)
    stage: Mapped[str] = mapped_column(String(20), primary_key=True)
    status: Mapped[str] = mapped_column(String(20))
    message: Mapped[str] = mapped_column(Text)
    manifest: Mapped[str | None] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(DateTime)
    ended_at: Mapped[datetime | None] = mapped_column(DateTime)

    __table_args__ = (
        Index("ix_outcomes_status", "status", "night", "recipe", "stage"),
        Index("ix_outcomes_manifest", "manifest"),
    )


class RefRow(Base):
    """A movable pointer: per recipe `champion`, `deployed`, `latest`."""

    __tablename__ = "refs"

    recipe: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(String(64))
    night: Mapped[date] = mapped_column(Date)


class RefMoveRow(Base):
    """One move of a ref. Each line has the hash of the previous line, so that changes are detected."""

    __tablename__ = "ref_log"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    recipe: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(40))
    old: Mapped[str | None] = mapped_column(String(64))
    new: Mapped[str] = mapped_column(String(64))
    night: Mapped[date] = mapped_column(Date)
    who: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(Text)
    cites: Mapped[str | None] = mapped_column(String(64))
    by_hand: Mapped[bool]
    undoes: Mapped[int | None] = mapped_column(Integer)
    moved_at: Mapped[datetime] = mapped_column(DateTime)
    previous_hash: Mapped[str] = mapped_column(String(64))
    line_hash: Mapped[str] = mapped_column(String(64), unique=True)

    __table_args__ = (
        Index("ix_ref_log_ref", "recipe", "name", "number"),
        Index("ix_ref_log_recipe", "recipe", "number"),
        Index("ix_ref_log_new", "new"),
        Index("ix_ref_log_cites", "cites"),
    )


class ManifestRow(Base):
    """A manifest of the store. `nightloom registry rebuild` rebuilds this and the next two tables."""

    __tablename__ = "manifests"

    manifest: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    made_at: Mapped[datetime] = mapped_column(DateTime)

    __table_args__ = (Index("ix_manifests_kind", "kind", "manifest"),)


class EdgeRow(Base):
    """An edge from a manifest to one made from it. One of the two names the other, in the field of `path`.

    The child names the parent, except in results of cached results: there `part` is `result`, and the parent names the
    child.
    """

    __tablename__ = "edges"

    parent: Mapped[str] = mapped_column(String(64), primary_key=True)
    child_kind: Mapped[str] = mapped_column(String(40), primary_key=True)
    child: Mapped[str] = mapped_column(String(64), primary_key=True)
    part: Mapped[str] = mapped_column(String(10), primary_key=True)
    path: Mapped[str] = mapped_column(String(100), primary_key=True)
    parent_kind: Mapped[str] = mapped_column(String(40))

    __table_args__ = (Index("ix_edges_child", "child", "parent_kind", "parent"), {"sqlite_with_rowid": False})


class MemberRow(Base):
    """A manifest that a night of a recipe made or used; it may belong to several. For imports see `members`."""

    __tablename__ = "members"

    recipe: Mapped[str] = mapped_column(String(40), primary_key=True)
    night: Mapped[date] = mapped_column(Date, primary_key=True)
    manifest: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    noted_at: Mapped[datetime] = mapped_column(DateTime)

    __table_args__ = (
        Index("ix_members_recipe_kind", "recipe", "kind", "noted_at", "manifest", "night"),
        Index("ix_members_kind", "kind", "noted_at", "manifest", "recipe", "night"),
        Index("ix_members_manifest", "manifest", "recipe"),
        Index("ix_members_night", "night", "kind", "manifest"),
    )


class TrialRow(Base):
    """The progress of a trial, and the checkpoint from which the next attempt resumes."""

    __tablename__ = "trials"

    trial: Mapped[str] = mapped_column(String(64), primary_key=True)
    step: Mapped[int] = mapped_column(Integer)
    steps: Mapped[int] = mapped_column(Integer)
    device: Mapped[str] = mapped_column(String(100))
    seconds: Mapped[float] = mapped_column(Float)  # device seconds, over all attempts
    checkpoint: Mapped[str | None] = mapped_column(String(64))  # the last complete one
    started_at: Mapped[datetime] = mapped_column(DateTime)
    seen_at: Mapped[datetime] = mapped_column(DateTime)
    finished_at: Mapped[datetime | None] = mapped_column(DateTime)


class MetricRow(Base):
    """One point of a trial's curve, such as the loss at a step."""

    __tablename__ = "metrics"

    trial: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    value: Mapped[float] = mapped_column(Float)


class LeaseRow(Base):
    """An exclusive claim on a key, with its holder and its end."""

    __tablename__ = "leases"

    scope: Mapped[str] = mapped_column(String(100), primary_key=True)
    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    holder: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[datetime] = mapped_column(DateTime)


class ReleaseRow(Base):
    """A row version that a person released from one rule, from a night on."""

    __tablename__ = "releases"

    recipe: Mapped[str] = mapped_column(String(40), primary_key=True)
    row_id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[str] = mapped_column(String(40), primary_key=True)
    rule: Mapped[str] = mapped_column(String(100), primary_key=True)
    preparation: Mapped[str] = mapped_column(String(64))
    from_night: Mapped[date] = mapped_column(Date)
    who: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(Text)
    released_at: Mapped[datetime] = mapped_column(DateTime)


class ErasureRow(Base):
    """An erased row, by the digest of its id, because the id may be personal data."""

    __tablename__ = "erasures"

    recipe: Mapped[str] = mapped_column(String(40), primary_key=True)
    row_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    adapters: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(Text)
    erased_at: Mapped[datetime] = mapped_column(DateTime)
    finished_at: Mapped[datetime | None] = mapped_column(DateTime)


class InstallationRow(Base):
    """The single row with this registry's random id, which marks the store prefix that it owns."""

    __tablename__ = "installation"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    registry_id: Mapped[str] = mapped_column(String(36))
