"""The tenant filter, proven: every SELECT sees the caller's own rows only, through joins, subqueries, CTEs and unions.

A table that has a row filter is *own* in a SELECT where ``column = value`` holds for it, or where a trusted equality joins it
to one that is own: of the tenant's column on both sides, or of a key and what refers to it. Equality of anything else proves
nothing. An outer join restricts only the side that it can null. A SELECT that is not own may still hand the tenant's column
out whole (*open*), so that the query around it can filter; anything else leaks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from dualgate.processors.scoring.safety.conditions import split
from dualgate.processors.scoring.safety.folding import is_aggregate, is_cut, may_have_a_row_of_none, partition_of
from dualgate.processors.scoring.safety.relations import Edge, Relations
from dualgate.processors.scoring.sql.schema import Schema
from dualgate.processors.scoring.sql.scopes import Resolved, Scope, Source
from dualgate.schemas.grants import Grant

Leak = tuple[str, str]
"""The table that is read too widely, and words."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What was proven of a query: its leaks; where there is none, the output columns that still need a filter, if any."""

    leaks: tuple[Leak, ...] = ()
    open_columns: frozenset[int] = frozenset()
    open_table: str = ""


OWN = Standing()


def leaks(resolved: Resolved, grant: Grant, schema: Schema, constants: Sequence[str]) -> Iterator[Leak]:
    """Yield each table whose rows of other tenants a query can see."""
    if not grant.row_filter:
        return
    standing = _Prover(grant, schema, constants).query(resolved, frozenset())
    yield from dict.fromkeys(standing.leaks)
    if standing.open_columns:
        yield standing.open_table, _words(standing.open_table, grant)


def _words(table: str, grant: Grant) -> str:
    rule = grant.filter_of(table)
    return f"{table} is read without {rule.column} = {rule.value!r}" if rule is not None else f"{table} is read unfiltered"


class _Prover:
    def __init__(self, grant: Grant, schema: Schema, constants: Sequence[str]) -> None:
        self._grant = grant
        self._relations = Relations(grant, schema, constants)
        self._known: dict[int, Standing] = {}
        self._value = {rule.value for rule in grant.row_filter.values()}

    def query(self, resolved: Resolved, outer_own: frozenset[int]) -> Standing:
        """Return the standing of a query whose enclosing queries own some sources (by id)."""
        if resolved.recursive:
            return OWN  # the recursive branch reads what the anchor proved; the whole is proven where it is defined
        key = id(resolved)
        if key in self._known and not outer_own:
            return self._known[key]
        standings = [self.select(scope, outer_own) for scope in resolved.branches]
        standing = _united(standings, _recurses(resolved))
        if standing.open_columns and is_cut(resolved.query):
            standing = Standing((*standing.leaks, (standing.open_table, _words(standing.open_table, self._grant))))
        if not outer_own:
            self._known[key] = standing
        return standing

    def select(self, scope: Scope, outer_own: frozenset[int]) -> Standing:
        """Return the standing of one SELECT."""
        found: list[Leak] = []
        needy: dict[int, Source] = {}
        self._sources(scope, found, needy)
        own = self._own(scope, needy, outer_own)
        missing = [source for key, source in needy.items() if key not in own]
        group = self._together(scope, needy) if missing else frozenset(needy)
        inside = outer_own | own | (group if group == frozenset(needy) else frozenset())
        for nested in (*scope.nested.values(), *_laterals(scope)):
            inner = self.query(nested, inside)
            found.extend(inner.leaks)
            if inner.open_columns:
                found.append((inner.open_table, _words(inner.open_table, self._grant)))
        if not missing:
            return Standing(tuple(found))
        table = self._table_of(missing[0])
        columns = self._handed_out(scope, needy) if group == frozenset(needy) else frozenset()
        if columns:
            return Standing(tuple(found), columns, table)
        return Standing((*found, *((self._table_of(s), _words(self._table_of(s), self._grant)) for s in missing)))

    def _sources(self, scope: Scope, found: list[Leak], needy: dict[int, Source]) -> None:
        """Note the sources that need a filter, and what their own bodies leak."""
        for source in scope.sources.values():
            if source.table is not None and self._grant.filter_of(source.table) is not None:
                needy[id(source)] = source
            elif source.body is not None and not isinstance(source.node, exp.Lateral):
                standing = self.query(source.body, frozenset())
                found.extend(standing.leaks)
                if standing.open_columns:
                    needy[id(source)] = source
                    self._relations.open(source, standing.open_columns, standing.open_table)

    def _table_of(self, source: Source) -> str:
        return self._relations.open_table(source) or source.table or source.alias

    def _own(self, scope: Scope, needy: dict[int, Source], outer_own: frozenset[int]) -> frozenset[int]:
        """Return the sources that are proven own: by conditions first, then along trusted equalities.

        A derived source that needs no filter is own; what is not a tenant's in it has no trusted equalities.
        """
        strong: set[int] = set()
        weak: set[int] = set()
        for condition, join in self._placed(scope):
            facts = self._facts(condition, scope)
            (weak if join is not None else strong).update(
                fact for fact in facts if join is None or self._restricts(join, fact, scope)
            )
        settled = {id(s) for s in scope.sources.values() if s.body is not None and id(s) not in needy}
        edges = list(self._relations.edges(scope))
        return frozenset(_spread(strong | settled, weak, edges, outer_own))

    def _placed(self, scope: Scope) -> Iterator[tuple[exp.Expr, exp.Join | None]]:
        """Yield the conditions of a SELECT; with the join only where it is an outer one.

        HAVING restricts rows only where each group is of one tenant.
        """
        select = scope.select
        where, having, group = (select.args.get(key) for key in ("where", "having", "group"))
        if where is not None:
            yield from ((condition, None) for condition in split(where.this))
        if having is not None and self._grouped(group, scope):
            yield from ((condition, None) for condition in split(having.this))
        for source in scope.sources.values():
            join = source.join
            if join is not None and join.args.get("on") is not None:
                outer = join if join.side else None
                yield from ((condition, outer) for condition in split(join.args["on"]))

    def _facts(self, node: exp.Expr, scope: Scope) -> frozenset[int]:
        """Return the sources of which a condition, where it holds, says that their rows are the tenant's."""
        if isinstance(node, exp.Paren):
            return self._facts(node.this, scope)
        if isinstance(node, exp.And):
            return self._facts(node.this, scope) | self._facts(node.expression, scope)
        if isinstance(node, exp.Or):
            return self._facts(node.this, scope) & self._facts(node.expression, scope)
        if isinstance(node, exp.Not):
            return self._denied(node.this, scope)
        if isinstance(node, exp.In) and (node.args.get("query") or node.args.get("field")) is not None:
            return self._member(node, scope)
        if isinstance(node, exp.Exists):
            return self._exists(node, scope)
        fact = self._relations.filtered(node, scope)
        return frozenset() if fact is None else frozenset((fact,))

    def _denied(self, node: exp.Expr, scope: Scope) -> frozenset[int]:
        """Return the sources of which a condition, where it fails, says that their rows are the tenant's."""
        if isinstance(node, exp.Paren):
            return self._denied(node.this, scope)
        if isinstance(node, exp.Not):
            return self._facts(node.this, scope)
        if isinstance(node, exp.Or):
            return self._denied(node.this, scope) | self._denied(node.expression, scope)
        if isinstance(node, exp.And):
            return self._denied(node.this, scope) & self._denied(node.expression, scope)
        fact = self._relations.filtered(node, scope, denied=True)
        return frozenset() if fact is None else frozenset((fact,))

    def _member(self, node: exp.In, scope: Scope) -> frozenset[int]:
        """``key IN (SELECT key FROM …)`` owns what an equality with that query would own."""
        nested = scope.nested.get(id(node.args.get("query") or node.args["field"]))
        ref = scope.refs.get(id(node.this))
        if nested is None or ref is None or ref.source is None or ref.scope is not scope:
            return frozenset()
        standing = self.query(nested, frozenset())
        if standing.leaks or standing.open_columns or not self._relations.same_owner(ref.source, ref.column, nested):
            return frozenset()
        return frozenset((id(ref.source),))

    def _exists(self, node: exp.Exists, scope: Scope) -> frozenset[int]:
        """A correlated EXISTS owns the outer sources that a trusted equality ties to an own row inside.

        What has a row even where nothing matches (an aggregate, an outer join) proves nothing.
        """
        nested = scope.nested.get(id(node.this))
        if nested is None or len(nested.branches) != 1 or may_have_a_row_of_none(nested.branches[0].select):
            return frozenset()
        inner = nested.branches[0]
        found: list[Leak] = []
        needy: dict[int, Source] = {}
        self._sources(inner, found, needy)
        own = self._own(inner, needy, frozenset())
        here = {id(s) for s in scope.sources.values()}
        return frozenset(
            other
            for edge in self._relations.edges(inner)
            if edge.nulled is None
            for one, other in ((edge.left, edge.right), (edge.right, edge.left))
            if one in own and other in here
        )

    def _restricts(self, join: exp.Join, fact: int, scope: Scope) -> bool:
        """Tell whether the ON of an outer join restricts a source: LEFT only what it joins, RIGHT only what stood before."""
        right = next((id(s) for s in scope.sources.values() if s.join is join), None)
        return {"LEFT": fact == right, "RIGHT": fact != right}.get(join.side, False)

    def _together(self, scope: Scope, needy: dict[int, Source]) -> frozenset[int]:
        """Return the needy sources that trusted equalities connect to the first of them."""
        edges = list(self._relations.edges(scope))
        first = next(iter(needy))
        return frozenset(_spread({first}, set(), edges, frozenset()) & needy.keys())

    def _handed_out(self, scope: Scope, needy: dict[int, Source]) -> frozenset[int]:
        """Return the positions of outputs that hold each row's tenant; none where a row mixes tenants."""
        select = scope.select
        outputs = scope.outputs()
        if is_cut(select) or any(n == "*" for n, _, _ in outputs):
            return frozenset()
        keys = frozenset(
            at
            for at, (name, node, source) in enumerate(outputs)
            if self._relations.is_tenant_output(name, node, source, scope, needy)
        )
        return keys if keys and self._keeps_apart(scope) else frozenset()

    def _keeps_apart(self, scope: Scope) -> bool:
        """Tell whether no group, no window and no choice of a SELECT mixes the rows of two tenants."""
        select = scope.select
        group = select.args.get("group")
        plain = [e for e in select.find_all(exp.AggFunc, exp.Anonymous, exp.Window) if e.find_ancestor(exp.Select) is select]
        windows = [e for e in plain if isinstance(e, exp.Window) and not isinstance(e.this, exp.Identifier)]
        folded = [e for e in plain if is_aggregate(e) and not isinstance(e.parent, exp.Window)]
        partitioned = all(self._relations.any_tenant(partition_of(w, select), scope) for w in windows)
        grouped = self._grouped(group, scope)
        chosen = select.args["distinct"].args.get("on") if select.args.get("distinct") is not None else None
        apart = chosen is None or self._relations.any_tenant(chosen.expressions, scope)
        return partitioned and apart and (grouped or (group is None and not folded))

    def _grouped(self, group: exp.Group | None, scope: Scope) -> bool:
        return group is not None and self._relations.any_tenant(group.expressions, scope, positions=True)


def _spread(strong: set[int], weak: set[int], edges: Sequence[Edge], outer_own: frozenset[int]) -> set[int]:
    """Follow trusted equalities from what is own: both ways, but out of an outer join's nulled side only from a strong one."""
    own = strong | weak | outer_own
    solid = strong | outer_own
    changed = True
    while changed:
        changed = False
        for edge in edges:
            for one, other in ((edge.left, edge.right), (edge.right, edge.left)):
                allowed = edge.nulled is None or edge.nulled == other or one in solid
                if one in own and other not in own and allowed:
                    own.add(other)
                    changed = True
                if one in solid and other not in solid and edge.nulled is None:
                    solid.add(other)
                    changed = True
    return own


def _laterals(scope: Scope) -> Iterator[Resolved]:
    """Yield the queries of LATERAL sources, which see the sources before them as a correlated subquery does."""
    return (s.body for s in scope.sources.values() if s.body is not None and isinstance(s.node, exp.Lateral))


def _recurses(resolved: Resolved) -> bool:
    return any(s.body is not None and s.body.recursive for scope in resolved.branches for s in scope.sources.values())


def _united(standings: Sequence[Standing], recursive: bool) -> Standing:
    """Return the standing of a union: what leaks anywhere leaks; open columns must be open in every open branch.

    A recursive branch was proven on the word that the anchor is own, so an open anchor leaks.
    """
    found = tuple(leak for standing in standings for leak in standing.leaks)
    opened = [standing for standing in standings if standing.open_columns]
    if not opened:
        return Standing(found)
    columns = frozenset.intersection(*(standing.open_columns for standing in opened))
    table = opened[0].open_table
    if columns and not recursive:
        return Standing(found, columns, table)
    return Standing((*found, (table, f"{table} is read without a tenant filter")))
