"""What is known of a query's text: parsed and resolved once per template and schema, its normal form once per text."""

from collections.abc import Sequence
from dataclasses import dataclass

from dualgate.processors.scoring.cache import Cache
from dualgate.processors.scoring.deadline import TookTooLong, processor_seconds
from dualgate.processors.scoring.safety.findings import UNVERIFIABLE, Finding
from dualgate.processors.scoring.safety.hallucination import hallucinations
from dualgate.processors.scoring.safety.unsafe import unsafe, unsafe_words
from dualgate.processors.scoring.sql.forms import Features, NormalForm, features
from dualgate.processors.scoring.sql.normal import normal_form
from dualgate.processors.scoring.sql.parsing import MAX_SECONDS, Parsed, parsed, template
from dualgate.processors.scoring.sql.resolve import resolve
from dualgate.processors.scoring.sql.schema import Schema
from dualgate.processors.scoring.sql.scopes import ROWIDS, Resolved, TooLarge

QUOTED_MAY_BE_TEXT = frozenset({"sqlite", "mysql"})
ROWS_HAVE_NAMES = frozenset({"postgres", "postgresql", "redshift", "duckdb"})
SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})
HIDDEN = {"postgres": SYSTEM_COLUMNS, "postgresql": SYSTEM_COLUMNS, "duckdb": frozenset({"rowid"})}
"""Columns that tables have and no schema lists, where they are not SQLite's."""


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """A template against a schema; `resolved` and `form` are None where the text is not one query.

    `findings` are those that hold for every caller and all constants.
    """

    parsed: Parsed
    resolved: Resolved | None
    form: NormalForm | None
    findings: tuple[Finding, ...] = ()
    error: str | None = None


class Analyses:
    """Remembers analyses. Bounded; what is forgotten is computed again to the same value."""

    def __init__(self, templates: int = 10_000, texts: int = 50_000) -> None:
        self._analyses: Cache[tuple[int, str, str], Analysis] = Cache(templates)
        self._features: Cache[tuple[int, str, str], Features | str] = Cache(texts)

    def of(self, sql: str, dialect: str, schema: Schema) -> Analysis:
        """Return the analysis of a query's template."""
        cut = template(sql, dialect)
        key = (schema.number, dialect, cut.text)
        return self._analyses.of(key, lambda: _analyse(parsed(sql, dialect), cut.constants, dialect, schema))

    def features(self, sql: str, dialect: str, schema: Schema) -> Features | str:
        """Return the normal form of a query with its constants, or why there is none."""
        return self._features.of((schema.number, dialect, sql), lambda: self._filled(sql, dialect, schema))

    def _filled(self, sql: str, dialect: str, schema: Schema) -> Features | str:
        analysis = self.of(sql, dialect, schema)
        if analysis.form is None:
            return analysis.error or "not one query"
        return features(analysis.form, template(sql, dialect).constants)


def _analyse(tree: Parsed, constants: Sequence[str], dialect: str, schema: Schema) -> Analysis:
    if tree.error is not None:
        return _unparsable(tree, tree.error, tuple(unsafe_words(tree.template)))
    try:
        with processor_seconds(MAX_SECONDS):
            return _analysed(tree, constants, dialect, schema)
    except RecursionError:
        return _unparsable(tree, "nested too deeply")
    except (TooLarge, TookTooLong) as error:
        return _unparsable(tree, str(error))


def _analysed(tree: Parsed, constants: Sequence[str], dialect: str, schema: Schema) -> Analysis:
    if tree.query is None:
        return Analysis(tree, None, None, tuple(unsafe(tree, None, schema)), "not one query")
    resolved = resolve(
        tree.query, schema.tables, dialect in QUOTED_MAY_BE_TEXT, dialect in ROWS_HAVE_NAMES, HIDDEN.get(dialect, ROWIDS)
    )
    known = schema.tables is not None
    findings = [*unsafe(tree, resolved, schema), *(hallucinations(resolved) if known else ())]
    return Analysis(tree, resolved, normal_form(resolved, constants), tuple(dict.fromkeys(findings)))


def _unparsable(tree: Parsed, words: str, findings: tuple[Finding, ...] = ()) -> Analysis:
    return Analysis(tree, None, None, (Finding(UNVERIFIABLE, words), *findings), f"unparsable: {words}")
