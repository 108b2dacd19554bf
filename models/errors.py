"""What can go wrong with a model, as types."""

from models.stated_error import StatedError


class ModelError(StatedError):
    """Base of every error of this package; its text is one sentence for the operator."""


class CatalogError(ModelError):
    """A catalog file is unreadable, invalid or contradicts another one."""


class UnknownModel(ModelError):  # noqa: N818 - says what is the case
    """No catalog entry has this id."""


class UnpinnedModel(ModelError):  # noqa: N818 - says what is the case
    """The entry does not fix its files by digest, and production mode demands it."""


class SourceError(ModelError):
    """The source could not deliver a file."""


class DigestMismatch(SourceError):  # noqa: N818 - says what is the case
    """A file was delivered, but it is not the file the catalog names."""


class ConversionFailed(ModelError):  # noqa: N818 - says what is the case
    """The weights were delivered, but could not be brought into a servable form."""


class NotEnoughSpace(ModelError):  # noqa: N818 - says what is the case
    """The file system of the cache folder has too little room."""


class NotPrepared(ModelError):  # noqa: N818 - says what is the case
    """The model is not in the cache, or was prepared from another catalog entry."""


class Corrupted(ModelError):  # noqa: N818 - says what is the case
    """The prepared model differs from its manifest and must not be served."""


class NotIndependent(ModelError):  # noqa: N818 - says what is the case
    """Native model and judge share weights or lineage (invariant I4)."""
