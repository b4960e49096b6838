"""The registry in process: one folder, which several processes may hold open at once.

The gRPC service stands before it; tests, rehearsals and research on a laptop use it directly.
"""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from ratatouille.errors import Misconfigured, Refusal
from ratatouille.exchange.signing import Signer
from ratatouille.platforms import refuse_without_posix
from registry import settings
from registry.blobs.access import Blobs
from registry.contributions.publish import Publisher
from registry.database import Database
from registry.history.watcher import EventWatcher
from registry.ledger.members.sessions import Sessions
from registry.ledger.signed_changes import count_closures
from registry.records import Info
from registry.retraction import count_retractions
from registry.services.definitions import Definitions
from registry.services.maintenance import Maintenance
from registry.services.members import Members
from registry.services.registry import Registry
from registry.services.releases import Releases
from registry.services.review import Reviews
from registry.services.rounds import Rounds
from registry.services.transparency import Transparency
from registry.services.versions import Versions
from registry.services.weights import Weights
from registry.services.work import Work
from registry.storage import Storage, check_belonging
from registry.storage_config import DATABASE, LOG_KEY, read_storage_config


class LocalRegistry(Registry):
    """The services over a folder."""

    def __init__(self, folder: Path, coordinator: str | None = None, owner: str | None = None) -> None:
        """Open the folder, and what its `registry.toml` names; a new folder is made, readable by its owner only.

        Args:
            folder: where the registry is.
            coordinator: key of the only coordinator that may announce itself; None: any may.
            owner: key whose sessions are the owner's (`registry.owner_key`); None: there is no such key.

        Raises:
            Refusal: when the folder, the database or the store for weights cannot be used, or on Windows.
            Unreachable: when the database's server does not answer.
        """
        refuse_without_posix("a registry in a folder")
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            config = read_storage_config(folder)
            blobs = Blobs(folder, config.weights, config.cache_megabytes * 2**20)
        except OSError as error:
            raise Refusal(f"the registry folder {folder} cannot be used: {error.strerror}") from error
        self.folder = folder
        self.web: str | None = None
        """Address of the page that this process shows, which `info` passes on."""
        self.storage = Storage(Database(config.database or folder / DATABASE, config.migrations), blobs)
        super().__init__(self.storage)
        self.publisher = Publisher(self.storage.database, blobs)
        self.watching = EventWatcher(self.storage.database)
        self.sessions = Sessions(self.storage.database, owner)
        self.definitions = Definitions(self.storage)
        self.weights = Weights(self.storage, self.publisher)
        self.work = Work(self.storage, coordinator)
        self.rounds = Rounds(self.storage, self.watching)
        self.versions = Versions(self.storage)
        self.releases = Releases(self.storage)
        self.review = Reviews(self.storage)
        self.members = Members(self.storage, self.sessions)
        self.maintenance = Maintenance(self.storage)
        self.transparency = Transparency(self.storage, folder / LOG_KEY)
        self._name()

    @property
    def blobs(self) -> Blobs:
        """The weights."""
        return self.storage.blobs

    def info(self) -> Info:
        """Protocol, software, addresses of fleet and page, and the kinds of database and store."""
        scheme, elsewhere, _ = self.blobs.store.name.partition("://")
        with self._read() as connection:
            known = settings.read_settings(connection)
            return Info(
                registry=known.registry,
                software=f"ratatouille {version('model-ratatouille')}",
                fleet=known.fleet,
                coordinator=known.coordinator,
                public=known.public,
                authority=known.authority,
                web=self.web,
                reading=known.reading,
                database=self.storage.database.kind,
                weights=scheme if elsewhere else "folder",
                retractions=count_retractions(connection),
                closures=count_closures(connection),
            )

    def _name(self) -> None:
        """Give a new registry its id, and its log a key; a command that reads later changes nothing in the folder."""
        with suppress(OSError, Refusal):  # a user who may only read
            Signer.open(self.folder / LOG_KEY)
        with self._read() as connection:
            named = settings.read_settings(connection).registry is not None
        if not named:
            with suppress(Misconfigured):  # a user who may only read
                self._writing(settings.name_registry)

    def check(self) -> None:
        """See whether the store for weights can be used, and is this database's.

        Raises:
            Refusal: when not.
            Unreachable: when it does not answer.
        """
        self.blobs.store.check()
        check_belonging(self.storage.database, self.blobs)

    def close(self) -> None:
        """End those who watch, and close the database."""
        self.watching.close()
        self.storage.database.close()
