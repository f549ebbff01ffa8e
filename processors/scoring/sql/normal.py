"""Normal forms: two queries that say the same in other words have the same one.

Aliases become tables, columns are qualified and traced through subqueries and CTEs, BETWEEN and IN become comparisons,
``count(1)`` is ``count(*)``, NOT moves inwards, comparisons point one way, and what is commutative is sorted. Constants stay
slots until the form of a query's own constants is asked for, so that a template is normalised once.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from sqlglot import exp

from dualgate.processors.scoring.sql.forms import COMPONENTS, Form, NormalForm, flat, make
from dualgate.processors.scoring.sql.scopes import Ref, Resolved, Scope, Source
from dualgate.processors.scoring.sql.template import slot_index

_SWAPPED: Mapping[type[exp.Expr], str] = {exp.GT: "<", exp.GTE: "<="}
_COMPARED: Mapping[type[exp.Expr], str] = {exp.LT: "<", exp.LTE: "<=", exp.EQ: "=", exp.NEQ: "<>", exp.NullSafeEQ: "is"}
_NEGATED: Mapping[type[exp.Expr], type[exp.Expr]] = {
    exp.EQ: exp.NEQ,
    exp.NEQ: exp.EQ,
    exp.LT: exp.GTE,
    exp.LTE: exp.GT,
    exp.GT: exp.LTE,
    exp.GTE: exp.LT,
}
_SKIPPED_ARGS = frozenset({"nulls_first", "big_int", "quoted", "safe", "typed", "copy", "is_left", "over"})


def normal_form(resolved: Resolved, constants: Sequence[str]) -> NormalForm:
    """Return the normal form of a resolved template; constants tell which literals are slots."""
    maker = _Maker(constants)
    whole = maker.query(resolved)
    fixed = {name: Counter(part for part in parts if isinstance(part, str)) for name, parts in maker.components.items()}
    slotted = {name: [part for part in parts if not isinstance(part, str)] for name, parts in maker.components.items()}
    return NormalForm(whole, fixed, slotted)


class _Maker:
    def __init__(self, constants: Sequence[str]) -> None:
        self._constants = constants
        self.components: dict[str, list[Form]] = {name: [] for name in COMPONENTS}
        self._names: dict[int, str] = {}
        self._depth = 0

    def query(self, resolved: Resolved) -> Form:
        scopes = iter(resolved.branches)
        return self._united(resolved.query, scopes, resolved)

    def _united(self, node: exp.Expr, scopes: Iterator[Scope], resolved: Resolved) -> Form:
        if isinstance(node, exp.SetOperation):
            sides = [self._united(side, scopes, resolved) for side in (node.this, node.expression)]
            kind = f"{type(node).__name__.lower()}{'' if node.args.get('distinct') else '_all'}"
            self.components["order"].append(kind)
            united = make("set", *sides) if not isinstance(node, exp.Except) else make("list", *sides)
            return make(kind, united, *self._tail(node, resolved.branches[0]))
        if isinstance(node, exp.Subquery):
            inner = self._united(node.this, scopes, resolved)
            tail = self._tail(node, resolved.branches[0]) if resolved.branches else []  # (ARRAY[1]) has no SELECT in it
            return make("query", inner, *tail) if tail else inner
        return self.select(next(scopes)) if isinstance(node, exp.Select) else type(node).__name__.lower()

    def select(self, scope: Scope) -> Form:
        """Return the form of one SELECT, and note its parts as features."""
        select = scope.select
        self._name(scope)
        sources, conditions = self._from(scope)
        where = select.args.get("where")
        filters = list(conditions)
        if where is not None:
            filters += self._conjuncts(where.this, scope)
        joins, filters = self._parted(filters)
        group = select.args.get("group")
        grouping = [self.expr(self._ordinal(e, scope), scope) for e in group.expressions] if group is not None else []
        having = self._conjuncts(select.args["having"].this, scope) if select.args.get("having") is not None else []
        projection = [self.output(name, e, s, scope) for name, e, s in scope.outputs()]
        tail = self._tail(select, scope)
        distinct = select.args.get("distinct")
        if distinct is not None:
            chosen = distinct.args.get("on")
            tail.append(make("distinct_on", *(self.expr(e, scope) for e in chosen.expressions)) if chosen else "distinct")
        self._note(joins=[*sources, *joins], filters=filters, grouping=[*grouping, *having], projection=projection, order=tail)
        return make(
            "select",
            make("set", *projection),
            make("set", *sources),
            make("and", *joins, *filters) if joins or filters else "true",
            make("set", *grouping),
            make("and", *having) if having else "true",
            make("list", *tail),
        )

    def _note(self, **parts: Sequence[Form]) -> None:
        for name, found in parts.items():
            self.components[name].extend(found)

    def _name(self, scope: Scope) -> None:
        """Name the sources by their tables; the second use of a table is another one."""
        used: Counter[str] = Counter()
        for source in scope.sources.values():
            name = source.table or (source.body and "query") or type(source.node).__name__.lower()
            used[name] += 1
            self._names[id(source)] = name if used[name] == 1 else f"{name}#{used[name]}"

    def _from(self, scope: Scope) -> tuple[list[Form], list[Form]]:
        sources: list[Form] = []
        conditions: list[Form] = []
        for source in scope.sources.values():
            form: Form = self._names[id(source)]
            sample = source.node.args.get("sample")
            if isinstance(sample, exp.Expr):
                form = make("sample", form, self._generic(sample, scope))
            if source.body is not None:
                form = "query" if source.body.recursive else self.query(source.body)
            on = self._on(source, scope)
            side = source.join.side if source.join is not None else ""
            if side or (source.join is not None and source.join.method):
                form = make(f"{side or ''}{source.join.method or ''}".lower(), form, *on)  # type: ignore[union-attr]
            else:
                conditions += on
            sources.append(form)
        return sources, conditions

    def _on(self, source: Source, scope: Scope) -> list[Form]:
        join = source.join
        if join is None:
            return []
        if join.args.get("using"):
            return [self._using(identifier.name.lower(), source, scope) for identifier in join.args["using"]]
        return self._conjuncts(join.args["on"], scope) if join.args.get("on") is not None else []

    def _using(self, column: str, source: Source, scope: Scope) -> Form:
        left = next((s for s in scope.sources.values() if s is not source and s.has(column)), None)
        first = next(iter(scope.sources.values()))
        return make("=", self._column(left or first, column), self._column(source, column))

    def _parted(self, conditions: Sequence[Form]) -> tuple[list[Form], list[Form]]:
        """Part the equalities between two columns, which join, from what filters."""
        joins: list[Form] = [c for c in conditions if isinstance(c, str) and c.startswith("=(") and _joins(c)]
        taken = set(map(id, joins))
        return joins, [c for c in conditions if id(c) not in taken]

    def _conjuncts(self, node: exp.Expr, scope: Scope) -> list[Form]:
        if isinstance(node, exp.And):
            return [*self._conjuncts(node.this, scope), *self._conjuncts(node.expression, scope)]
        if isinstance(node, exp.Paren):
            return self._conjuncts(node.this, scope)
        if isinstance(node, exp.Between):
            return self._between(node, scope)
        if isinstance(node, exp.Not):
            form = self._not(node.this, scope)
            return flat("and", [form])
        return [self.expr(node, scope)]

    def _between(self, node: exp.Between, scope: Scope) -> list[Form]:
        value, low, high = (self.expr(node.args[k], scope) for k in ("this", "low", "high"))
        return [make("<=", low, value), make("<=", value, high)]

    def _ordinal(self, node: exp.Expr, scope: Scope) -> exp.Expr:
        """Return the output that a position or an alias in GROUP BY or ORDER BY stands for."""
        if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit():
            outputs = scope.select.expressions
            at = int(node.name) - 1
            if 0 <= at < len(outputs):
                item: exp.Expr = outputs[at]
                return item.this if isinstance(item, exp.Alias) else item
        return node

    def _tail(self, node: exp.Expr, scope: Scope) -> list[Form]:
        found: list[Form] = []
        order = node.args.get("order")
        for item in order.expressions if order is not None else ():
            direction = f"{'desc' if item.args.get('desc') else 'asc'}{'_nulls_first' if item.args.get('nulls_first') else ''}"
            found.append(make(direction, self.expr(self._ordinal(item.this, scope), scope)))
        for key in ("limit", "offset"):
            part = node.args.get(key)
            value = None if part is None else part.args.get("expression") or part.args.get("count")
            if value is not None:
                options = part.args.get("limit_options") if part is not None else None
                ties = isinstance(options, exp.Expr) and bool(options.args.get("with_ties"))
                found.append(make(f"{key}{'_with_ties' if ties else ''}", self.expr(value, scope)))
        return found

    def output(self, name: str, node: exp.Expr | None, source: Source | None, scope: Scope) -> Form:
        """Return the form of an output column; one of a star is the column it stands for."""
        if node is not None:
            return self.expr(node, scope)
        return self._column(source, name) if source is not None else name

    def _column(self, source: Source, column: str) -> Form:
        """Return the form of a source's column, traced into a derived query to what it is computed from."""
        if source.body is not None and len(source.body.branches) == 1 and not source.body.recursive and self._depth < 20:
            inner = source.body.branches[0]
            names = source.columns or ()
            outputs = inner.outputs()
            if column in names and len(names) == len(outputs):
                name, node, star = outputs[names.index(column)]
                self._depth += 1
                if not inner.sources or id(next(iter(inner.sources.values()))) not in self._names:
                    self._name(inner)
                form = self.output(name, node, star, inner)
                self._depth -= 1
                return form
        return f"{self._names.get(id(source), source.alias)}.{column}"

    def expr(self, node: exp.Expr, scope: Scope) -> Form:
        """Return the form of an expression."""
        if isinstance(node, exp.Column):
            return self._reference(node, scope)
        if isinstance(node, exp.Literal):
            return self._literal(node)
        if isinstance(node, exp.Paren | exp.Alias):
            return self.expr(node.this, scope)
        if isinstance(node, exp.Query):
            nested = scope.nested.get(id(node))
            return self.query(nested) if nested is not None else "query"
        if isinstance(node, exp.Predicate | exp.Connector | exp.Not):
            return self._condition(node, scope)
        if isinstance(node, exp.Window):
            return self._window(node, scope)
        if isinstance(node, exp.AggFunc):
            form = self._count(node) or self._generic(node, scope)
            self.components["aggregates"].append(form)
            return form
        return self._generic(node, scope)

    def _reference(self, node: exp.Column, scope: Scope) -> Form:
        ref: Ref | None = scope.refs.get(id(node))
        if ref is None:
            return f"?.{node.name.lower()}"
        if ref.source is not None:
            return self._column(ref.source, ref.column)
        if ref.output is None or self._depth > 20:
            return ref.column
        self._depth += 1
        form = self.expr(ref.output, ref.scope)
        self._depth -= 1
        return form

    def _literal(self, node: exp.Literal) -> Form:
        index = slot_index(node.name, self._constants)
        if index is not None:
            return index
        return "'" + node.name.replace("'", "''") + "'" if node.is_string else node.name.lower()

    def _window(self, node: exp.Window, scope: Scope) -> Form:
        """Return the form of a window; what it takes from one that has a name stands in the name's place."""
        taken = node.args.get("alias")
        named = {w.name.lower(): w for w in scope.select.args.get("windows") or ()}
        found = named.get(taken.name.lower()) if isinstance(taken, exp.Identifier) else None
        if found is None or found is node:
            return self._generic(node, scope)
        parts = {key: node.args.get(key) or found.args.get(key) for key in ("partition_by", "order", "spec")}
        operands = [self.expr(node.this, scope)]
        for value in parts.values():
            operands += [self.expr(e, scope) for e in (value if isinstance(value, list) else [value]) if e is not None]
        return make("window", *operands)

    def _count(self, node: exp.AggFunc) -> Form | None:
        of = node.this
        plain = isinstance(of, exp.Star) or (isinstance(of, exp.Literal) and not isinstance(of, exp.Null))
        return "count(*)" if isinstance(node, exp.Count) and plain else None

    def _condition(self, node: exp.Expr, scope: Scope) -> Form:
        kind = type(node)
        if isinstance(node, exp.And | exp.Or):
            return make(kind.__name__.lower(), self.expr(node.this, scope), self.expr(node.expression, scope))
        if isinstance(node, exp.Not):
            return self._not(node.this, scope)
        if kind in _SWAPPED:
            return make(_SWAPPED[kind], self.expr(node.expression, scope), self.expr(node.this, scope))
        if kind in _COMPARED:
            return make(_COMPARED[kind], self.expr(node.this, scope), self.expr(node.expression, scope))
        if isinstance(node, exp.Between):
            return make("and", *self._between(node, scope))
        if isinstance(node, exp.In) and node.expressions:
            value = self.expr(node.this, scope)
            return make("or", *(make("=", value, self.expr(e, scope)) for e in node.expressions))
        return self._generic(node, scope)

    def _not(self, node: exp.Expr, scope: Scope) -> Form:
        if isinstance(node, exp.Paren):
            return self._not(node.this, scope)
        if isinstance(node, exp.Not):
            return self.expr(node.this, scope)
        if isinstance(node, exp.And | exp.Or):
            other = "or" if isinstance(node, exp.And) else "and"
            return make(other, self._not(node.this, scope), self._not(node.expression, scope))
        if isinstance(node, exp.Between):
            low, high = self._between(node, scope)
            value, least, most = (self.expr(node.args[k], scope) for k in ("this", "low", "high"))
            del low, high
            return make("or", make("<", value, least), make("<", most, value))
        if isinstance(node, exp.In) and node.expressions:
            value = self.expr(node.this, scope)
            return make("and", *(make("<>", value, self.expr(e, scope)) for e in node.expressions))
        opposite = _NEGATED.get(type(node))
        if opposite is not None:
            return self._condition(opposite(this=node.this, expression=node.expression), scope)
        return make("not", self.expr(node, scope))

    def _generic(self, node: exp.Expr, scope: Scope) -> Form:
        operator = "+" if isinstance(node, exp.Add) else "*" if isinstance(node, exp.Mul) else type(node).__name__.lower()
        operator = node.name.lower() if isinstance(node, exp.Anonymous) else operator
        operands: list[Form] = []
        for key, value in node.args.items():
            if key in _SKIPPED_ARGS or value is None or value is False or (isinstance(node, exp.Anonymous) and key == "this"):
                continue
            items = value if isinstance(value, list) else (value,)
            operands += [self.expr(i, scope) if isinstance(i, exp.Expr) else f"{key}:{str(i).lower()}" for i in items]
        return make(operator, *operands) if operands else operator


def _joins(condition: str) -> bool:
    """Tell whether an equality (in normal form) is between the columns of two sources."""
    left, _, right = condition[2:-1].partition(",")
    return _plain_column(left) and _plain_column(right) and left.split(".")[0] != right.split(".")[0]


def _plain_column(text: str) -> bool:
    return "." in text and "(" not in text and "'" not in text and not text[0].isdigit()
