"""Loads tables through the services as a request and its job do, and reads back what a visitor would see."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text

from retainstream import dialect
from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.jobs.inline import run_queued
from retainstream.models import Customer, Identity, Label
from retainstream.security.actor import SYSTEM
from retainstream.services import attributes
from retainstream.services.imports import batches, files
from retainstream.services.imports.learning import Answer
from retainstream.services.imports.preview import Preview, preview


def table(header: str, rows: list[str]) -> str:
    """Return a CSV."""
    return "\n".join([header, *rows]) + "\n"


def csv_of(columns: list[str], rows: list[tuple[Any, ...]]) -> str:
    """Return a CSV with quoting where it is needed."""
    text_file = io.StringIO(newline="")
    writer = csv.writer(text_file)
    writer.writerow(columns)
    writer.writerows(rows)
    return text_file.getvalue()


@dataclass
class Loader:
    """One box and what a person does with files on it."""

    settings: Settings

    def receive(self, content: str) -> files.Upload:
        """Store an upload."""
        return files.receive(io.BytesIO(content.encode()), "table.csv", self.settings)

    def preview(self, content: str, mapping: object | None = None, label: Answer | None = None) -> Preview:
        """Return what an import would do."""
        upload = self.receive(content)
        with read_unit() as session:
            found = preview(upload.path, upload.filename, self.settings, mapping, label=label, session=session)
        files.discard(self.settings, upload.name)
        return found

    def queue(
        self,
        content: str,
        mapping: Any = None,
        *,
        on_error: str = "reject",
        label: Answer | None = None,
        refine: bool = False,
    ) -> int:
        """Queue an import and return its id."""
        upload = self.receive(content)
        with read_unit() as session:
            found = preview(upload.path, upload.filename, self.settings, mapping, label=label, session=session)
        with unit_of_work() as session:
            batch, _ = batches.queue(
                session,
                SYSTEM,
                upload,
                found.mapping.to_dict(),
                on_error=on_error,
                known_at_time=found.mapping.known_at_time,
                warnings=found.learnt.warnings,
                refine=refine,
            )
            return batch.id

    def load(self, content: str, mapping: Any = None, **options: Any) -> tuple[int, dict[str, Any]]:
        """Import a file to its end; returns the batch's id and the job."""
        number = self.queue(content, mapping, **options)
        return number, self.run()

    def run(self) -> dict[str, Any]:
        """Run what is queued and return the last job."""
        return run_queued(self.settings)[-1]

    def undo(self, number: int, *, confirm: bool = False) -> dict[str, Any]:
        """Undo an import to its end; returns the job."""
        with unit_of_work() as session:
            batches.queue_undo(session, SYSTEM, number, confirm=confirm)
        return self.run()

    def counts(self, job: dict[str, Any]) -> tuple[int, int, int]:
        """Return new, changed, unchanged of a job that succeeded."""
        assert job["state"] == "succeeded", job
        counts = job["result"]["counts"]
        return counts["new"], counts["changed"], counts["unchanged"]


def seen() -> dict[str, dict[str, Any]]:
    """Return everything that a reader sees of every customer, by identifier."""
    with read_unit() as session:
        rows = session.execute(
            select(Customer, Identity).join(Identity, Identity.customer_id == Customer.id).where(Customer.visible())
        ).all()
        values = attributes.current_values(session, [customer.id for customer, _ in rows])
        visible = Label.batch_id.is_(None) | Label.batch_id.in_(
            text("SELECT id FROM import_batches WHERE state = 'applied'")
        )
        newest_last = session.execute(select(Label.customer_id, Label.value).where(visible).order_by(Label.id)).all()
        labels = {label.customer_id: label.value for label in newest_last}
        return {
            identity.user_id: {
                "attributes": values.get(customer.id, {}),
                "label": labels.get(customer.id),
                "churned": customer.churned,
                "plan": customer.plan,
                "revenue": customer.revenue_minor,
                "currency": customer.currency,
                "signup": customer.signup_at,
                "tenure": customer.tenure_months,
                "personal": (identity.name, identity.email, identity.phone, identity.other),
                "version": customer.version_id,
            }
            for customer, identity in rows
        }


def searched(words: str) -> set[str]:
    """Return the identifiers of everybody whom the search index finds, visible or not; the index must agree with what it was made of."""
    with unit_of_work() as session:
        session.execute(text("INSERT INTO customer_search (customer_search, rank) VALUES ('integrity-check', 1)"))
    with read_unit() as session:
        found = session.scalars(text("SELECT rowid FROM customer_search(:words)"), {"words": dialect.quoted_for_search(words)})  # fmt: skip
        return set(session.scalars(select(Identity.user_id).where(Identity.customer_id.in_(list(found)))))


def rows_in(*tables: str) -> dict[str, int]:
    """Return how many rows tables have, seen or not."""
    with read_unit() as session:
        return {name: session.execute(text(f"SELECT COUNT(*) FROM {name}")).scalar_one() for name in tables}


DATA = ("customers", "identities", "attribute_versions", "labels", "identity_changes")
