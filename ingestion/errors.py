"""What can go wrong between a source and the lake. The tree is the retry policy.

A `TemporaryError` is worth another attempt later, a `PermanentError` is not: the next attempt would
end the same way until a person, or the source, changes something.
"""

from collections.abc import Mapping


class IngestionError(Exception):
    """Base of everything that a load reports as its reason of failure."""


class TemporaryError(IngestionError):
    """Worth another attempt."""


class SourceUnavailable(TemporaryError):
    """The source did not answer, refused to, or was too slow.

    `retry_after` is the wait in seconds that the source itself asked for, or None.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BadAnswer(SourceUnavailable):
    """The source answered one request in another form than it should."""


class IncompleteDownload(TemporaryError):
    """Fewer bytes came than were announced."""


class OutOfSpace(TemporaryError):
    """The disk is full."""


class LakeBusy(TemporaryError):
    """Others held the lake's write lock for too long."""


class FileDamaged(TemporaryError):
    """A Parquet file of the lake cannot be read: its days must be loaded anew."""


class OutcomeUnknown(TemporaryError):
    """The connection was lost during a commit: everything or nothing of it was kept."""


class LeaseLost(TemporaryError):
    """Another worker took the chunk over; this one must not write."""


class PermanentError(IngestionError):
    """Another attempt would end the same way."""


class NotInSource(PermanentError):
    """The source has no such file."""


class RefusedBySource(PermanentError):
    """The source understood the request and refuses it, such as for a symbol that it delisted."""


class ChecksumMismatch(PermanentError):
    """The bytes are not those that the `.CHECKSUM` beside the file names."""


class BadArchive(PermanentError):
    """Not a zip of exactly one CSV within the size limits."""


class BadFormat(PermanentError):
    """A CSV that is not what its dataset should be."""


class NeedsDecision(PermanentError):
    """A file that only a person may let in, by `jobs.accept` or a flag of the command.

    `reasons` are by the id of the chunk where the files of several were to be written together.
    """

    def __init__(self, message: str, reasons: Mapping[int, str] | None = None) -> None:
        super().__init__(message)
        self.reasons = dict(reasons or {})


class TooManyBadRows(NeedsDecision):
    """More of a file's rows are bad than lets the rest be trusted."""


class FarPrices(NeedsDecision):
    """A file whose prices are far from those of the days beside it."""


class FewerRows(NeedsDecision):
    """A file that holds fewer rows than the lake holds of its days."""


class RefusedPath(PermanentError):
    """A symbol, date or path that would leave the data folder."""


class RefusedRange(PermanentError):
    """A range of days that is reversed, too long or before the archive begins."""


class BadQuery(PermanentError):
    """SQL that is refused, or that DuckDB cannot run."""


class BadRequest(PermanentError):
    """A job that asks for something that does not exist."""


class RefusedCatalogue(PermanentError):
    """A database in which the lake's catalogue would not be safe."""


class CatalogueDamaged(PermanentError):
    """The lake's catalogue is a file that cannot be read any more."""


class NothingKept(PermanentError):
    """A roll back that was undone or given up: its rows are not kept any more."""


class RowsInTheWay(PermanentError):
    """Rows that an undo would bring back stand next to newer ones of the same stretch of time."""


class KeptRowsDamaged(PermanentError):
    """What a roll back kept is not what it took."""
