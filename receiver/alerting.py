"""The warnings of a receiver, wired from its settings."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from receiver.alert_settings import AlertSettings
from receiver.alerts.channels import Channel, EventChannel, MailChannel, UrlChannel
from receiver.alerts.courier import Courier
from receiver.alerts.desk import AlertDesk
from receiver.alerts.gather import Gatherer
from receiver.alerts.store import AlertStore
from receiver.alerts.tally import Tally
from receiver.alerts.trouble import Limits
from receiver.alerts.watch import Watch
from receiver.ingress.webhook import Webhook
from receiver.prefect_gateway import PrefectGateway
from receiver.settings import Settings
from receiver.storage import Database
from receiver.webhooks.catalog import Catalog


def alert_desk(
    settings: Settings, database: Database, catalog: Catalog[Webhook], gateway: PrefectGateway, tally: Tally, owner: str
) -> AlertDesk:
    """Everything about warnings; `desk.watch.run` looks after them. `owner` names this process."""
    gatherer = Gatherer(
        database=database,
        webhooks=lambda: catalog.routes.all(),
        prefect=gateway,
        blocks=gateway.alerts,
        tally=tally,
        home=settings.state.home,
        machine=socket.gethostname(),
        name=f"{socket.gethostname()}:{settings.http.port}",
        file_changed_at=lambda name: _changed_at(settings.state.secrets_dir, name),
    )
    courier = Courier(
        _channels(settings.alerts, gateway),
        per_hour=settings.alerts.alert_per_hour,
        source=settings.http.base_url,
        installation=database.instance_token,
    )
    store = AlertStore(database)
    # The only one of a database need not wait for what it had in hand before it was killed.
    owner = "the only receiver" if database.is_ours_alone else owner
    watch = Watch(gatherer, store, courier, _limits(settings.alerts), owner=owner, started_at=datetime.now(UTC))
    return AlertDesk(watch, store, courier, gateway.alerts)


def warns(settings: AlertSettings) -> bool:
    """Whether people hear of warnings without Prefect."""
    return settings.alert_url is not None or bool(settings.alert_email_to)


def _channels(settings: AlertSettings, gateway: PrefectGateway) -> list[Channel]:
    channels: list[Channel] = [EventChannel(gateway.alerts)]
    if settings.alert_smtp_url is not None:
        mail = settings.alert_smtp_url.get_secret_value()
        channels.append(MailChannel(mail, settings.alert_email_from, settings.alert_email_to))
    if settings.alert_url is not None:
        secret = settings.alert_url_secret
        url = settings.alert_url.get_secret_value()
        channels.append(UrlChannel(url, secret.get_secret_value() if secret else None))
    return channels


def _limits(settings: AlertSettings) -> Limits:
    return Limits(
        queue=timedelta(seconds=settings.alert_queue_seconds),
        prefect=timedelta(seconds=settings.alert_prefect_seconds),
        troubled=settings.alert_troubled,
        disk_bytes=settings.alert_disk * 2**20,
        silence=settings.silence,
        silence_learned=settings.learns_silence,
    )


def _changed_at(folder: Path | None, name: str) -> datetime | None:
    try:
        return None if folder is None else datetime.fromtimestamp((folder / name).stat().st_mtime, UTC)
    except OSError:
        return None
