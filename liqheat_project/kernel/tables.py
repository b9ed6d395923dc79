"""Tables as text, by pandas; and pandas kept out of programs that print none."""

import sys
from collections.abc import Sequence
from typing import Any


def keep_pandas_out() -> None:
    """DuckDB imports pandas, where it is installed, with the first parameter of a statement: half
    a second and 50 MB of every program, for types that no statement here is given."""
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]


def table_text(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], justify: str | None = None
) -> str:
    """The rows below their headings, in columns of equal width."""
    if sys.modules.get("pandas", sys) is None:
        del sys.modules["pandas"]
    import pandas as pd

    return str(pd.DataFrame(rows, columns=columns).to_string(index=False, justify=justify))
