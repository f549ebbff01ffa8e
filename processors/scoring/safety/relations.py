"""Which equalities between columns say that two rows belong to the same tenant."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from dualgate.processors.scoring.safety.conditions import conjuncts
from dualgate.processors.scoring.sql.schema import Schema
from dualgate.processors.scoring.sql.scopes import Resolved, Scope, Source, real_name
from dualgate.processors.scoring.sql.template import slot_index
from dualgate.schemas.grants import Grant

Column = tuple[str, str]
"""A column of a table, or of a derived query where it cannot be traced to one."""
MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Edge:
    """A trusted equality between two sources (by id); `nulled` is the side that its outer join can null."""

    left: int
    right: int
    nulled: int | None


def plain(constant: str) -> str:
    """Return a constant as a grant would write it: without quotes, and a whole number without its decimals."""
    text = constant[1:-1] if constant[:1] == "'" else constant
    head, dot, tail = text.partition(".")
    return head if dot and head.isdigit() and not tail.strip("0") else text


class Relations:
    """The trusted equalities of one query under one caller's grant."""

    def __init__(self, grant: Grant, schema: Schema, constants: Sequence[str]) -> None:
        self._grant = grant
        self._schema = schema
        self._constants = constants
        self._open: dict[int, tuple[frozenset[int], str]] = {}

    def open(self, source: Source, columns: frozenset[int], table: str) -> None:
        """Note that a derived source hands the tenant's column of a table out, unfiltered."""
        self._open[id(source)] = (columns, table)

    def open_table(self, source: Source) -> str | None:
        """Return the table behind a derived source that is open."""
        found = self._open.get(id(source))
        return found[1] if found is not None else None

    def filtered(self, node: exp.Expr, scope: Scope, denied: bool = False) -> int | None:
        """Return the source (by id) for which a condition, or its failure, is ``tenant column = the caller's value``."""
        for one, others in _unequal_sides(node) if denied else _equal_sides(node):
            ref = scope.refs.get(id(one))
            if ref is None or ref.source is None or ref.scope is not scope:
                continue
            value = self._tenant_value(ref.source, ref.column)
            if value is not None and all(self._is(other, value) for other in others):
                return id(ref.source)
        return None

    def edges(self, scope: Scope) -> Iterator[Edge]:
        """Yield the trusted equalities of a SELECT, those with the sources of enclosing queries included."""
        for condition, join in conjuncts(scope):
            if isinstance(condition, exp.EQ):
                a, b = scope.refs.get(id(condition.this)), scope.refs.get(id(condition.expression))
                if a is None or b is None or a.source is b.source:
                    continue
                left, right = a.source, b.source
                if left is None or right is None:
                    continue
                if self._trusted(self.origin(left, a.column), self.origin(right, b.column)):
                    yield from self._edge(left, right, join, scope)
        for source in scope.sources.values():
            yield from self._using(source, scope)

    def _using(self, source: Source, scope: Scope) -> Iterator[Edge]:
        join = source.join
        if join is None or not (join.args.get("using") or join.method):
            return
        for other in scope.sources.values():
            if other is source:
                break
            shared = set(other.columns or ()) & set(source.columns or ())
            names = {i.name.lower() for i in join.args.get("using") or ()} or shared
            if any(n in shared and self._trusted(self.origin(other, n), self.origin(source, n)) for n in names):
                yield from self._edge(other, source, join, scope)

    def _edge(self, a: Source, b: Source, join: exp.Join | None, scope: Scope) -> Iterator[Edge]:
        if join is None or not join.side:
            yield Edge(id(a), id(b), None)
            return
        joined = next((s for s in scope.sources.values() if s.join is join), None)
        if joined is None or (joined is not a and joined is not b) or join.side == "FULL":
            return
        kept = a if joined is b else b
        yield Edge(id(a), id(b), id(joined) if join.side == "LEFT" else id(kept))

    def same_owner(self, source: Source, column: str, query: Resolved) -> bool:
        """Tell whether an equality of a column with a query's only output is trusted, in each branch of a union."""
        if not query.branches:
            return False
        for scope in query.branches:
            outputs = scope.outputs()
            inner = self._traced(*outputs[0], scope, 0) if len(outputs) == 1 else None
            if not self._trusted(self.origin(source, column), inner):
                return False
        return True

    def is_tenant_output(
        self, name: str, node: exp.Expr | None, source: Source | None, scope: Scope, needy: Mapping[int, Source]
    ) -> bool:
        """Tell whether an output is the tenant's column of a source that needs a filter."""
        if node is None:
            return source is not None and id(source) in needy and self._tenant_value(source, name) is not None
        ref = scope.refs.get(id(node))
        return (
            ref is not None
            and ref.source is not None
            and id(ref.source) in needy
            and self._tenant_value(ref.source, ref.column) is not None
        )

    def any_tenant(self, nodes: Sequence[exp.Expr], scope: Scope, positions: bool = False) -> bool:
        """Tell whether the tenant's column is among expressions; in GROUP BY, and there alone, a number is a position."""
        for node in nodes:
            at, number = node, positions and isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit()
            if number and 0 < int(node.name) <= len(scope.select.expressions):
                at = scope.select.expressions[int(node.name) - 1]
            ref = scope.refs.get(id(at.this if isinstance(at, exp.Alias) else at))
            if ref is not None and ref.source is not None and self._tenant_value(ref.source, ref.column) is not None:
                return True
        return False

    def origin(self, source: Source, column: str) -> Column | None:
        """Trace a source's column to the table that it comes from; None where it is computed."""
        return self._origin(source, column, 0)

    def _origin(self, source: Source, column: str, depth: int) -> Column | None:
        if source.table is not None:
            return (source.table, real_name(source, column, self._schema.tables))
        if source.body is None or not source.body.branches or depth > MAX_DEPTH:
            return None
        found = {self._output_of(scope, source, column, depth + 1) for scope in source.body.branches[:1]}
        return found.pop() if len(found) == 1 else None

    def _output_of(self, scope: Scope, source: Source, column: str, depth: int) -> Column | None:
        outputs, names = scope.outputs(), source.columns or ()
        if column not in names or len(names) != len(outputs):
            return None
        return self._traced(*outputs[names.index(column)], scope, depth)

    def _traced(self, name: str, node: exp.Expr | None, source: Source | None, scope: Scope, depth: int) -> Column | None:
        if node is None:
            return self._origin(source, name, depth) if source is not None else None
        ref = scope.refs.get(id(node))
        return self._origin(ref.source, ref.column, depth) if ref is not None and ref.source is not None else None

    def _tenant_value(self, source: Source, column: str) -> str | int | None:
        opened = self._open.get(id(source))
        if opened is not None:
            rule = self._grant.filter_of(opened[1])
            names = source.columns or ()
            return rule.value if rule is not None and column in names and names.index(column) in opened[0] else None
        rule = self._grant.filter_of(source.table) if source.table is not None else None
        return rule.value if rule is not None and real_name(source, column, self._schema.tables) == rule.column else None

    def _is(self, node: exp.Expr, value: str | int) -> bool:
        while isinstance(node, exp.Paren | exp.Cast):
            node = node.this
        if not isinstance(node, exp.Literal):
            return False
        index = slot_index(node.name, self._constants)
        own = f"'{node.name}'" if node.is_string else node.name
        return plain(own if index is None else self._constants[index]) == str(value)

    def _trusted(self, a: Column | None, b: Column | None) -> bool:
        """Equal tenant columns, or a key and what refers to it, belong to one tenant; equal anything else proves nothing."""
        if a is None or b is None or self._grant.filter_of(a[0]) is None or self._grant.filter_of(b[0]) is None:
            return False  # rows of a shared table belong to nobody, so nothing passes through them
        if self._is_tenant(a) and self._is_tenant(b):
            return True
        if a[0] == b[0] and a[1] == b[1] and (a[1],) == self._schema.keys.get(a[0], (a[1],)):
            return True
        if self._schema.references:
            return (a, b) in self._schema.references or (b, a) in self._schema.references or self._common_parent(a, b)
        return _names_fit(a, b) and (self._is_key(a) or self._is_key(b))

    def _common_parent(self, a: Column, b: Column) -> bool:
        """Two columns that refer to the same key of a tenant's table are as good as one that refers to the other."""
        parents = [{target for own, target in self._schema.references if own == column} for column in (a, b)]
        return any(self._grant.filter_of(table) is not None for table, _ in parents[0] & parents[1])

    def _is_tenant(self, column: Column) -> bool:
        rule = self._grant.filter_of(column[0])
        return rule is not None and rule.column == column[1]

    def _is_key(self, column: Column) -> bool:
        if self._schema.tables is None:
            return column[1].endswith("id")
        return self._schema.keys.get(column[0], ()) == (column[1],)


def _names_fit(a: Column, b: Column) -> bool:
    """``ads.campaign_id = campaigns.campaign_id``, or ``ads.campaign_id = campaigns.id``."""
    if a[1] == b[1]:
        return a[1] != "id"
    for one, other in ((a, b), (b, a)):
        if other[1] == "id" and one[1].endswith("_id") and other[0].startswith(one[1].removesuffix("_id")):
            return True
    return False


def _equal_sides(node: exp.Expr) -> Iterator[tuple[exp.Expr, Sequence[exp.Expr]]]:
    """Yield what a condition says of an expression: that it is one of others."""
    if isinstance(node, exp.EQ | exp.Is | exp.NullSafeEQ):
        one, other = _bare(node.this), _bare(node.expression)
        yield one, _members(other)
        yield other, (one,)
    elif isinstance(node, exp.In) and node.expressions:
        yield _bare(node.this), node.expressions
        if len(node.expressions) == 1:
            yield _bare(node.expressions[0]), (node.this,)
    elif isinstance(node, exp.Between):
        yield _bare(node.this), (node.args["low"], node.args["high"])


def _unequal_sides(node: exp.Expr) -> Iterator[tuple[exp.Expr, Sequence[exp.Expr]]]:
    """Yield what the failure of a condition says of an expression."""
    if isinstance(node, exp.NEQ | exp.NullSafeNEQ):
        yield _bare(node.this), (node.expression,)
        yield _bare(node.expression), (node.this,)


def _members(node: exp.Expr) -> Sequence[exp.Expr]:
    """Return the elements of ``ANY (ARRAY[…])``, else the expression alone."""
    if isinstance(node, exp.Any):
        array = _bare(node.this)
        if isinstance(array, exp.Array) and array.expressions:
            return list(array.expressions)
    return (node,)


def _bare(node: exp.Expr) -> exp.Expr:
    """Return what stands in brackets; of ``(row).field`` the column that the resolver made of it."""
    while isinstance(node, exp.Paren) or (isinstance(node, exp.Dot) and isinstance(node.this, exp.Paren)):
        node = node.this
    return node
