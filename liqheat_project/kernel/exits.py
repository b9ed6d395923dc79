"""Exits that a library has turned into errors of its own."""


def pass_on_hidden_exit(error: BaseException) -> None:
    """Exit if that is what the error was made of.

    A signal's exit comes at any line. In the middle of a query DuckDB catches it, and raises a
    RuntimeError with the exit as its cause. A process of a worker's pool that takes it for a
    failure and lives on is never given a task again.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, SystemExit):
            raise cause from None
        cause = cause.__cause__
