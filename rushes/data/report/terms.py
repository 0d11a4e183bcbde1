"""Terms are what a cut compares: `motion.median` and 0.001 in `motion.median > 0.001`, so that both can be shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

Node = dict[str, Any]  # of a syntax tree, as DuckDB writes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One comparison: `value` (SQL over the columns of clips) and the numbers that it is held against.

    There are no `bounds` where it is compared with words, and two for `between`.
    """

    value: str
    bounds: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """Return the value as people write it: `motion.freeze`, without the quotes around words that SQL knows."""
        return self.value.replace('"', "")


def database(table: pa.Table | None = None) -> duckdb.DuckDBPyConnection:
    """Return a database in memory that can open no file and no address; `table` is in it as `clips`, `_row` added."""
    connection = duckdb.connect(":memory:", config={"enable_external_access": "false", "threads": "1"})
    connection.execute("set python_enable_replacements=false")
    if table is not None:
        connection.register("clips", table.append_column("_row", pa.array(range(table.num_rows), pa.int64())))
    connection.execute("set lock_configuration=true")
    return connection


def terms(claim: str) -> list[Term]:
    """Return the comparisons in a claim, in order; a claim that compares nothing gives the columns that it names.

    What cannot be read as an expression gives none: saying so is the work of `select.claims`.
    """
    with database() as connection:
        text = connection.execute("select json_serialize_sql(?)", [f"select {claim}\n"]).fetchall()[0][0]
        tree = json.loads(text)
        if tree.get("error") or len(tree["statements"]) != 1:
            return []
        found = [_term(connection, tree, node) for node in _walk(tree["statements"][0]["node"], _is_comparison)]
        named = [t for t in found if t is not None]
        if not named:
            columns = _walk(tree["statements"][0]["node"], _is_column)
            named = [Term(value=_text(connection, tree, node)) for node in columns]
    return list(dict.fromkeys(named))


def _is_comparison(node: Node) -> bool:
    return node.get("class") in ("COMPARISON", "BETWEEN")


def _is_column(node: Node) -> bool:
    return node.get("class") == "COLUMN_REF"


def _walk(node: Any, is_wanted: Callable[[Node], bool]) -> list[Any]:
    """Return the outermost nodes of a syntax tree that are wanted, in order."""
    if isinstance(node, dict):
        if is_wanted(node):
            return [node]
        return [found for inner in node.values() for found in _walk(inner, is_wanted)]
    return [found for inner in node for found in _walk(inner, is_wanted)] if isinstance(node, list) else []


def _has_column(node: Any) -> bool:
    return bool(_walk(node, _is_column))


def _term(connection: duckdb.DuckDBPyConnection, tree: Node, node: Node) -> Term | None:
    if node["class"] == "BETWEEN":
        value, held = node["input"], [node["lower"], node["upper"]]
    elif _has_column(node["left"]):
        value, held = node["left"], [node["right"]]
    else:
        value, held = node["right"], [node["left"]]
    if not _has_column(value):
        return None
    numbers = [_number(connection, _text(connection, tree, one)) for one in held if not _has_column(one)]
    return Term(value=_text(connection, tree, value), bounds=tuple(n for n in numbers if n is not None))


def _text(connection: duckdb.DuckDBPyConnection, tree: Node, node: Node) -> str:
    """Return one node of a syntax tree as SQL."""
    select = {**tree["statements"][0]["node"], "select_list": [{**node, "alias": ""}]}
    whole = {**tree, "statements": [{**tree["statements"][0], "node": select}]}
    sql = connection.execute("select json_deserialize_sql(?)", [json.dumps(whole)]).fetchall()[0][0]
    text = sql.removeprefix("SELECT ")
    return text[1:-1] if text.startswith("(") and text.endswith(")") and _is_one(text) else text


def _is_one(text: str) -> bool:
    """Return whether the first bracket of `(...)` is closed by the last one."""
    depth = 0
    for place, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0:
            return place == len(text) - 1
    return False


def _number(connection: duckdb.DuckDBPyConnection, text: str) -> float | None:
    """Return the number that an expression without columns stands for, or None for words."""
    try:
        kind, value = connection.execute(f"select typeof({text}), try_cast(({text}) as double)").fetchall()[0]
    except duckdb.Error:
        return None
    return None if kind == "VARCHAR" or value is None else float(value)


def numbers(table: pa.Table, expressions: Sequence[str]) -> dict[str, np.ndarray]:
    """Return each expression's value per row of `table`, float64 `[n]`, NaN where there is none; truth is 0 or 1.

    Expressions that are no numbers, or name a column that is not there, are left out.
    """
    found: dict[str, np.ndarray] = {}
    with database(table) as connection:
        for text in dict.fromkeys(expressions):
            try:
                made = connection.sql(f"select ({text}) as value from clips order by _row")
                if str(made.types[0]) in ("VARCHAR", "BLOB", "DATE", "TIMESTAMP"):
                    continue
                cast = connection.sql(f"select try_cast(({text}) as double) as value from clips order by _row")
                column = cast.to_arrow_table()["value"]
            except duckdb.Error:
                continue
            found[text] = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return found


def words(table: pa.Table, expressions: Sequence[str], rows: Sequence[int]) -> dict[str, list[str]]:
    """Return each expression's value on some rows of `table`, as text; `not measured` where there is none.

    Numbers have four significant digits. Expressions that name a column that is not there are left out.
    """
    found: dict[str, list[str]] = {}
    with database(table.take(pa.array(list(rows), pa.int64()))) as connection:
        for text in dict.fromkeys(expressions):
            try:
                values = connection.sql(f"select ({text}) as value from clips order by _row").fetchall()
            except duckdb.Error:
                continue
            found[text] = [_shown(value) for (value,) in values]
    return found


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "not measured"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
