"""Which table does each name in a query mean: sources, columns and outputs of every SELECT, however deep.

The resolver follows SQL's scoping: an alias hides its table's name, an unqualified column belongs to the source that has it,
a correlated subquery sees outwards, a CTE hides a table of its name. What does not resolve is a `Problem`.
"""

from collections.abc import Mapping

from sqlglot import exp

from dualgate.processors.scoring.sql.scopes import ROWIDS, WHOLE_ROW, Problem, Ref, Resolved, Scope, Source, Tables

_LEAVES = frozenset({exp.Identifier, exp.Literal})


def resolve(
    query: exp.Expr,
    tables: Tables | None,
    quoted_may_be_text: bool = False,
    rows_have_names: bool = False,
    hidden: frozenset[str] = ROWIDS,
) -> Resolved:
    """Resolve the names of a query; tables None means that the schema is not known and no table is a problem.

    The dialect says whether a quoted name may be text, whether a table's name stands for its whole row, and which columns its
    tables have that no schema lists.
    """
    return _Resolver(tables, quoted_may_be_text, rows_have_names, hidden).query(query, {}, None)


class _Resolver:
    def __init__(self, tables: Tables | None, quoted_may_be_text: bool, rows_have_names: bool, hidden: frozenset[str]) -> None:
        self._tables = tables
        self._hidden = hidden
        self._rows_have_names = rows_have_names
        self._quoted_may_be_text = quoted_may_be_text
        self.problems: list[Problem] = []

    def query(self, node: exp.Expr, ctes: Mapping[str, Resolved], outer: Scope | None) -> Resolved:
        result = Resolved(node, problems=self.problems)
        visible = dict(ctes)
        self._bind_ctes(node, visible, result, outer)
        self._branches(node, visible, result, outer)
        if result.columns is None and result.branches:
            names = tuple(name for name, _, _ in result.branches[0].outputs())
            result.columns = None if "*" in names else names
        return result

    def _bind_ctes(self, node: exp.Expr, visible: dict[str, Resolved], result: Resolved, outer: Scope | None) -> None:
        with_ = node.args.get("with_")
        if with_ is None:
            return
        for cte in with_.expressions:
            name, named = cte.alias.lower(), tuple(c.name.lower() for c in cte.args["alias"].args.get("columns") or ())
            if with_.args.get("recursive"):
                visible[name] = Resolved(cte.this, columns=named or _first_names(cte.this), recursive=True)
            body = self.query(cte.this, visible, outer)
            body.columns = named or body.columns
            if with_.args.get("recursive") and name in visible:
                visible[name].branches = body.branches
            visible[name] = body
            result.ctes[name] = body

    def _branches(self, node: exp.Expr, ctes: dict[str, Resolved], result: Resolved, outer: Scope | None) -> None:
        if isinstance(node, exp.Subquery):
            if node.args.get("with_") is not None and node is not result.query:
                self._bind_ctes(node, ctes, result, outer)
            self._branches(node.this, ctes, result, outer)
        elif isinstance(node, exp.SetOperation):
            for side in (node.this, node.expression):
                if side.args.get("with_") is not None:
                    self._bind_ctes(side, ctes, result, outer)
                self._branches(side, ctes, result, outer)
        elif isinstance(node, exp.Select):
            if node is not result.query and node.args.get("with_") is not None and not _bound(node, result):
                self._bind_ctes(node, ctes, result, outer)
            result.branches.append(self._scope(node, ctes, outer))
        else:
            self.problems.append(Problem("construct", type(node).__name__.lower(), "is no SELECT"))

    def _scope(self, select: exp.Select, ctes: dict[str, Resolved], outer: Scope | None) -> Scope:
        scope = Scope(select, outer)
        from_ = select.args.get("from_")
        if from_ is not None:
            self._add(from_.this, None, scope, ctes)
        for join in select.args.get("joins") or ():
            self._add(join.this, join, scope, ctes)
        for lateral in select.args.get("laterals") or ():
            self._add(lateral, None, scope, ctes)
        for key, value in select.args.items():
            if key not in ("from_", "with_", "laterals"):
                self._names(value, scope, ctes)
        return scope

    def _add(self, node: exp.Expr, join: exp.Join | None, scope: Scope, ctes: dict[str, Resolved]) -> None:
        if isinstance(node, exp.Paren):
            self._add(node.this, join, scope, ctes)
            return
        if isinstance(node, exp.Subquery) and _is_source(node.this):  # (a JOIN b)
            self._add(node.this, join, scope, ctes)
            return
        source = self._source(node, scope, ctes)
        source.join = join
        scope.sources[source.alias if source.alias not in scope.sources else f"{source.alias}#{len(scope.sources)}"] = source
        for inner in node.args.get("joins") or ():
            self._add(inner.this, inner, scope, ctes)
            self._names(inner, scope, ctes)

    def _source(self, node: exp.Expr, scope: Scope, ctes: dict[str, Resolved]) -> Source:
        alias = (node.alias_or_name or f"#{len(scope.sources)}").lower()
        renamed = _column_aliases(node)
        if isinstance(node, exp.Subquery):
            body = self.query(node, ctes, scope.outer)
            return Source(alias, node, columns=renamed or body.columns, body=body)
        if isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
            body = self.query(node.this, ctes, scope)
            return Source(alias, node, columns=renamed or body.columns, body=body)
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            return self._table(node, alias, renamed, ctes)
        self._names(node, scope, ctes)
        return Source(alias, node, columns=None)

    def _table(self, node: exp.Table, alias: str, renamed: tuple[str, ...], ctes: dict[str, Resolved]) -> Source:
        name = node.name.lower()
        if name in ctes and not node.args.get("db"):
            return Source(alias, node, columns=renamed or ctes[name].columns, body=ctes[name])
        columns = None if self._tables is None else self._tables.get(name)
        if self._tables is not None and columns is None:
            self.problems.append(Problem("table", node.name, "is not in the schema"))
        if columns is not None:  # aliases rename the first columns, the others keep their names
            renamed = (*renamed, *columns[len(renamed) :])
        return Source(alias, node, table=name, columns=renamed or columns, hidden=self._hidden)

    def _names(self, value: object, scope: Scope, ctes: dict[str, Resolved]) -> None:
        """Resolve every column below a node; subqueries become queries of their own that see this scope."""
        stack = [value]
        while stack:
            node = stack.pop()
            if isinstance(node, list):
                stack.extend(reversed(node))
            elif isinstance(node, exp.Join):
                stack.extend(v for k, v in node.args.items() if k != "this")
                self._using(node, scope)
            elif isinstance(node, exp.Query):
                scope.nested[id(node)] = self.query(node, ctes, scope)
            elif isinstance(node, exp.In) and self._is_member_of_table(node.args.get("field"), scope, ctes):
                field, stands_for = node.args["field"], exp.select("*").from_(exp.to_table(node.args["field"].name))
                scope.nested[id(field)] = self.query(stands_for, ctes, scope)
                stack.append(node.this)
            elif isinstance(node, exp.Dot) and self._field(node, scope):
                continue
            elif isinstance(node, exp.Column):
                self._column(node, scope)
            elif isinstance(node, exp.Expr) and type(node) not in _LEAVES:
                stack.extend(reversed(list(node.args.values())))

    def _is_member_of_table(self, field: exp.Expr | None, scope: Scope, ctes: Mapping[str, Resolved]) -> bool:
        """Tell whether what follows IN is the name of a table or CTE, as SQLite has it: ``x IN t``."""
        if not (self._quoted_may_be_text and isinstance(field, exp.Column)):
            return False
        if field.table and _find_source(field.table.lower(), scope) is not None:
            return False
        return field.name.lower() in ctes or field.name.lower() in (self._tables or ())

    def _using(self, join: exp.Join, scope: Scope) -> None:
        sources = list(scope.sources.values())
        at = next((i for i, source in enumerate(sources) if source.join is join), None)
        for identifier in (join.args.get("using") or ()) if at is not None else ():
            name, right, left = identifier.name.lower(), sources[at or 0], sources[:at]
            if right.columns is not None and not right.has(name):
                self.problems.append(Problem("column", identifier.name, f"is not a column of {right.alias}"))
            elif all(source.columns is not None and not source.has(name) for source in left):
                words = ", ".join(source.alias for source in left)
                self.problems.append(Problem("column", identifier.name, f"is not a column of {words}"))

    def _column(self, node: exp.Column, scope: Scope) -> None:
        if isinstance(node.this, exp.Star):
            row = _find_source(node.table.lower(), scope) if node.table else None
            if node.table and row is None:
                self.problems.append(Problem("table", node.table, "is no table or alias here"))
            elif row is not None and node.parent is not scope.select:  # f(a.*) reads what a.* would
                scope.refs[id(node)] = Ref(*row, WHOLE_ROW)
            return
        found = self._qualified(node, scope) if node.table else self._unqualified(node, scope)
        if found is not None:
            scope.refs[id(node)] = found

    def _field(self, node: exp.Dot, scope: Scope) -> bool:
        """Resolve ``(a).name``, a field of a whole row; False where it is something else."""
        row, field_ = node.this.unnest() if isinstance(node.this, exp.Paren) else None, node.expression
        if not (self._rows_have_names and isinstance(row, exp.Column) and not row.table and isinstance(field_, exp.Identifier)):
            return False
        found = _find_source(row.name.lower(), scope)
        if found is None or not found[1].has(field_.name.lower()):
            return False
        scope.refs[id(row)] = Ref(*found, field_.name.lower())
        return True

    def _qualified(self, node: exp.Column, scope: Scope) -> Ref | None:
        found = _find_source(node.table.lower(), scope)
        name = node.name.lower()
        if found is None:
            self.problems.append(Problem("column", f"{node.table}.{node.name}", f"{node.table} is no table or alias here"))
            return None
        owner, source = found
        if source.columns is not None and not source.has(name):
            self.problems.append(Problem("column", f"{node.table}.{node.name}", f"{_words(source)} has no such column"))
            return None
        return Ref(owner, source, name)

    def _unqualified(self, node: exp.Column, scope: Scope) -> Ref | None:
        name = node.name.lower()
        at: Scope | None = scope
        while at is not None:
            for source in at.sources.values():
                if source.has(name):
                    return Ref(at, source, name)
            output = _aliased(at.select, name)
            if output is not None:
                return Ref(at, None, name, output)
            at = at.outer
        row = _find_source(name, scope) if self._rows_have_names else None
        if row is not None:
            return Ref(*row, WHOLE_ROW)
        opaque = _opaque(scope)
        if opaque is not None:
            return Ref(*opaque, name)
        if self._tables is not None and not (self._quoted_may_be_text and node.this.args.get("quoted")):
            self.problems.append(Problem("column", node.name, f"no source here has it: {_sources(scope)}"))
        return None


def _is_source(node: exp.Expr) -> bool:
    """Tell whether what stands in brackets in a FROM is a table or a join, in any number of brackets, and no SELECT."""
    while isinstance(node, exp.Subquery | exp.Paren):
        node = node.this
    return isinstance(node, exp.Table)


def _bound(node: exp.Expr, result: Resolved) -> bool:
    return all(cte.alias.lower() in result.ctes for cte in node.args["with_"].expressions)


def _first_names(node: exp.Expr) -> tuple[str, ...] | None:
    while isinstance(node, exp.SetOperation | exp.Subquery):
        node = node.this
    if not isinstance(node, exp.Select) or any(isinstance(e, exp.Star) or e.is_star for e in node.expressions):
        return None
    return tuple((e.alias_or_name or "").lower() for e in node.expressions)


def _column_aliases(node: exp.Expr) -> tuple[str, ...]:
    alias = node.args.get("alias")
    return tuple(c.name.lower() for c in alias.args.get("columns") or ()) if isinstance(alias, exp.TableAlias) else ()


def _find_source(name: str, scope: Scope) -> tuple[Scope, Source] | None:
    at: Scope | None = scope
    while at is not None:
        if name in at.sources:
            return at, at.sources[name]
        at = at.outer
    return None


def _aliased(select: exp.Select, name: str) -> exp.Expr | None:
    for item in select.expressions:
        if isinstance(item, exp.Alias) and item.alias.lower() == name:
            found: exp.Expr = item.this
            return found
    return None


def _opaque(scope: Scope) -> tuple[Scope, Source] | None:
    """Return the first source that might have any column, since its columns are not known."""
    at: Scope | None = scope
    while at is not None:
        for source in at.sources.values():
            if source.columns is None:
                return at, source
        at = at.outer
    return None


def _words(source: Source) -> str:
    return f"table {source.table}" if source.table else f"{source.alias or 'the subquery'}"


def _sources(scope: Scope) -> str:
    return ", ".join(_words(source) for source in scope.sources.values()) or "there is no FROM"
