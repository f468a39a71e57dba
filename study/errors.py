"""The error that ends a session of a study."""


class StudyError(RuntimeError):
    """Why a study cannot start or continue, in one line."""
