"""Unsafe code: what changes data, reaches outside the tables, or can run away."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from sqlglot import exp

from dualgate.processors.scoring.safety.crossjoins import cross_joins
from dualgate.processors.scoring.safety.endless import endless
from dualgate.processors.scoring.safety.findings import UNVERIFIABLE, Finding
from dualgate.processors.scoring.sql.parsing import Parsed
from dualgate.processors.scoring.sql.schema import Schema
from dualgate.processors.scoring.sql.scopes import Resolved

_WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)
_DDL = (exp.Create, exp.Drop, exp.Alter, exp.TruncateTable)
_SYSTEM = (exp.Attach, exp.Detach, exp.Pragma, exp.Set, exp.Use, exp.Transaction, exp.Commit, exp.Rollback, exp.Copy, exp.Kill)
_LEAVES = frozenset({exp.Column, exp.Identifier, exp.Literal, exp.Star})
_COMMAND_READS = frozenset({"EXPLAIN", "SHOW", "DESCRIBE", "DESC"})
_FUNCTIONS = re.compile(
    r"load_extension|readfile|writefile|edit|fts3_tokenizer|sqlite_dbpage|dbstat|lsdir|fsdir"
    r"|pg_(read_|ls_|stat_file|sleep|terminate|cancel|reload|rotate|file_|logfile|advisory|try_advisory|current_logfile|switch_wal"
    r"|stat_reset|stat_clear|stat_force|promote|create_|drop_|copy_|replication_|logical_|wal_replay_|backup_|start_backup|stop_backup|export_"
    r"|import_|log_|restore_)\w*"
    r"|lo_\w+|lo(read|write)|dblink\w*|ts_stat|ts_rewrite|crosstab\w*|connectby|xpath_table|set_config|current_setting"
    r"|(query|table|schema|database|cursor)_to_xml\w*|inet_(server|client)_\w+|load_file|sys_exec|sys_eval|xp_\w+|sp_\w+|benchmark|sleep|waitfor|openrowset|opendatasource|utl_\w+|dbms_\w+"
    r"|read_(csv|parquet|json|text|blob|ndjson)\w*|parquet_\w+|json_(scan|execute)\w*"
    r"|(csv|ndjson|sqlite|postgres|mysql|iceberg|delta|arrow)_(scan|query|attach|execute)\w*|query_table|sniff_csv|glob|getenv|shell|system|nextval|setval|txid_current|pg_notify",
    re.IGNORECASE,
)
_NO_QUERY = re.compile(
    r"\s*(insert|update|delete|merge|replace|create|alter|drop|truncate|grant|revoke|copy|call|do|execute|prepare|listen|notify"
    r"|unlisten|lock|set|reset|discard|vacuum|analyze|reindex|cluster|attach|detach|pragma|begin|commit|rollback|savepoint|load|security|import|comment|refresh|reassign)\b",
    re.IGNORECASE,
)
_CHANGES = re.compile(r"\b(insert|update|delete|merge|create|alter|drop|truncate|copy|execute|refresh)\b", re.IGNORECASE)
_CALLED = re.compile(r"\b(\w+)\"?\s*\(")
_GROWS = (exp.GenerateSeries, exp.ExplodingGenerateSeries, exp.Pad, exp.Repeat, exp.Space)
_GROWING_NAMES = frozenset({"generate_series", "repeat", "randomblob", "zeroblob", "lpad", "rpad", "range"})
"""Functions that yield as much as an argument says."""
MAX_GROWTH = 10_000_000
_FOLDED: dict[type[exp.Expr], Callable[[float, float], float]] = {
    exp.Mul: lambda a, b: a * b,
    exp.Add: lambda a, b: a + b,
    exp.Pow: math.pow,
    exp.BitwiseLeftShift: lambda a, b: a * 2.0**b,
}
_CATALOGUES = re.compile(
    r"sqlite_(master|schema|temp_master|temp_schema|sequence|stat\d|dbpage)|dbstat|pragma_\w+|pg_\w+", re.IGNORECASE
)
_CATALOGUE_SCHEMAS = frozenset({"information_schema", "pg_catalog", "mysql", "performance_schema", "sys"})


def unsafe(parsed: Parsed, resolved: Resolved | None, schema: Schema) -> Iterator[Finding]:
    """Yield what is unsafe in a text that was parsed, whatever its constants are."""
    if len(parsed.statements) > 1:
        yield Finding("unsafe_code", f"{len(parsed.statements)} statements")
    for statement in parsed.statements:
        yield from _statement(statement)
        yield from _below(statement)
    if resolved is not None:
        yield from cross_joins(resolved, schema)
        yield from endless(resolved)


def unsafe_words(text: str) -> Iterator[Finding]:
    """Yield what is unsafe in a text that cannot be parsed, by the words that stand in it outside its text constants."""
    first = _NO_QUERY.match(text)
    if first:
        yield Finding("unsafe_code", f"statement {first[1].upper()}", first[1])
    for name in dict.fromkeys(match[1] for match in _CALLED.finditer(text)):
        if _FUNCTIONS.fullmatch(name):
            yield Finding("unsafe_code", f"calls {name.lower()}, a function of the system or of files", name)


def is_catalogue(table: exp.Expr) -> bool:
    """Tell whether a table is one of the database's own."""
    if not isinstance(table, exp.Table):
        return False
    return bool(_CATALOGUES.fullmatch(table.name)) or table.db.lower() in _CATALOGUE_SCHEMAS


def _statement(node: exp.Expr) -> Iterator[Finding]:
    if isinstance(node, (exp.Query, exp.Values, exp.Table, *_WRITES, *_DDL, *_SYSTEM)):
        return  # what is below tells
    if isinstance(node, exp.Describe) or (isinstance(node, exp.Command) and str(node.this).upper() in _COMMAND_READS):
        yield Finding(UNVERIFIABLE, f"{node.key} is no query")
        change = _CHANGES.search(str(node.args.get("expression") or ""))
        if change:  # EXPLAIN ANALYZE does what it explains
            yield Finding("unsafe_code", f"explains {change[1].upper()}", change[1])
    else:
        words = str(node.this) if isinstance(node, exp.Command) else node.key
        yield Finding("unsafe_code", f"statement {words.upper()}", words)


def _below(statement: exp.Expr) -> Iterator[Finding]:
    stack: list[object] = [statement]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(reversed(node))
        elif isinstance(node, exp.Expr):
            kind: Any = type(node)
            if kind in _LEAVES:
                continue
            if _interests(kind):
                yield from _node(node)
            stack.extend(reversed(list(node.args.values())))


@cache
def _interests(kind: type[Any]) -> bool:
    return issubclass(kind, (*_WRITES, *_DDL, *_SYSTEM, exp.Into, exp.Lock, exp.Func, exp.Table)) and not issubclass(
        kind, exp.Connector
    )


def _node(node: exp.Expr) -> Iterator[Finding]:
    if isinstance(node, _WRITES):
        yield Finding("unsafe_code", f"writes: {node.key.upper()}", node.key)
    elif isinstance(node, _DDL):
        yield Finding("unsafe_code", f"changes the schema: {node.key.upper()}", node.key)
    elif isinstance(node, _SYSTEM):
        yield Finding("unsafe_code", f"statement {node.key.upper()}", node.key)
    elif isinstance(node, exp.Into):
        yield Finding("unsafe_code", "writes: SELECT INTO", "into")
    elif isinstance(node, exp.Lock):
        yield Finding("unsafe_code", "locks rows: FOR UPDATE or FOR SHARE", "for")
    elif isinstance(node, exp.Func):
        yield from _function(node)
    elif isinstance(node, exp.Table):
        yield from _table(node)


def _function(node: exp.Func) -> Iterator[Finding]:
    kind: Any = type(node)
    name = node.name if isinstance(node, exp.Anonymous) else _system_name(kind)
    if name and _FUNCTIONS.fullmatch(name):
        yield Finding("unsafe_code", f"calls {name.lower()}, a function of the system or of files", name)
    if isinstance(node, _GROWS) or (isinstance(node, exp.Anonymous) and node.name.lower() in _GROWING_NAMES):
        worth = max(map(_worth, _arguments(node)), default=0.0)
        if worth > MAX_GROWTH:
            told = next((n.name for n in node.find_all(exp.Literal) if _worth(n) == worth), f"{worth:.3g}")
            yield Finding("unsafe_code", f"yields {told}, more than {MAX_GROWTH}", told)


def _arguments(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield what stands below a function; numbers that are compared with something (a template has slots there) yield nothing."""
    for child in node.iter_expressions():
        if not isinstance(child, exp.Predicate | exp.Connector):
            yield child
            yield from _arguments(child)


def _worth(node: exp.Expr) -> float:
    """Return what an expression of numbers comes to, 0 where it is no such."""
    if isinstance(node, exp.Literal):
        return 0.0 if node.is_string else _number(node.name)
    if isinstance(node, exp.Paren | exp.Cast):
        return _worth(node.this)
    fold = _FOLDED.get(type(node))
    if fold is None:
        return 0.0
    try:
        return fold(_worth(node.this), _worth(node.expression))
    except (OverflowError, ValueError, ZeroDivisionError):
        return math.inf


def _number(text: str) -> float:
    """Return a number's value; 0 of what sqlglot takes for one and no database does, such as ``1e``."""
    try:
        return float(text)
    except ValueError:
        return 0.0


@cache
def _system_name(kind: type[Any]) -> str:
    """Return which of a function's names is one of the system's or of files; the operator GLOB only sounds like one."""
    found: Sequence[str] = () if kind is exp.Glob else kind.sql_names()
    return next((name for name in found if _FUNCTIONS.fullmatch(name)), "")


def _table(node: exp.Table) -> Iterator[Finding]:
    if isinstance(node.this, exp.Func):
        name = node.this.name if isinstance(node.this, exp.Anonymous) else node.this.key
        if _CATALOGUES.fullmatch(name):
            yield Finding("unsafe_code", f"reads the system catalogue {name.lower()}", name)
    elif is_catalogue(node):
        yield Finding("unsafe_code", f"reads the system catalogue {node.name.lower()}", node.name)
    elif "/" in node.name or "\\" in node.name or re.search(r"\.(csv|parquet|json|txt|db|sqlite3?)$", node.name, re.IGNORECASE):
        yield Finding("unsafe_code", f"reads the file {node.name}", node.name)
