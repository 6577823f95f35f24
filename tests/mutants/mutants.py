"""Semantic mutants of the fast paths: what a slip of the pen could be, one row each.

`old` occurs exactly once in its file; a row whose text has gone is an error, so that the list follows the
code.
"""

# ruff: noqa: E501, Q000, Q003 - a row per mutant, and the text as it stands in its file
# fmt: off

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One change of one file."""

    file: str
    old: str
    new: str
    breaks: str  # what it gets wrong, in the contract's words


MUTANTS = [
    # ---- windows and visibility (SEMANTICS 3)
    Mutant("featuregraph/windows.py", "hi = (1 if self.include_now else 0) - self.offset", "hi = 0 - self.offset", "include_now ignored"),
    Mutant("featuregraph/windows.py", "hi = (1 if self.include_now else 0) - self.offset", "hi = 1 - self.offset", "an event at t itself is visible"),
    Mutant("featuregraph/windows.py", "hi = (1 if self.include_now else 0) - self.offset", "hi = 1 if self.include_now else 0", "offset not applied to visibility"),
    Mutant("featuregraph/windows.py", "None if self.over is None else hi - self.over)", "None if self.over is None else hi - self.over + 1)", "an expiry one ms early"),
    Mutant("featuregraph/windows.py", "None if self.over is None else hi - self.over)", "None if self.over is None else hi - self.over - 1)", "an expiry one ms late"),
    Mutant("featuregraph/windows.py", "None if self.over is None else hi - self.over)", "None if self.over is None else -self.over)", "offset does not move the window's begin"),
    Mutant("stream/rows.py", "end = bisect_left(rows.ts, hi)", "end = bisect_right(rows.ts, hi)", "the end of a scanned window admitted"),
    Mutant("stream/rows.py", "start = bisect_left(rows.ts, lo, 0, end)", "start = bisect_right(rows.ts, lo, 0, end)", "the begin of a scanned window left out"),
    Mutant("stream/rows.py", "start = end - span.last", "start = end - span.last - 1", "last N keeps one row too many in a scan"),
    Mutant("stream/span.py", "until = bisect_left(ts, t + self._hi, end)", "until = bisect_left(ts, t + self._hi + 1, end)", "rows enter a running window one ms early"),
    Mutant("stream/span.py", "leave = bisect_left(ts, t + self._lo, start, end)", "leave = bisect_left(ts, t + self._lo - 1, start, end)", "rows leave a running window one ms late"),
    Mutant("stream/span.py", "if self._last is not None and end - leave > self._last:", "if self._last is not None and end - leave > self._last + 1:", "last N keeps one row too many in a running window"),
    Mutant("stream/span.py", "self.start = leave", "self.start = start", "rows that left are popped again"),
    Mutant("featuregraph/passes.py", "None if waiting[r.filter] else r.last", "r.last", "last N cut before a where that waits for the query"),
    Mutant("stream/cells.py", "rows = rows[-self._last :]", "rows = rows[: self._last]", "the earliest N instead of the latest"),
    Mutant("featuregraph/steps.py", "return None if window.over is None else window.over + window.offset", "return window.over", "offset not part of how far back rows are read"),
    Mutant("featuregraph/steps.py", "return None if None in found else max(r for r in found if r is not None)", "return min((r for r in found if r is not None), default=None)", "the narrowest window decides what is read"),
    # ---- order, duplicates, late and future events, forgetting (SEMANTICS 1 and 8)
    Mutant("stream/rows.py", "at = bisect_right(self.rows, row)", "at = len(self.rows)", "a late event put last"),
    Mutant("stream/rows.py", "if not self.rows or row > self.rows[-1]:", "if not self.rows or row[0] >= self.rows[-1][0]:", "seq ignored in the order of arrivals"),
    Mutant("stream/rows.py", "            self.rows.sort()", "            self.rows.sort(key=lambda row: row[0])", "seq ignored in the order of a scan"),
    Mutant("stream/decode.py", """tie = f"('.' + {user} if {user} is not None else '')" if user else "''\"""", """tie = "''\"""", "user_id ignored in ties under another key"),
    Mutant("stream/span.py", "        if self.dirty or at >= self.end:\n            return", "        if self.dirty or at >= self.start:\n            return", "a late event inside a running window ignored"),
    Mutant("stream/span.py", "        if at < self.start:\n", "        if at <= self.start:\n", "a late event at the begin of a window counted as before it"),
    Mutant("stream/state.py", "        else:\n            self.stale = True\n", "", "a late event among trimmed rows ignored"),
    Mutant("stream/state.py", "rows.floor = rows.rows[entered - 1][:FIRST_SLOT]", "rows.floor = rows.rows[0][:FIRST_SLOT]", "the floor of trimmed rows too low"),
    Mutant("stream/span.py", "        self.start -= count\n        self.end -= count", "        self.start -= count", "a running window does not follow a trim"),
    Mutant("stream/state.py", "        if rows.ts and rows.ts[0] < t - reach:\n            gone = bisect_left(rows.ts, t - reach)", "        if rows.ts and rows.ts[0] < t:\n            gone = bisect_left(rows.ts, t)", "rows dropped that a window still needs"),
    Mutant("stream/state.py", "rows.forget_broken(t - reach)", "rows.forget_broken(t)", "an overflow of a filter forgotten inside the window"),
    Mutant("stream/engine.py", "        if self.log.generation != self._generation:", "        if False:", "forget does not invalidate what is kept"),
    Mutant("stream/engine.py", "        if t < kept.t:\n            return None\n", "", "states used for a query back in time"),
    Mutant("stream/engine.py", "if rows and rows[0].id == self._cursor + 1:", "if rows:", "events appended behind the engine's back skipped"),
    Mutant("stream/engine.py", "        while self._cursor < self.log.last_id:", "        while False:", "events appended behind the engine's back ignored"),
    Mutant("stream/engine.py", "if kept is not None and kept.stale:", "if False:", "stale rows are not read again"),
    Mutant("stream/appender.py", "draft.ts_ms > call.now_ms + self._max_future_ms:", "draft.ts_ms >= call.now_ms + self._max_future_ms:", "an event exactly at max_future quarantined"),
    Mutant("stream/appender.py", "draft.ts_ms > call.now_ms + self._max_future_ms:", "False:", "events of the far future visible"),
    Mutant("stream/engine.py", "(r[-1] is None or r[-1] <= t)", "(r[-1] is None or r[-1] < t)", "an event known at t itself hidden from as_known"),
    Mutant("stream/engine.py", "and r[TS] >= start]", "and r[TS] > start]", "the first event of the history hidden from as_known"),
    Mutant("stream/forget.py", "DELETE FROM event WHERE ts_ms < ?", "DELETE FROM event WHERE ts_ms <= ?", "forget takes the event at its bound too"),
    Mutant("stream/forget.py", "            add_meta(connection, generation=1)", "            add_meta(connection, generation=0)", "forgetting is not told"),
    Mutant("stream/appender.py", "            draft.event_id,\n            draft[7:11],", "            None,\n            draft[7:11],", "a duplicate counted"),
    Mutant("stream/appender.py", "        if not known:\n", "        if True:\n", "a duplicate at a taken position refused"),
    # ---- values of fields (SEMANTICS 2)
    Mutant("featuregraph/convert/numeric.py", "return whole + (rest * 2 > under or (rest * 2 == under and whole & 1 == 1))", "return whole + (rest * 2 >= under)", "half up instead of half even, of floats"),
    Mutant("featuregraph/convert/numeric.py", 'if above_half or (rest[:1] == "5" and number & 1):', 'if above_half or rest[:1] == "5":', "half up instead of half even, of text"),
    Mutant("featuregraph/convert/numeric.py", "number + 0.0 if isfinite(number) else BAD", "number if isfinite(number) else BAD", "-0.0 kept, of text"),
    Mutant("stream/decode.py", '"({x} + 0.0 if {x}', '"({x} if {x}', "-0.0 kept, of floats"),
    Mutant("stream/decode.py", "{f}({x}))\",\n    \"boolean\"", "{f}({x}) or 0.0)\",\n    \"boolean\"", "null made 0.0"),
    Mutant("featuregraph/convert/raw.py", "return BAD if raw.__class__ is bool else _to_text(raw)", "return _to_text(raw)", "a boolean taken as an identifier"),
    Mutant("featuregraph/convert/raw.py", "return bool(raw) if raw in (0, 1) else BAD", "return bool(raw)", "any number taken as a boolean"),
    # ---- aggregates (SEMANTICS 4)
    Mutant("featuregraph/aggregates/counts.py", "counted = xs if self.x is None else kept(xs)", "counted = xs", "null counted in count(x)"),
    Mutant("featuregraph/aggregates/counts.py", "        elif x is not None:\n            self.n += 1", "        else:\n            self.n += 1", "null counted in a running count(x)"),
    Mutant("featuregraph/aggregates/sums.py", "return OVERFLOW if self.bad else in_int64(self.s)", "return OVERFLOW if self.bad else self.s", "a running sum beyond int64 given"),
    Mutant("featuregraph/aggregates/sums.py", "return math.fsum(kept(xs)) + 0.0 if", "return sum(kept(xs), 0.0) + 0.0 if", "sums of doubles rounded at each step"),
    Mutant("featuregraph/aggregates/grid.py", "LOW = 2.0 ** (52 - COARSE)", "LOW = 2.0 ** (40 - COARSE)", "the last bits of small doubles lost"),
    Mutant("featuregraph/aggregates/spread.py", "return ratio(n * s2 - s1 * s1, (n * unit) ** 2) if n else None", "return ratio(n * s2 - s1 * s1, n * (n - 1) * unit**2) if n > 1 else None", "sample instead of population variance"),
    Mutant("featuregraph/aggregates/extremes.py", "while queue and queue[-1] > x:", "while queue and queue[-1] >= x:", "equal minima forgotten: a pop finds none"),
    Mutant("featuregraph/aggregates/extremes.py", "while queue and queue[-1] < x:", "while queue and queue[-1] > x:", "a sliding max that is a min"),
    Mutant("featuregraph/aggregates/ends.py", "        if not self.n:\n            self.x = None", "        self.x = self.x", "the latest x of an empty window kept"),
    Mutant("featuregraph/aggregates/tables.py", "counts[x] = counts.pop(x, 0) + 1\n\n    def pop", "counts[x] = counts.get(x, 0) + 1\n\n    def pop", "topk ties by first occurrence"),
    Mutant("featuregraph/aggregates/tables.py", "Counter(reversed(kept(xs)))", "Counter(kept(xs))", "topk ties by earliest occurrence in a scan"),
    Mutant("featuregraph/aggregates/tables.py", "        found.discard(None)\n", "", "null counted by distinct"),
    Mutant("featuregraph/aggregates/quantile.py", "return (numerator * n - 1) // denominator", "return numerator * (n - 1) // denominator", "another rank than the nearest"),
    Mutant("featuregraph/aggregates/sequence.py", "        latest.pop(key, None)\n        latest[key] = self.come, row", "        latest.setdefault(key, (self.come, row))", "distinct keeps the first row instead of the latest"),
    Mutant("featuregraph/aggregates/sequence.py", "if kept is not None and kept[0] == self.gone:", "if kept is not None:", "a newer row of a key forgotten with its oldest"),
    Mutant("featuregraph/aggregates/sequence.py", "            if x is None or (self.distinct is not None and x[0] is None):\n                continue", "            if x is None:\n                continue", "rows with a null distinct key kept"),
    Mutant("featuregraph/aggregates/grouped.py", "        cell = cells.pop(group, None)\n        if cell is None:", "        cell = cells.get(group)\n        if cell is None:", "top ties by the earliest row"),
    Mutant("featuregraph/aggregates/grouped.py", "counts[group] = counts.pop(group, 0) + 1", "counts[group] = counts.get(group, 0) + 1", "top ties of counts by the earliest row"),
    Mutant("featuregraph/aggregates/grouped.py", "for group in sorted(self.groups())}", "for group in self.groups()}", "a map's keys in the order of rows"),
    Mutant("featuregraph/aggregates/grouped.py", "        if not cell.n:\n            del self.cells[group]", "        pass", "a group without rows stays"),
    Mutant("featuregraph/aggregates/grouped.py", "        if group is None:\n            return self.empty\n", "", "a null key looked up like any other, also where a row's group overflows"),
    Mutant("featuregraph/aggregates/decay.py", "divmod(age, half_life)", "divmod(age + 1, half_life)", "decay one ms too old"),
    # ---- operators (SEMANTICS 5)
    Mutant("featuregraph/scalar/text.py", 'key=node["seed"].to_bytes(8, "little")', 'key=node["seed"].to_bytes(8, "big")', "another hash for each seed but 0"),
    Mutant("featuregraph/scalar/text.py", '% rows + 1', '% rows', "hash gives row 0 to values"),
    Mutant("featuregraph/scalar/text.py", "return 0 if a is None else a", "return None if a is None else a", "hash of null is null"),
    Mutant("featuregraph/scalar/logic.py", "strict1(lambda a: bisect_right(edges, a))", "strict1(lambda a: sum(e < a for e in edges))", "an edge equal to x not counted"),
    Mutant("featuregraph/scalar/logic.py", "promotion(right, target)), empty=False)", "promotion(right, target)))", "a comparison with null gives null"),
    Mutant("featuregraph/scalar/logic.py", "                return OVERFLOW if a is OVERFLOW else False\n        return True", "                return False\n        return True", "an overflow taken as false"),
    Mutant("featuregraph/scalar/logic.py", "return lambda x, v: to_x(x) if x is not None else to_v(v)", "return lambda x, v: to_x(x) if x else to_v(v)", "fill replaces zero and false too"),
    Mutant("featuregraph/scalar/arithmetic.py", "return fits(a // b) if b else None", "return fits(int(a / b)) if b else None", "int64 division cuts toward zero"),
    Mutant("featuregraph/scalar/arithmetic.py", "return result + 0.0 if isfinite(result) else None", "return result if isfinite(result) else None", "-0.0 as a computed result"),
    Mutant("featuregraph/scalar/cast.py", "return lambda a: a // unit if a >= 0 else -(-a // unit)", "return lambda a: a // unit", "a decimal cast to int64 floors"),
    Mutant("featuregraph/scalar/cast.py", "return lambda a: half_even(a, unit)", "return lambda a: a // unit", "a decimal cast to fewer digits floors"),
    Mutant("stream/decode.py", "(t - r[0] if t - r[0] <= {INT64_MAX} else {overflow})", "(t - r[0])", "age() beyond int64 given"),
    Mutant("featuregraph/scalar/arithmetic.py", "return strict1(lambda a: min(a, hi))", "return strict1(lambda a: max(a, hi))", "an upper bound of clip that is a lower one"),
    Mutant("featuregraph/scalar/time.py", "lambda t: local(t).weekday()", "lambda t: local(t).isoweekday()", "Monday is 1"),
    # ---- what stands from query to query
    Mutant("stream/span.py", "self.wake = ts[end] - self._hi + 1", "self.wake = ts[end] - self._hi + 2", "a row that enters later wakes its window one ms late"),
    Mutant("stream/span.py", "min(self.wake, ts[leave] - self._lo + 1)", "min(self.wake, ts[leave] - self._lo + 2)", "a row that leaves wakes its window one ms late"),
    Mutant("stream/span.py", "            self._take(self.rows.rows[at])\n            self.end += 1\n", "            self.end += 1\n", "a late event not taken by states that commute"),
    Mutant("stream/span.py", "            push(row)\n        self._touched = True", "            push(row)", "a late event taken, but not told"),
    Mutant("stream/span.py", "        self._take(row)\n        self.start -= 1", "        self._take(row)", "a late event among trimmed rows not in the number of rows"),
    Mutant("stream/state.py", "        self._wakes[number] = INT64_MIN\n        if", "        if", "a window sleeps though a row came"),
    Mutant("stream/state.py", "                self._moved[place] = self._age\n", "                pass\n", "a window moved, but what reads it stands"),
    Mutant("stream/state.py", "            wake = min(wake, running.wake)", "            wake = max(wake, running.wake)", "the windows of an event wake together with the last"),
    Mutant("stream/answers.py", "            self._seen = NEVER_READ\n", "            self._seen = age\n", "a value that overflowed is not read again"),
    Mutant("stream/answers.py", "            found[name] = copy(found[name])", "            pass", "a caller's change of a list shows in the next answer"),
    Mutant("featuregraph/refresh.py", 'inner.op in OF_THE_QUERY or (inner.op is Op.AGG and CATALOGUE[inner["agg"]].drifts)', "inner.op in OF_THE_QUERY", "a value that drifts with time stands"),
    Mutant("featuregraph/refresh.py", '        inner.op in OF_THE_QUERY or (', "        (", "a value that waits for the query stands"),
    Mutant("featuregraph/refresh.py", "spans = sorted({places[agg].span for agg in section.aggregates})", "spans = sorted({places[agg].span for agg in section.aggregates})[:1]", "of two windows behind a value only one is watched"),
    Mutant("featuregraph/aggregates/tables.py", "commutes: ClassVar[bool] = False  # a table", "commutes: ClassVar[bool] = True  # a table", "late events make topk's ties"),
    Mutant("featuregraph/convert/public.py", 'exponent = f"E-{type.scale}"', 'exponent = f"E-{type.scale - 1}"', "decimals ten times too large"),
    # ---- filters before decoding
    Mutant("featuregraph/pushdown.py", "        elif not all(node.op in _SAFE for node in inner):\n            break", "        else:\n            continue", "a filter's overflow hidden by a test of a column after it"),
    Mutant("featuregraph/pushdown.py", "        if found is None:\n            return ()", "        if found is None:\n            continue", "rows dropped that a filter on attributes keeps"),
    Mutant("featuregraph/pushdown.py", 'if all(node.op is not Op.FIELD or node["name"] in COLUMNS for node in inner):', 'if any(node.op is not Op.FIELD or node["name"] in COLUMNS for node in inner):', "a test of a column and an attribute taken for one of columns"),
    Mutant("featuregraph/pushdown.py", "    if where.op is not Op.AND:\n", "    if where.op not in (Op.AND, Op.OR):\n", "one half of or taken for the whole"),
    Mutant("featuregraph/passes.py", "waits = one.where is not None and not static[one.where]", "waits = False", "a filter that waits for the query applied to rows as they come"),
    Mutant("featuregraph/passes.py", "kept = one._replace(where=None) if waits else one", "kept = one._replace(where=None)", "rows that pass a filter taken for all rows"),
    Mutant("featuregraph/passes.py", "reads += [Read((event,), read.reach) for event in read.events]", "reads += [Read((event,), read.reach) for event in read.events[:1]]", "the first event of several read alone"),
    Mutant("featuregraph/passes.py", "return () if None in distinct else tuple(", "return tuple(", "rows dropped that a track without a filter keeps"),
    Mutant("stream/decode.py", '" or ".join(f"{text} is True or {text} is {overflow}" for', '" or ".join(f"{text} is True" for', "a filter that overflows drops its row"),
    Mutant("stream/decode.py", 'kept = " or ".join(', 'kept = " and ".join(', "rows dropped that one of two filters keeps"),
    # ---- plans that come and go
    Mutant("stream/migration.py", "return old is None or (new is not None and new <= old)", "return True", "a wider window over rows of a narrower one"),
    Mutant("stream/migration.py", "return track not in dropped or all(", "return True or all(", "a new state over rows that were dropped"),
    Mutant("stream/migration.py", "had.get(place) is node for", "True for", "rows that lack a value not read anew"),
    Mutant("stream/binding.py", "and all(before.places[part] == after.places[part] for part in row_parts(new.agg))", "and True", "a state reads a value where it stood before"),
    Mutant("stream/binding.py", "(old.events, old.where) == (new.events, new.where)", "old.events == new.events", "rows of another filter kept"),
    Mutant("stream/span.py", "            self.start, self.end = cut(rows, self.span, t)\n        self._running = {n", "            pass\n        self._running = {n", "a window keeps its numbers over other rows"),
    Mutant("stream/state.py", "        self._bring(self.t)\n        before", "        before", "windows move over before they are brought to one time"),
    Mutant("stream/state.py", "        self._answers = {}\n", "", "values of a plan that went stand when it comes back"),
    Mutant("featuregraph/layout.py", "free = (number for number in count() if number not in taken)", "free = count()", "one number for two parts"),
    # ---- what was served
    Mutant("stream/engine.py", "self.log.keep_served(plan, asked, vector, seen_id=self._cursor)", "self.log.keep_served(plan, asked, vector, seen_id=self._cursor - 1)", "the newest event not among those seen"),
    Mutant("stream/engine.py", "self.log.keep_served(plan, asked, vector, seen_id=self._cursor)", "self.log.keep_served(plan, asked, vector, seen_id=self._cursor + 1)", "an event after the answer among those seen"),
    Mutant("stream/backfill/served.py", "while self.fed < len(self.rows) and self.rows[self.fed][0] <= upto:", "while self.fed < len(self.rows) and self.rows[self.fed][0] < upto:", "an answer computed again without the newest event"),
    Mutant("stream/backfill/served.py", "while self.fed < len(self.rows) and self.rows[self.fed][0] <= upto:", "while self.fed < len(self.rows) and self.times[self.fed][1] <= upto:", "known_ms taken for the order of arrival"),
    Mutant("stream/backfill/served.py", '"as_known": asked.as_known,', '"as_known": False,', "an answer as known computed again from all events"),
    Mutant("stream/served.py", "starts = record.held_from_ms, record.asked.history_start_ms", "starts = (record.held_from_ms,)", "partial by the history of the log alone"),
    Mutant("stream/backfill/served.py", "known_ms is None or known_ms <= t)", "known_ms is None or known_ms < t)", "an event of the same millisecond after the answer not told"),
    Mutant("stream/backfill/arrived.py", "    for mark in twice:\n        del places[mark]\n", "", "the newest event guessed where two look like it"),
    Mutant("stream/ledger.py", "id <= seen_id", "id < seen_id", "an answer kept that saw a forgotten event last"),
    Mutant("stream/ledger.py", "id <= seen_id", "id", "an answer gone with an event that came after it"),
    Mutant("stream/ledger.py", "begin = 0 if reach.ms is None else bisect_left(going, at_ms - reach.ms, key=_ts)", "begin = 0 if reach.ms is None else bisect_right(going, at_ms - reach.ms, key=_ts)", "an answer kept with a forgotten event at the begin of its window"),
    Mutant("stream/ledger.py", "begin = 0 if reach.ms is None else bisect_left(going, at_ms - reach.ms, key=_ts)", "begin = 0", "an answer gone with an event before its window"),
    Mutant("stream/ledger.py", "(reach.events is None or name in reach.events)", "True", "an answer gone with an event that its graph does not read"),
    Mutant("stream/ledger.py", "held.records > self._limits.max_served or", "held.records >= self._limits.max_served or", "one record less than the limit"),
    Mutant("stream/ledger.py", "        if events:\n            self._unmark(what, value)", "        pass", "the time of a forgotten event left in an answer"),
    Mutant("stream/ledger.py", "seen_ts_ms < ?", "seen_ts_ms <= ?", "the newest event taken out of an answer with an earlier one"),
    Mutant("stream/served.py", "return None if None in reaches else max(filter(None, reaches), default=0)", "return max(filter(None, reaches), default=0)", "a lifetime forgets nothing"),
    # ---- rewriting, layout and reading of states
    Mutant("featuregraph/rules.py", "return None if value is OVERFLOW else Node(Op.LIT, node.type, (), value=value)", "return Node(Op.LIT, node.type, (), value=None if value is OVERFLOW else value)", "an overflow of literals folded to null"),
    Mutant("featuregraph/rules.py", 'branch = then if cond["value"] is True else otherwise', 'branch = then if cond["value"] is not False else otherwise', "where takes a null condition as true"),
    Mutant("featuregraph/rules.py", "return part.type is whole.type and part.per_candidate == whole.per_candidate", "return part.type is whole.type", "a list over candidates becomes one value"),
    Mutant("featuregraph/codegen.py", "if len(over) == 1:", "if over:", "only the first candidate list read"),
    Mutant("featuregraph/layout.py", "return any(n.op is Op.REQUEST for n in toposort(item for _, item in agg.items))", "return False", "items of a sequence that wait for a request kept"),
    Mutant("featuregraph/plan.py", "n for n, v in values.items() if v is OVERFLOW or n in spoilt", "n for n in sorted(spoilt) or [n for n, v in values.items() if v is OVERFLOW]", "an overflow names another feature"),
    Mutant("featuregraph/plan.py", "first = at_ms - history_start_ms + (1 if self.graph.include_now else 0)", "first = at_ms - history_start_ms", "partial ignores include_now"),
    Mutant("stream/cells.py", "return OVERFLOW if any(OVERFLOW in made[name] for name in self._computed) else made", "return made", "an overflow inside a sequence let out"),
]
