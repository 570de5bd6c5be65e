"""Where blobs lie, by content id: one interface, and what implements it."""

from consentry.store.base import Store
from consentry.store.folder import FolderStore

__all__ = ["FolderStore", "Store"]
